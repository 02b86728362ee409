// SPDX-License-Identifier: Apache-2.0

import Content
import Glibc
import Primitives
import Simulator
import SwarmCore
import SwarmIO
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

    /// Notes what the scheduler of `host`, which is `peer`, did.
    func record(_ host: Int, _ peer: PeerID, _ note: SwarmNote, at now: Instant) {
        // Who received a piece says so as well.
        if case .sentPiece = note { return }
        guard var event = SwarmEvents.event(for: note) else { return }
        event.component = host < origins ? "origin-\(host)" : "agent-\(host - origins)"
        event.localPeer = peer
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
}
