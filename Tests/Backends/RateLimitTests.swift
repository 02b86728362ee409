// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import Files
import HTTPTypes
import Hummingbird
import NIOCore
import Primitives
import Telemetry
import TestServers
import Testing

@testable import Backends

@Suite("Rate limits of registries") struct RateLimitTests {
    private static let now = ContinuousClock.now

    @Test(
        "a server that says so is left alone for as long as it says",
        arguments: [
            (["retry-after": "7"], true, 7), ([:], true, 30), (["ratelimit-reset": "9"], true, 9),
            (["retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"], true, 30),
            (["retry-after": "99999999"], true, 21_600),
            (["ratelimit-remaining": "0", "ratelimit-reset": "40"], false, 40),
            (["ratelimit": "limit=100, remaining=0, reset=50"], false, 50),
            (["ratelimit-remaining": "1", "ratelimit-reset": "40"], false, 0),
            (["ratelimit-remaining": "0;w=21600"], false, 0), ([:], false, 0),
        ] as [([String: String], Bool, Int)]
    )
    func pauses(_ said: [String: String], _ isRefusal: Bool, _ seconds: Int) throws {
        let limit = RateLimit(of: "registry x", counters: nil)
        var headers: HTTPFields = [:]
        for (name, value) in said { headers[try #require(HTTPField.Name(name))] = value }
        limit.note(headers, isRefusal: isRefusal, at: Self.now)
        let pause = limit.pause(at: Self.now)
        #expect(pause == (seconds == 0 ? nil : .seconds(seconds)))
        #expect(limit.pause(at: Self.now.advanced(by: .seconds(seconds))) == nil)
        guard seconds > 0 else { return try limit.admit(at: Self.now) }
        let error = #expect(throws: BackendError.self) { try limit.admit(at: Self.now) }
        #expect(error?.code == .rateLimited)
        #expect(error?.retryAfter == .seconds(seconds))
        #expect(error?.why.contains("in \(seconds) s") == true)
    }

    @Test("a registry that limits the rate is asked once, and what it says is counted")
    func refusal() async throws {
        try await ScriptedServer.serve { _, _ in
            Response(
                status: .tooManyRequests,
                headers: [.retryAfter: "60", .known("ratelimit-remaining"): "0;w=21600"]
            )
        } body: { address, server async throws in
            let counters = Counters(kind: .buildIndex)
            let context = BackendContext(http: testClient, pool: .singleton, counters: counters)
            let tags = try backend(
                yaml: """
                    backends: [{namespace: .*, backend: {registry_tag: {address: 'http://\(address)'}}}]
                    """,
                context: context
            )
            for _ in 0..<5 {
                let error = await #expect(throws: BackendError.self) {
                    _ = try await tags.text("a/b:c")
                }
                #expect(error?.code == .rateLimited)
                #expect((error?.retryAfter ?? .zero) > .seconds(50))
            }
            #expect(server.lines == ["HEAD /v2/a/b/manifests/c"])
            #expect(counters.counter("upstream_requests_refused").value == 1)
            #expect(counters.counter("upstream_requests_remaining").value == 0)
        }
    }

    @Test("a short limit is waited for")
    func waits() async throws {
        let digest = Digest(hashing: Array("x".utf8))
        try await ScriptedServer.serve { _, number in
            number == 1
                ? Response(status: .tooManyRequests, headers: [.retryAfter: "1"])
                : Response(
                    status: .ok,
                    headers: [.known("docker-content-digest"): digest.description]
                )
        } body: { address, server async throws in
            let tags = try backend("registry_tag: {address: 'http://\(address)', prefix: quay.io}")
            let start = ContinuousClock.now
            #expect(try await tags.text("quay.io/a/b:c") == digest.description)
            #expect(ContinuousClock.now - start >= .milliseconds(900))
            #expect(server.lines == Array(repeating: "HEAD /v2/a/b/manifests/c", count: 2))
            // What is not below the prefix is none of its, without a question.
            let error = await #expect(throws: BackendError.self) {
                _ = try await tags.text("docker.io/a/b:c")
            }
            #expect(error?.code == .notFound)
            #expect(server.lines.count == 2)
        }
    }
}
