// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import Files
import Foundation
import HTTPKit
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

import struct Crypto.SHA256

/// What a server of one test answers.
typealias Routes = @Sendable (Router<ServerContext>, ScriptedServer) -> Void

/// One client for all tests of this process, which is never shut down.
let testClient = HTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton, pool: .singleton)

let quietLog: Logger = {
    var log = Logger(label: "test")
    log.logLevel = .critical
    return log
}()

/// A real HTTP server on a free port of the loopback, with the routes of one test, which notes what
/// it was asked.
final class ScriptedServer: Sendable {
    struct Asked: Hashable, Sendable {
        var line: String
        var headers: [String: String] = [:]
        var body: [UInt8] = []
    }

    private let requests = Mutex<[Asked]>([])

    /// What it was asked, in order.
    var asked: [Asked] { requests.withLock { $0 } }

    /// The method, raw path and query of each request, in order.
    var lines: [String] { asked.map(\.line) }

    /// Notes `request` with its whole body.
    @discardableResult func note(_ request: Request) async throws -> Asked {
        var asked = Asked(line: "\(request.method) \(request.uri.description)")
        for field in request.headers { asked.headers[field.name.canonicalName] = field.value }
        for try await part in request.body { asked.body += part.readableBytesView }
        requests.withLock { [asked] in $0.append(asked) }
        return asked
    }

    /// Serves the routes that `configure` adds while `body` runs with the server's `host:port`.
    func serve<Value: Sendable>(
        _ configure: (Router<ServerContext>, ScriptedServer) -> Void,
        body: (String) async throws -> Value
    ) async throws -> Value {
        let router = Router(context: ServerContext.self)
        configure(router, self)
        let (ports, bound) = AsyncStream.makeStream(of: Int.self)
        let server = HTTPServer(
            name: "test",
            address: ("127.0.0.1", 0),
            router: router,
            options: ServerOptions(
                eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
                log: quietLog,
                drainTimeout: .milliseconds(100)
            ),
            onBound: { bound.yield($0) }
        )
        let running = Task { try await server.run() }
        defer { running.cancel() }
        for await port in ports {
            let value = try await body("127.0.0.1:\(port)")
            running.cancel()
            try await running.value
            return value
        }
        throw CancellationError()
    }
}

/// Serves `configure`'s routes while `body` runs.
func serving<Value: Sendable>(
    _ configure: (Router<ServerContext>, ScriptedServer) -> Void,
    body: (String, ScriptedServer) async throws -> Value
) async throws -> Value {
    let server = ScriptedServer()
    return try await server.serve(configure) { try await body($0, server) }
}

/// An address on which nobody listens.
func deadAddress() throws -> String {
    let socket = try Socket()
    return "127.0.0.1:\(socket.port)"
}

/// A port that was free a moment ago: bound, asked for its number, closed.
private struct Socket {
    let port: Int

    init() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let port: Int = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                _ = bind(descriptor, pointer, length)
                _ = getsockname(descriptor, pointer, &length)
            }
            return Int(UInt16(bigEndian: pointer.pointee.sin_port))
        }
        self.port = port
    }
}

extension Digest {
    static func of(_ bytes: [UInt8]) throws -> Digest {
        try #require(Digest(bytes: Array(SHA256.hash(data: bytes))))
    }
}

/// `bytes` in parts of `partBytes`, which can be read once.
func stream(
    _ bytes: [UInt8],
    partBytes: Int
) -> any AsyncSequence<ByteBuffer, any Error> & Sendable {
    AsyncThrowingStream { continuation in
        for start in stride(from: 0, to: bytes.count, by: partBytes) {
            let part = bytes[start..<min(start + partBytes, bytes.count)]
            continuation.yield(ByteBuffer(bytes: part))
        }
        continuation.finish()
    }
}
