// SPDX-License-Identifier: Apache-2.0

import HTTPKit
import Hummingbird
import Primitives
import Testing

/// Clients that hold connections and give nothing for them.
@Suite("HTTP server in a crowd") struct CrowdTests {
    private let get = "GET /text HTTP/1.1\r\nHost: x\r\n\r\n"

    @Test(
        "idle connections, and those with half a head, make room for new ones; those at work stay"
    )
    func room() async throws {
        let (release, entered) = (Latch<Void>(), Latch<Void>())
        try await TestServer.with { options in
            options.limits.httpConnectionsMax = 16
        } routes: { router in
            router.get("/text") { _, _ in "text" }
            router.get("/wait") { _, _ in
                entered.open()
                await release.value
                return "done"
            }
        } body: { server in
            let worker = try RawClient(port: server.port)
            worker.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            await entered.value
            var crowd: [RawClient] = []
            for number in 0..<64 {
                let client = try RawClient(port: server.port)
                if number % 2 == 0 { client.send("GET /te") }
                crowd.append(client)
            }
            let late = try RawClient(port: server.port)
            late.send(get)
            #expect(try await late.response().text == "text")
            // Whoever came first has gone first.
            #expect(try await crowd[0].rest() == [])
            release.open()
            #expect(try await worker.response().text == "done")
            worker.send(get)
            #expect(try await worker.response().text == "text")
        }
    }

    @Test("where all connections are at work, a new one waits and is served in the end")
    func busy() async throws {
        let release = Latch<Void>()
        let (entries, entry) = AsyncStream.makeStream(of: Void.self)
        try await TestServer.with { options in
            options.limits.httpConnectionsMax = 4
        } routes: { router in
            router.get("/text") { _, _ in "text" }
            router.get("/wait") { _, _ in
                entry.yield()
                await release.value
                return "done"
            }
        } body: { server in
            var entered = entries.makeAsyncIterator()
            var workers: [RawClient] = []
            for _ in 0..<4 {
                let worker = try RawClient(port: server.port)
                worker.send("GET /wait HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                _ = await entered.next()
                workers.append(worker)
            }
            let late = try RawClient(port: server.port)
            late.send(get)
            release.open()
            for worker in workers { #expect(try await worker.response().text == "done") }
            #expect(try await late.response().text == "text")
        }
    }

    @Test("a body that comes byte by byte is given up, however steadily it comes")
    func dripping() async throws {
        let (drops, drop) = AsyncStream.makeStream(of: Int.self)
        try await TestServer.with { options in
            options.bodyTimeout = .milliseconds(200)
        } routes: { router in
            router.put("/drip") { request, _ in
                defer { drop.finish() }
                var bytes = 0
                for try await buffer in request.body {
                    bytes += buffer.readableBytes
                    drop.yield(bytes)
                }
                return "whole"
            }
        } body: { server in
            let client = try RawClient(port: server.port)
            client.send("PUT /drip HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
            client.send("1")
            var bytes = 0
            for await count in drops {
                bytes = count
                client.send("1")
            }
            #expect(bytes > 0 && bytes < 1_000_000)
            #expect(!String(decoding: try await client.rest(), as: UTF8.self).contains("whole"))
        }
    }

    @Test("the time that we do not read a body is not the client's")
    func paused() async throws {
        let (release, entered) = (Latch<Void>(), Latch<Void>())
        let body = [UInt8](repeating: 7, count: 32 << 20)
        try await TestServer.with { options in
            options.idleTimeout = .milliseconds(200)
            options.bodyTimeout = .milliseconds(100)
        } routes: { router in
            router.put("/slow") { request, _ in
                var bytes = 0
                for try await buffer in request.body {
                    if bytes == 0 {
                        entered.open()
                        await release.value
                    }
                    bytes += buffer.readableBytes
                }
                return "\(bytes)"
            }
        } body: { server in
            let client = try RawClient(port: server.port)
            client.send("PUT /slow HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.count)\r\n\r\n")
            client.sendInBackground(body)
            await entered.value
            // An idle connection is a clock here: it goes after twice the time that a body may pause.
            #expect(try await RawClient(port: server.port).rest() == [])
            release.open()
            #expect(try await client.response().text == "\(body.count)")
        }
    }
}
