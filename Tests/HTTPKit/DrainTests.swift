// SPDX-License-Identifier: Apache-2.0

import Files
import HTTPKit
import Hummingbird
import NIOCore
import Primitives
import Telemetry
import Testing

@Suite("Stopping a server", .timeLimit(.minutes(1))) struct DrainTests {
    private func request(_ path: String) -> String { "GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n" }

    @Test("finishes the requests in work, takes no new ones, and ends at once when idle")
    func graceful() async throws {
        let (release, entered) = (Latch<Void>(), Latch<Void>())
        try await TestServer.with { router in
            router.get("/wait") { _, _ in
                entered.open()
                await release.value
                return "done"
            }
        } body: { server in
            let (busy, idle) = (try RawClient(port: server.port), try RawClient(port: server.port))
            busy.send(request("/wait"))
            await entered.value
            server.running.cancel()
            // The idle connection is closed by the drain, so from here on it has begun.
            #expect(try await idle.rest() == [])
            #expect(throws: ClientFailure.self) { try RawClient(port: server.port) }
            release.open()
            let answer = try await busy.response()
            #expect(answer.text == "done" && answer["connection"] == "close")
            #expect(try await busy.rest() == [])
            try await server.running.value
        }
    }

    /// A request that was not cut off would never end, nor would this test.
    @Test("cuts off what takes longer than the drain's bound")
    func cut() async throws {
        let cancelled = Latch<Void>()
        let entered = Latch<Void>()
        try await TestServer.with { options in
            options.drainTimeout = .milliseconds(200)
        } routes: { router in
            addNever(to: router, entered, cancelled)
        } body: { server in
            let client = try RawClient(port: server.port)
            client.send(request("/never"))
            await entered.value
            server.running.cancel()
            try await server.running.value
            await cancelled.value
        }
    }

    /// A route that answers only when its request is cut off.
    private func addNever(
        to router: Router<ServerContext>,
        _ entered: Latch<Void>,
        _ cancelled: Latch<Void>
    ) {
        router.get("/never") { _, _ in
            entered.open()
            let (forever, source) = AsyncStream<Void>.makeStream()
            for await _ in forever {}
            withExtendedLifetime(source) {}
            cancelled.open()
            return "cut"
        }
    }

    @Test("a killed server cuts off everything at once")
    func kill() async throws {
        let (entered, cancelled) = (Latch<Void>(), Latch<Void>())
        let faults = FaultSwitch()
        try await TestServer.with { options in
            options.drainTimeout = .hours(1)
            options.faults = faults
        } routes: { router in
            addNever(to: router, entered, cancelled)
        } body: { server in
            let client = try RawClient(port: server.port)
            client.send(request("/never"))
            await entered.value
            faults.set(.kill, as: 1)
            server.running.cancel()
            #expect(try await client.rest() == [])
            await cancelled.value
            try await server.running.value
        }
    }

    @Test("ends event streams at once")
    func eventStreams() async throws {
        let events = EventLog(component: "test")
        try await TestServer.with { options in
            options.drainTimeout = .seconds(50)
        } routes: { router in
            router.get("/events") { request, _ in try Response.events(of: events, for: request) }
        } body: { server in
            let client = try RawClient(port: server.port)
            client.send(request("/events"))
            try await client.buffer(100)
            server.running.cancel()
            let text = String(decoding: try await client.rest(), as: UTF8.self)
            #expect(text.hasSuffix("\r\n0\r\n\r\n"), "the stream is complete")
            try await server.running.value
        }
    }
}
