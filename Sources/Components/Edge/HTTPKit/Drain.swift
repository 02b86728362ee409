// SPDX-License-Identifier: Apache-2.0

import HummingbirdCore
import NIOCore
import Synchronization
import Telemetry

/// The end of one server: no new connections, time for the requests in work, then the cut.
final class Drain: Sendable {
    private let options: ServerOptions
    private let table: ConnectionTable
    private let server: Server<ConnectionSetup>
    private let serving: Task<Void, any Error>
    private let state = Mutex<State>(.serving)

    private enum State {
        case serving
        case draining(cut: Scheduled<Void>)
        case finished
    }

    init(
        options: ServerOptions,
        table: ConnectionTable,
        server: Server<ConnectionSetup>,
        serving: Task<Void, any Error>
    ) {
        (self.options, self.table, self.server, self.serving) = (options, table, server, serving)
    }

    /// Whether a stop was asked for.
    var hasBegun: Bool {
        state.withLock { if case .draining = $0 { true } else { false } }
    }

    /// Begins it; further calls do nothing.
    func begin() {
        state.withLock { state in
            guard case .serving = state else { return }
            // Who is killed does not finish anything.
            let timeout = options.faults?.isKilled == true ? .zero : options.drainTimeout
            let cut = options.eventLoopGroup.any().scheduleTask(
                in: TimeAmount(timeout)
            ) { [table, serving] in
                table.closeAll()
                serving.cancel()
            }
            state = .draining(cut: cut)
            // The server's own method waits for its connections, and nobody here needs to.
            // Its error, if any, is run()'s error, too.
            Task { [server] in try? await server.shutdownGracefully() }
        }
    }

    /// The server has ended; the cut is not needed any more.
    func finished() {
        state.withLock { state in
            if case .draining(let cut) = state { cut.cancel() }
            state = .finished
        }
    }
}
