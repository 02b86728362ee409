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
        var events: SimulationEvents
        var failure: Failure?
    }

    private let descriptor: CInt
    private let path: String
    private let state: Mutex<State>
    private static let bufferBytesMax = 1 << 20

    /// Creates the file at `path`, or empties it.
    init(path: String, of simulation: Simulation) throws {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Self.failure(path) }
        let events = SimulationEvents(simulation, epoch: Timestamp(unixNanoseconds: 0))
        state = Mutex(State(events: events))
    }

    deinit { Glibc.close(descriptor) }

    private static func failure(_ path: String) -> Failure {
        Failure("cannot write \(path)", why: String(cString: strerror(errno)))
    }

    /// Notes what the scheduler of `host` did.
    func record(_ now: Instant, _ host: Int, _ note: SwarmNote) {
        state.withLock { state in
            guard let event = state.events.event(now, host, note) else { return }
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
