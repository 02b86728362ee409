// SPDX-License-Identifier: Apache-2.0

import Glibc
package import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import Primitives
import ServiceLifecycle
import Telemetry

/// One listener with its routes.
///
/// It stops when its task is cancelled or ServiceLifecycle asks for it: it accepts no more connections, lets the requests
/// in work finish for at most `drainTimeout`, cuts off the rest, and ``run()`` returns.
package struct HTTPServer: Service {
    private let name: String
    private let host: String
    private let port: Int
    private let options: ServerOptions
    private let responder: ServerResponder
    private let onBound: @Sendable (Int) -> Void

    /// A server that will listen on `address` (port 0: one that is free) and answer by `router`'s routes.
    ///
    /// `onBound` is called once with the port, when connections are accepted. Routes added later are not seen.
    package init(
        name: String,
        address: (host: String, port: Int),
        router: Router<ServerContext>,
        options: ServerOptions,
        onBound: @escaping @Sendable (Int) -> Void = { _ in }
    ) {
        self.name = name
        (host, port) = address
        self.options = options
        self.onBound = onBound
        responder = ServerResponder(name: name, router: router, options: options)
    }

    /// Listens and serves until it is told to stop.
    /// - Throws: ``ListenError`` when it cannot listen.
    package func run() async throws {
        let table = ConnectionTable(connectionsMax: options.limits.httpConnectionsMax)
        let server = makeServer(table: table)
        // Unstructured: cancelling us must begin a drain, not cut off the requests in work.
        let serving = Task { try await server.run() }
        let drain = Drain(options: options, table: table, server: server, serving: serving)
        defer { drain.finished() }
        do {
            try await withTaskCancellationHandler {
                try await withGracefulShutdownHandler {
                    try await serving.value
                } onGracefulShutdown: {
                    drain.begin()
                }
            } onCancel: {
                drain.begin()
            }
        } catch let error where !drain.hasBegun {
            throw ListenError(name: name, host: host, port: port, error)
        } catch {
            // Stopped before it had bound: there was nothing to serve yet.
        }
    }

    private func makeServer(table: ConnectionTable) -> Server<ConnectionSetup> {
        var quiet = options.log
        quiet.logLevel = max(quiet.logLevel, .warning)
        let alarm = AcceptAlarm(log: options.log)
        let setup = ConnectionSetup(options: options, table: table, alarm: alarm) {
            [responder] request, writer, channel in
            try await responder.respond(to: request, writer: writer, channel: channel)
        }
        return Server(
            childChannelSetup: setup,
            configuration: ServerConfiguration(
                address: .hostname(host, port: port),
                backlog: options.limits.listenBacklog,
                availableConnectionsDelegate: .maximum(
                    options.limits.httpConnectionsMax,
                    logger: quiet
                )
            ),
            onServerRunning: { [name, log = options.log, onBound, host, port] channel in
                let bound = channel.localAddress?.port ?? port
                log.info(
                    "listening",
                    metadata: [LogKey.address: "\(host):\(bound)", "server": "\(name)"]
                )
                await alarm.watch(channel)
                onBound(bound)
            },
            eventLoopGroup: options.eventLoopGroup,
            logger: quiet
        )
    }
}

/// Why a server cannot listen.
package struct ListenError: Error, Sendable, CustomStringConvertible {
    /// The server.
    package let name: String
    /// Where it was to listen.
    package let host: String
    /// The port; 0 stands for any free one.
    package let port: Int
    /// What the system said.
    package let why: String
    /// What to do.
    package let remedy: String

    init(name: String, host: String, port: Int, _ error: any Error) {
        (self.name, self.host, self.port, why) = (name, host, port, "\(error)")
        let code = (error as? IOError)?.errnoCode
        remedy =
            code == EMFILE || code == ENFILE
            ? "raise the limit of open files (ulimit -n)" : "choose another port or end who uses it"
    }

    package var description: String {
        "\(name) cannot listen on \(host):\(port): \(why); \(remedy)"
    }
}
