// SPDX-License-Identifier: Apache-2.0

import Content
import Glibc
import Primitives
import Simulator
import SwarmCore
import Synchronization
import Telemetry

/// Writes what schedulers do to a file, a JSON line each, as components write their events.
final class SimulationRecorder: Sendable {
    private struct State {
        var buffer: [UInt8] = []
        var sequences: [UInt64]
        var failure: Failure?
    }

    private let descriptor: CInt
    private let path: String
    private let origins: Int
    private let state: Mutex<State>
    private static let bufferBytesMax = 1 << 20

    /// Creates the file at `path`, or empties it.
    init(path: String, plan: SimulationPlan) throws {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Self.failure(path) }
        origins = plan.origins
        state = Mutex(State(sequences: Array(repeating: 0, count: plan.hostCount)))
    }

    deinit { Glibc.close(descriptor) }

    private static func failure(_ path: String) -> Failure {
        Failure("cannot write \(path)", why: String(cString: strerror(errno)))
    }

    /// Notes what the scheduler of `host` did.
    func record(_ host: Int, _ note: SwarmNote, at now: Instant) {
        guard var event = Self.event(note) else { return }
        event.component = host < origins ? "origin-\(host)" : "agent-\(host - origins)"
        event.timestamp = Timestamp(unixNanoseconds: now.nanoseconds)
        state.withLock { state in
            state.sequences[host] += 1
            event.sequence = state.sequences[host]
            do {
                state.buffer += try TelemetryJSON.encode(event)
                state.buffer.append(UInt8(ascii: "\n"))
                if state.buffer.count >= Self.bufferBytesMax { flush(&state) }
            } catch {
                state.failure = Failure("cannot record \(event.kind)", why: "\(error)")
            }
        }
    }

    /// Writes what is left.
    func close() throws {
        let failure = state.withLock { state in
            flush(&state)
            return state.failure
        }
        if let failure { throw failure }
    }

    private func flush(_ state: inout State) {
        var rest = state.buffer[...]
        while !rest.isEmpty, state.failure == nil {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                state.failure = Self.failure(path)
            }
        }
        state.buffer.removeAll(keepingCapacity: true)
    }

    private static func event(_ note: SwarmNote) -> ClusterEvent? {
        switch note {
        case .addTorrent(let hash, _): ClusterEvent(.addTorrent, torrent: hash)
        case .addActiveConnection(let hash, let peer, _):
            ClusterEvent(.addActiveConnection, torrent: hash, peer: peer)
        case .dropActiveConnection(let hash, let peer, let reason):
            ClusterEvent(.dropActiveConnection, torrent: hash, peer: peer, reason: reason)
        case .connectionRejected(let hash, let peer, let reason):
            ClusterEvent(.connectionRejected, torrent: hash, peer: peer, reason: "\(reason)")
        case .banned(let hash, let peer, _): ClusterEvent(.banConnection, torrent: hash, peer: peer)
        case .requestPiece(let hash, let peer, let piece, let reason, _):
            ClusterEvent(
                .requestPiece,
                torrent: hash,
                peer: peer,
                piece: piece.value,
                reason: "\(reason)"
            )
        case .receivePiece(let hash, let peer, let piece, let bytes, _, _):
            ClusterEvent(
                .receivePiece,
                torrent: hash,
                peer: peer,
                piece: piece.value,
                bytes: bytes
            )
        case .duplicatePiece(let hash, let peer, let piece, _):
            ClusterEvent(.duplicatePiece, torrent: hash, peer: peer, piece: piece.value)
        case .badPiece(let hash, let peer, let piece):
            ClusterEvent(.hashFailed, torrent: hash, peer: peer, piece: piece.value)
        case .requestExpired(let hash, let peer, let piece):
            ClusterEvent(.requestExpired, torrent: hash, peer: peer, piece: piece.value)
        case .torrentComplete(let hash): ClusterEvent(.torrentComplete, torrent: hash)
        case .torrentCancelled(let hash, let reason):
            ClusterEvent(.torrentCancelled, torrent: hash, reason: "\(reason)")
        // Said by the receiver, too.
        case .sentPiece, .requestFailed: nil
        }
    }
}
