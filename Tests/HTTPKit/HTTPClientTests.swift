// SPDX-License-Identifier: Apache-2.0

import Files
import Foundation
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore
import NIOPosix
import Primitives
import Synchronization
import Telemetry
import Testing

@Suite("HTTP client", .timeLimit(.minutes(1))) struct HTTPClientTests {
    private let fast = RetryPolicy(attemptsMax: 3, pause: .milliseconds(5))

    @Test("a partition cuts a component off from those it names, and from nobody else")
    func partition() async throws {
        try await TestServer.with { router in
            router.get("/") { _, _ in "here" }
        } body: { server in
            try await withClient { client in
                let faults = FaultSwitch()
                let cutOff = client.heeding(faults)
                let others = UnreachablePeers(
                    addresses: ["127.0.0.1:\(server.port)"],
                    peerIDs: [],
                    names: []
                )
                faults.set(.partition(others), as: 1)
                let request = ClientRequest(.get, server.url + "/", retry: .never)
                let error = await #expect(throws: HTTPClientError.self) {
                    try await cutOff.send(request)
                }
                #expect(error?.isTransient == true)
                let (_, body) = try await client.collect(request, upTo: 100)
                #expect(String(buffer: body) == "here")
                faults.clear(1)
                #expect(try await cutOff.collect(request, upTo: 100).body == body)
            }
        }
    }

    @Test("repeats idempotent requests after 503 and gives up after the last attempt")
    func retries() async throws {
        let attempts = Mutex(0)
        let failures = Mutex(2)
        @Sendable func answer() throws -> String {
            attempts.withLock { $0 += 1 }
            let fails = failures.withLock { left in
                defer { left -= 1 }
                return left > 0
            }
            if fails { throw HTTPProblem(.serviceUnavailable, "not yet") }
            return "done"
        }
        try await TestServer.with { router in
            router.get("/flaky") { _, _ in try answer() }
            router.post("/flaky") { _, _ in try answer() }
        } body: { server in
            try await withClient { client in
                var request = ClientRequest(.get, server.url + "/flaky", retry: fast)
                let (_, body) = try await client.collect(request, upTo: 100)
                #expect(String(buffer: body) == "done")
                #expect(attempts.withLock { $0 } == 3)

                failures.withLock { $0 = 10 }
                attempts.withLock { $0 = 0 }
                let error = await #expect(throws: HTTPClientError.self) {
                    try await client.send(request)
                }
                #expect(error?.statusCode == 503 && error?.isTransient == true)
                #expect(attempts.withLock { $0 } == 3)

                attempts.withLock { $0 = 0 }
                request = ClientRequest(.post, server.url + "/flaky")
                await #expect(throws: HTTPClientError.self) { try await client.send(request) }
                #expect(attempts.withLock { $0 } == 1, "a POST is not idempotent")
            }
        }
    }

    @Test("repeats after a connection that broke, but never a stream it has read")
    func brokenConnections() async throws {
        let attempts = Mutex(0)
        let folder = try TestFolder()
        let (file, content) = try folder.file("blob", bytes: 700_000)
        try await TestServer.with { router in
            router.put("/upload") { request, _ in
                let attempt = attempts.withLock { count in
                    count += 1
                    return count
                }
                let body = try await request.collectBody(upTo: 1 << 20)
                guard attempt > 1 else {
                    return Response.fileStream(bytes: 10) { _ in throw ClientFailure(why: "cut") }
                }
                return Response.text(body == ByteBuffer(bytes: content) ? "same" : "other")
            }
        } body: { server in
            try await withClient { client in
                // The first answer's head arrives whole; its body breaks, so what was to be collected is asked for again.
                let url = server.url + "/upload"
                var request = ClientRequest(.put, url, body: .file(file, 0..<700_000), retry: fast)
                let (_, body) = try await client.collect(request, upTo: 100)
                #expect(String(buffer: body) == "same")
                #expect(attempts.withLock { $0 } == 2)

                attempts.withLock { $0 = 0 }
                let (parts, source) = AsyncThrowingStream<ByteBuffer, any Error>.makeStream()
                source.yield(ByteBuffer(bytes: content[..<300_000]))
                source.yield(ByteBuffer(bytes: content[300_000...]))
                source.finish()
                request.body = .stream(length: 700_000, parts)
                #expect(!request.isRepeatable)
                let error = await #expect(throws: HTTPClientError.self) {
                    try await client.collect(request, upTo: 100)
                }
                if case .network = error {} else { Issue.record("\(String(describing: error))") }
                #expect(attempts.withLock { $0 } == 1)
            }
        }
    }

    @Test("tells network errors, time-outs, statuses and long bodies apart")
    func typedErrors() async throws {
        let release = Latch<Void>()
        try await TestServer.with { router in
            router.get("/wait") { _, _ in
                await release.value
                return "late"
            }
            router.get("/large") { _, _ in String(repeating: "x", count: 1000) }
            router.get("/teapot") { _, _ -> Response in
                throw HTTPProblem(.init(code: 418, reasonPhrase: "teapot"), "short and stout")
            }
            router.get("/half") { _, _ in
                Response.fileStream(bytes: 10) { _ in
                    await release.value
                    throw ClientFailure(why: "cut")
                }
            }
        } body: { server in
            try await withClient { client in
                func failure(
                    _ path: String,
                    timeout: Duration = .seconds(20)
                ) async
                    -> HTTPClientError?
                {
                    await #expect(throws: HTTPClientError.self) {
                        try await client.collect(
                            ClientRequest(.get, path, timeout: timeout, retry: .never),
                            upTo: 100
                        )
                    }
                }
                let unused = try await TestServer.with(routes: { _ in }) { $0.url }
                if case .network = await failure(unused + "/x") {} else { Issue.record("network") }
                let slow = await failure(server.url + "/wait", timeout: .milliseconds(50))
                if case .timeout = slow {} else { Issue.record("timeout") }
                // Long enough for the head to arrive, so that it is the body that takes too long.
                let half = await failure(server.url + "/half", timeout: .seconds(2))
                if case .timeout = half {} else { Issue.record("body timeout: \(half as Any)") }
                let streamed = await #expect(throws: HTTPClientError.self) {
                    let request = ClientRequest(.get, server.url + "/half", timeout: .seconds(2))
                    for try await _ in try await client.send(request).body {}
                }
                if case .timeout = streamed {} else { Issue.record("\(streamed as Any)") }
                let large = await failure(server.url + "/large")
                if case .bodyTooLarge(100) = large {} else { Issue.record("bodyTooLarge") }
                let teapot = await failure(server.url + "/teapot")
                if case .status(418, _, let body) = teapot {
                    #expect(body.contains("short and stout"))
                } else {
                    Issue.record("status")
                }
                if case .invalidURL = await failure("not a url") {} else { Issue.record("URL") }
                release.open()
            }
        }
    }

    @Test("brings large bodies down byte for byte")
    func bulk() async throws {
        let folder = try TestFolder()
        let (file, content) = try folder.file("blob", bytes: 20 << 20)
        try await TestServer.with { router in
            router.get("/blob") { request, _ in
                try Response.file(file, bytes: content.count, for: request)
            }
        } body: { server in
            try await withClient { client in
                let request = ClientRequest(.get, server.url + "/blob", isBulk: true)
                let response = try await client.send(request)
                #expect(response.contentLength == content.count)
                var (bytes, largest) = ([UInt8](), 0)
                for try await part in response.body {
                    bytes += part.readableBytesView
                    largest = max(largest, part.readableBytes)
                }
                #expect(bytes == content)
                #expect(largest > 100_000, "read in large pieces")
            }
        }
    }

    @Test("pauses double up to their maximum, and a part of each is drawn")
    func pauses() {
        let policy = RetryPolicy(
            attemptsMax: 9,
            pause: .milliseconds(100),
            pauseMax: .milliseconds(350),
            jitter: Ratio(1, in: 2)
        )
        #expect(policy.pause(before: 2, random: 0) == .milliseconds(50))
        #expect(policy.pause(before: 2, random: 1023) < .milliseconds(100))
        #expect(policy.pause(before: 3, random: 0) == .milliseconds(100))
        #expect(policy.pause(before: 4, random: 0) == .milliseconds(175))
        #expect(policy.pause(before: 60, random: 1023) < .milliseconds(350))
    }
}
