// SPDX-License-Identifier: Apache-2.0

import HTTPKit
import HTTPTypes
package import Hummingbird
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// A server on a free port of the loopback that answers as one test wants, for what no real server does on demand.
package final class ScriptedServer: Sendable {
    private let requests = Mutex<[String]>([])

    /// The method, path and query of each request, in order.
    package var lines: [String] { requests.withLock { $0 } }

    /// Answers every request with what `answer` returns, while `body` runs with the server's `host:port`.
    package static func serve<Value: Sendable>(
        _ answer: @escaping @Sendable (Request, _ number: Int) async throws -> Response,
        body: (String, ScriptedServer) async throws -> Value
    ) async throws -> Value {
        let scripted = ScriptedServer()
        let router = Router(context: ServerContext.self)
        for method in [HTTPRequest.Method.get, .head, .put, .post, .patch, .delete] {
            router.on("**", method: method) { request, _ in
                let number = scripted.requests.withLock { requests in
                    requests.append("\(request.method) \(request.uri.description)")
                    return requests.count
                }
                return try await answer(request, number)
            }
        }
        var log = Logger(label: "test")
        log.logLevel = .critical
        let (ports, bound) = AsyncStream.makeStream(of: Int.self)
        let server = HTTPServer(
            name: "test",
            address: ("127.0.0.1", 0),
            router: router,
            options: ServerOptions(
                eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
                log: log,
                drainTimeout: .milliseconds(100)
            ),
            onBound: { bound.yield($0) }
        )
        let running = Task { try await server.run() }
        defer { running.cancel() }
        for await port in ports {
            let value = try await body("127.0.0.1:\(port)", scripted)
            running.cancel()
            try await running.value
            return value
        }
        throw CancellationError()
    }
}
