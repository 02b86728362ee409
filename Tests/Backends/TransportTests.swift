// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore
import Primitives
import TestServers
import Testing

@testable import Backends

@Suite("Asking a backend's server") struct TransportTests {
    private func http(_ address: String, _ more: String = "") throws -> any Backend {
        try backend("http: {download_url: 'http://\(address)/%s'\(more)}")
    }

    @Test("asks again after what may pass, and no more often than it may")
    func repeats() async throws {
        try await ScriptedServer.serve { _, number in
            number < 3 ? .empty(.serviceUnavailable) : .text("content")
        } body: { address, server async throws in
            #expect(try await http(address).text("x") == "content")
            #expect(server.lines == ["GET /x", "GET /x", "GET /x"])
        }
        try await ScriptedServer.serve { _, _ in
            .empty(.serviceUnavailable)
        } body: {
            address,
            server in
            let error = await #expect(throws: BackendError.self) {
                _ = try await http(address, ", attempts_max: 2").text("x")
            }
            #expect(error?.code == .unavailable)
            #expect(server.lines.count == 2)
        }
        try await ScriptedServer.serve { _, _ in
            .empty(.badRequest)
        } body: { address, server async throws in
            let error = await #expect(throws: BackendError.self) {
                _ = try await http(address).text("x")
            }
            #expect(error?.code == .failed && server.lines.count == 1)
        }
    }

    @Test("a download that breaks goes on where it broke, if it is the same version")
    func resumption() async throws {
        let whole = [UInt8](repeating: 7, count: 1 << 20) + Array("the end".utf8)
        for isSame in [true, false] {
            try await ScriptedServer.serve { request, number in
                guard number > 1 else { return .broken(whole, after: 1 << 19, etag: "\"v1\"") }
                #expect(request.headers[.ifRange] == "\"v1\"")
                let range = request.headers[.range] ?? ""
                guard isSame, let start = Int(range.dropFirst(6).dropLast(1)) else {
                    return Response(status: .ok, body: .init(byteBuffer: ByteBuffer(bytes: whole)))
                }
                return Response(
                    status: .partialContent,
                    headers: [.contentRange: "bytes \(start)-\(whole.count - 1)/\(whole.count)"],
                    body: .init(byteBuffer: ByteBuffer(bytes: whole[start...]))
                )
            } body: { address, server async throws in
                if isSame {
                    #expect(try await http(address).bytes("x") == whole)
                    #expect(server.lines.count == 2)
                } else {
                    let error = await #expect(throws: BackendError.self) {
                        _ = try await http(address).bytes("x")
                    }
                    #expect(error?.code == .unavailable)
                }
            }
        }
    }

    @Test("redirects are followed, credentials are not sent elsewhere, and circles end")
    func redirects() async throws {
        let request = ClientRequest(
            .get,
            "https://a:1/x?y",
            headers: [.authorization: "secret", .range: "bytes=0-"]
        )
        try await ScriptedServer.serve { request, _ in
            Response(status: .found, headers: [.location: request.uri.path])
        } body: { address, server async throws in
            let error = await #expect(throws: BackendError.self) {
                _ = try await http(address, ", attempts_max: 1").text("x")
            }
            #expect(error?.why.contains("circles") == true)
            #expect(server.lines.count == TransportHops.countMax)
            _ = request
        }
        #expect(TransportHops.authority(of: request.url) == "https://a:1")
        #expect(TransportHops.authority(of: "http://b?x") == "http://b")
    }

    @Test("repeats end when their budget does, and successes fill it")
    func budget() {
        let budget = RetryBudget()
        for _ in 0..<Int(RetryBudget.savedMax) { #expect(budget.withdraw()) }
        #expect(!budget.withdraw())
        for _ in 0..<6 { budget.deposit() }
        #expect(budget.withdraw())
        #expect(!budget.withdraw())
    }

    @Test("a rate is kept however large the transfers are, and shared")
    func pacing() {
        var schedule = PacedSchedule(rate: ByteRate(bytesPerSecond: 1000))
        let start = Instant.origin.advanced(by: .seconds(100))
        #expect(schedule.reserve(10_000, at: start) == .zero)
        // Ten seconds' worth, less what was saved up before.
        #expect(schedule.reserve(1, at: start) == .seconds(10) - PacedSchedule.burst)
        let later = start.advanced(by: .seconds(60))
        schedule.memberCount = 4
        #expect(schedule.reserve(1000, at: later) == .zero)
        #expect(schedule.reserve(1, at: later) == .seconds(4) - PacedSchedule.burst)
    }

    @Test("transfers wait for bandwidth, both ways")
    func throttled() async throws {
        let row = "{namespace: .*, backend: {file: {root: /nowhere, name_path: identity}}"
        let rules = try rules(
            "backends: [\(row), bandwidth: {enable: true, egress_bits_per_sec: 800, ingress_bits_per_sec: 800}}]"
        )
        let rate = try #require(rules[0].bandwidth)
        let gates = BandwidthGates(rate)
        try await gates.egress.pass(100)
        let task = Task { try await gates.egress.pass(1 << 30) }
        try await task.value
        // A gigabyte at 100 B/s is not over before the test is.
        let waiting = Task { try await gates.egress.pass(1) }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
    }

    @Test("places for parts are handed on in order, and given back by those who give up")
    func parts() async throws {
        let parts = PartBuffers(count: 2)
        try await parts.acquire()
        #expect(parts.takeIfFree())
        #expect(!parts.takeIfFree())
        let cancelled = Task { try await parts.acquire() }
        cancelled.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        let next = Task { try await parts.acquire() }
        parts.release()
        try await next.value
        #expect(!parts.takeIfFree())
        parts.release()
        #expect(parts.takeIfFree())
        #expect(parts.takenMax == 2)
    }
}

extension Response {
    /// Says that all of `whole` comes, and ends after `count` bytes.
    fileprivate static func broken(_ whole: [UInt8], after count: Int, etag: String) -> Response {
        struct Broken: Error {}
        let body = ResponseBody(contentLength: whole.count) { writer in
            try await writer.write(ByteBuffer(bytes: whole[..<count]))
            throw Broken()
        }
        return Response(status: .ok, headers: [.eTag: etag], body: body)
    }
}
