// SPDX-License-Identifier: Apache-2.0

import AccessControl
import ClusterConfiguration
import Files
import Foundation
import HTTPKit
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOPosix
import RegistryAPI
import Synchronization
import Telemetry
import TestSupport
import Testing

/// A gatekeeper with what it reads in a folder of its own.
struct GateHarness: Sendable {
    let gate: Gatekeeper
    let folder: String
    let counters: Counters

    private static let http = HTTPClient(
        eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
        pool: .singleton
    )
    /// The time that tokens are compared with, in seconds since 1970.
    static let now = 1_800_000_000.0

    /// Runs `body` with the gatekeeper that `configure` describes; `files` are written first.
    static func run(
        files: [String: String] = [:],
        configure: (inout AccessConfiguration, _ folder: String) -> Void,
        body: (GateHarness) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            for (name, text) in files {
                try AtomicFile.write(Array(text.utf8), to: "\(folder)/\(name)", durable: false)
            }
            var access = AccessConfiguration()
            configure(&access, folder)
            var log = Logger(label: "test")
            log.logLevel = .critical
            let counters = Counters(kind: .proxy)
            let environment = ComponentEnvironment(
                id: "proxy-0",
                eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
                pool: .singleton,
                httpClient: http,
                log: log,
                events: EventLog(component: "proxy-0"),
                counters: counters
            )
            let gate = try await Gatekeeper(access, environment: environment) { now }
            let harness = GateHarness(gate: gate, folder: folder, counters: counters)
            do { try await body(harness) } catch { Issue.record(error) }
            await gate.close()
        }
    }

    /// What becomes of a request: 200, or the refusal's status, and its challenge.
    func ask(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ authorization: String? = nil
    ) async throws -> (status: Int, challenge: String?) {
        let parts = path.split(separator: "?", maxSplits: 1).map(String.init)
        let request = try RegistryRequest(
            method: method,
            path: parts[0],
            query: parts.count > 1 ? parts[1] : nil
        )
        var headers: HTTPFields = [:]
        headers[.authorization] = authorization
        do {
            _ = try await gate.admit(request, headers)
            return (200, nil)
        } catch {
            return (error.status.code, error.headers[.wwwAuthenticate])
        }
    }

    func status(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ authorization: String? = nil
    ) async throws -> Int {
        try await ask(method, path, authorization).status
    }
}

/// `Basic …`.
func basic(_ user: String, _ password: String) -> String {
    "Basic " + Data("\(user):\(password)".utf8).base64EncodedString()
}

/// A server of one document, which can be replaced, that counts who asks.
final class DocumentServer: Sendable {
    private let state: Mutex<(text: String, count: Int)>

    init(_ text: String) { state = Mutex((text, 0)) }

    var count: Int { state.withLock { $0.count } }
    func replace(_ text: String) { state.withLock { $0.text = text } }

    /// Serves while `body` runs.
    func run(_ body: (_ url: String) async throws -> Void) async throws {
        let router = Router(context: ServerContext.self)
        router.get("/keys") { _, _ in
            Response.text(
                self.state.withLock { state in
                    state.count += 1
                    return state.text
                }
            )
        }
        var log = Logger(label: "test")
        log.logLevel = .critical
        let ports = AsyncStream.makeStream(of: Int.self, bufferingPolicy: .bufferingNewest(1))
        let server = HTTPServer(
            name: "keys",
            address: ("127.0.0.1", 0),
            router: router,
            options: ServerOptions(
                eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
                log: log
            ),
            onBound: { ports.continuation.yield($0) }
        )
        let running = Task { try await server.run() }
        var iterator = ports.stream.makeAsyncIterator()
        let port = try #require(await iterator.next())
        do { try await body("http://127.0.0.1:\(port)/keys") } catch { Issue.record(error) }
        running.cancel()
        try await running.value
    }
}
