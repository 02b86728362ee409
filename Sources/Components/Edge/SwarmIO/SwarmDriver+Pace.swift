// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Primitives
import SwarmCore

/// What of a payload was still to come, or to be taken, at one look.
struct PaceMark: Equatable {
    /// Of which payload.
    let serial: Int
    /// Bytes that are left of it.
    let bytesLeft: Int
}

/// Payloads that hardly advance: a byte a second keeps a connection alive, a slot taken and a piece from coming elsewhere.
extension SwarmDriver {
    /// A payload has begun: its pace will be looked at.
    func watchPace() {
        if paceCheck == nil { paceCheck = Self.now.advanced(by: configuration.policy.paceWindow) }
    }

    /// Ends the connections on which a payload was under way the last time, too, and has advanced by less than it must.
    func checkPace(_ now: Instant) {
        let window = configuration.policy.paceWindow
        guard let check = paceCheck, check <= now else { return }
        // Whoever slept for that long has no right to complain.
        let isInTime = check.advanced(by: window) > now
        var isAnyUnderWay = false
        for connection in connections.values {
            let mark = paceMark(of: connection)
            defer { connection.paceMark = mark }
            guard let mark else { continue }
            isAnyUnderWay = true
            guard isInTime, let last = connection.paceMark, last.serial == mark.serial,
                last.bytesLeft - mark.bytesLeft < leastProgress
            else { continue }
            connectionEnded(connection.id, reason: "its payload hardly advances", isFault: true)
        }
        paceCheck = isAnyUnderWay ? now.advanced(by: window) : nil
    }

    /// What is under way on `connection` and the peer's to send or take; nil: nothing.
    private func paceMark(of connection: PeerConnection) -> PaceMark? {
        if let arrival = connection.arrival {
            // While we do not read, or share out what we may receive, the pace is ours.
            guard connection.isReading, !ingress.isLimited else { return nil }
            return PaceMark(serial: connection.payloadSerial, bytesLeft: arrival.remainingBytes)
        }
        guard connection.slicesUnderWay > 0 else { return nil }
        return PaceMark(serial: connection.payloadSerial, bytesLeft: bufferedBytes(connection))
    }

    private var leastProgress: Int {
        let policy = configuration.policy
        let bytes = Double(policy.paceMin.bytesPerSecond) * policy.paceWindow.seconds
        return max(1, Int(bytes))
    }
}
