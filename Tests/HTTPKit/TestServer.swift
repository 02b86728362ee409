// SPDX-License-Identifier: Apache-2.0

import Files
import Foundation
import HTTPKit
import Hummingbird
import Logging
import NIOCore
import NIOPosix
import Primitives
import Synchronization
import Testing

/// A server on a free port of the loopback for the length of one test.
struct TestServer: Sendable {
    let port: Int
    /// The task whose cancellation stops the server.
    let running: Task<Void, any Error>

    var url: String { "http://127.0.0.1:\(port)" }

    /// Serves the routes that `configure` adds while `body` runs.
    static func with<Value: Sendable>(
        options tweak: (inout ServerOptions) -> Void = { _ in },
        routes configure: (Router<ServerContext>) -> Void,
        body: (TestServer) async throws -> Value
    ) async throws -> Value {
        let router = Router(context: ServerContext.self)
        configure(router)
        var log = Logger(label: "test")
        log.logLevel = .critical
        var options = ServerOptions(
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            log: log
        )
        tweak(&options)
        let bound = Latch<Int>()
        let server = HTTPServer(
            name: "test",
            address: ("127.0.0.1", 0),
            router: router,
            options: options,
            onBound: { bound.open($0) }
        )
        let running = Task { try await server.run() }
        let test = TestServer(port: await bound.value, running: running)
        do {
            let value = try await body(test)
            running.cancel()
            try await running.value
            return value
        } catch {
            running.cancel()
            _ = await running.result
            throw error
        }
    }
}

/// Runs `body` with a client that is shut down afterwards.
func withClient<Value: Sendable>(
    _ body: (HTTPClient) async throws -> Value
) async throws -> Value {
    let client = HTTPClient(
        eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
        pool: .singleton,
        seed: 1
    )
    do {
        let value = try await body(client)
        try await client.shutdown()
        return value
    } catch {
        try await client.shutdown()
        throw error
    }
}

/// Holds whoever asks until it is opened with a value.
final class Latch<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        var waiters: [CheckedContinuation<Value, Never>] = []
    }
    private let state = Mutex(State())

    var isOpen: Bool { state.withLock { $0.value != nil } }

    func open(_ value: Value) {
        let waiters = state.withLock { state in
            if state.value == nil { state.value = value }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume(returning: value) }
    }

    var value: Value {
        get async {
            await withCheckedContinuation { continuation in
                let value = state.withLock { state in
                    if state.value == nil { state.waiters.append(continuation) }
                    return state.value
                }
                if let value { continuation.resume(returning: value) }
            }
        }
    }
}

extension Latch where Value == Void {
    func open() { open(()) }
}

/// A folder of its own for one test, removed at the end.
final class TestFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "httpkit-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A file of `bytes` bytes that differ from place to place.
    func file(_ name: String, bytes: Int) throws -> (file: SharedFile, content: [UInt8]) {
        let content = pattern(bytes)
        let path = path + "/" + name
        try Data(content).write(to: URL(fileURLWithPath: path))
        return (try SharedFile.openForReading(path), content)
    }
}

/// `count` bytes without a short period.
func pattern(_ count: Int) -> [UInt8] {
    // A random block, with a number at the head of each copy of it.
    var generator = Generator(seed: 7)
    let block = (0..<4093).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + block.count)
    while bytes.count < count {
        withUnsafeBytes(of: bytes.count) { bytes += $0 }
        bytes += block
    }
    return Array(bytes[..<count])
}
