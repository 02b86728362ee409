// SPDX-License-Identifier: Apache-2.0

import Files
import Foundation
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite("File bodies", .timeLimit(.minutes(1))) struct FileBodyTests {
    private func request(_ path: String, _ headers: String = "", method: String = "GET") -> String {
        "\(method) \(path) HTTP/1.1\r\nHost: x\r\n\(headers)\r\n"
    }

    @Test(
        "arrive byte for byte, whatever their size",
        arguments: [0, 1, 4095, (4 << 20), (9 << 20) + 3]
    )
    func wholeFiles(_ bytes: Int) async throws {
        let folder = try TestFolder()
        let (file, content) = try folder.file("blob", bytes: bytes)
        try await TestServer.with { router in
            router.get("/blob") { request, _ in
                try Response.file(file, bytes: bytes, for: request)
            }
        } body: { server in
            let client = try RawClient(port: server.port)
            for _ in 0..<2 {
                client.send(request("/blob"))
                let response = try await client.response()
                #expect(response.status == 200)
                #expect(response["content-length"] == "\(bytes)")
                #expect(response["accept-ranges"] == "bytes")
                #expect(response.body == content)
            }
        }
    }

    @Test("honour ranges, conditions on them, and refuse those outside")
    func ranges() async throws {
        let folder = try TestFolder()
        let (file, content) = try folder.file("blob", bytes: 100_000)
        try await TestServer.with { router in
            router.get("/blob") { request, _ in
                try Response.file(file, bytes: 100_000, for: request, entityTag: "\"tag\"")
            }
        } body: { server in
            let client = try RawClient(port: server.port)
            func get(_ headers: String) async throws -> RawResponse {
                client.send(request("/blob", headers))
                return try await client.response()
            }
            let middle = try await get("Range: bytes=1000-1999\r\n")
            #expect(middle.status == 206)
            #expect(middle["content-range"] == "bytes 1000-1999/100000")
            #expect(middle.body == Array(content[1000..<2000]))
            let last = try await get("Range: bytes=-1\r\nIf-Range: \"tag\"\r\n")
            #expect(last.status == 206 && last.body == [content[99_999]])
            let changed = try await get("Range: bytes=-1\r\nIf-Range: \"other\"\r\n")
            #expect(changed.status == 200 && changed.body == content)
            let outside = try await get("Range: bytes=100000-\r\n")
            #expect(outside.status == 416)
            #expect(outside["content-range"] == "bytes */100000")
        }
    }

    @Test("of a HEAD have a length and no bytes, and the connection goes on")
    func head() async throws {
        let folder = try TestFolder()
        let (file, content) = try folder.file("blob", bytes: 5000)
        try await TestServer.with { router in
            for method in [HTTPRequest.Method.get, .head] {
                router.on("/blob", method: method) { request, _ in
                    try Response.file(file, bytes: 5000, for: request)
                }
            }
        } body: { server in
            let client = try RawClient(port: server.port)
            client.send(request("/blob", method: "HEAD") + request("/blob"))
            let head = try await client.response(isHead: true)
            #expect(head.status == 200 && head["content-length"] == "5000")
            #expect(try await client.response().body == content)
        }
    }

    @Test("keep their place among pipelined answers of other kinds")
    func pipelining() async throws {
        let folder = try TestFolder()
        let (file, content) = try folder.file("blob", bytes: 3 << 20)
        try await TestServer.with { router in
            router.get("/blob") { request, _ in
                try Response.file(file, bytes: 3 << 20, for: request)
            }
            router.get("/text") { _, _ in "text" }
        } body: { server in
            let client = try RawClient(port: server.port)
            let order = ["/text", "/blob", "/text", "/blob", "/blob", "/text"]
            client.send(order.map { request($0) }.joined())
            for path in order {
                let response = try await client.response()
                #expect(response.body == (path == "/blob" ? content : Array("text".utf8)))
            }
        }
    }

    @Test("made of parts go out as the parts turn up")
    func streamed() async throws {
        let folder = try TestFolder()
        let (file, content) = try folder.file("blob", bytes: 6 << 20)
        let (parts, source) = AsyncStream<Range<Int>>.makeStream()
        try await TestServer.with { router in
            router.get("/blob") { _, _ in
                Response.fileStream(bytes: 6 << 20) { writer in
                    for await part in parts { try await writer.write(file, part) }
                }
            }
        } body: { server in
            let client = try RawClient(port: server.port)
            client.send(request("/blob"))
            source.yield(0..<1 << 20)
            // The first MiB is here before the second exists.
            try await client.buffer(1 << 20)
            source.yield(1 << 20..<5 << 20)
            source.yield(5 << 20..<6 << 20)
            source.finish()
            #expect(try await client.response().body == content)
        }
    }

    @Test("that end before their length close the connection instead of passing for a whole")
    func truncated() async throws {
        let folder = try TestFolder()
        let (file, _) = try folder.file("blob", bytes: 1000)
        try await TestServer.with { router in
            router.get("/short") { _, _ in
                Response.fileStream(bytes: 1000) { try await $0.write(file, 0..<400) }
            }
            router.get("/throws") { _, _ in
                Response.fileStream(bytes: 1000) { writer in
                    try await writer.write(file, 0..<400)
                    throw ClientFailure(why: "the swarm is gone")
                }
            }
            router.get("/long") { _, _ in
                Response.fileStream(bytes: 300) { writer in
                    try await writer.write(file, 0..<300)
                    try await writer.write(file, 0..<400)
                }
            }
        } body: { server in
            for (path, expected) in [("/short", 400), ("/throws", 400), ("/long", 300)] {
                let client = try RawClient(port: server.port)
                client.send(request(path))
                let bytes = try await client.rest()
                let text = String(decoding: bytes, as: UTF8.self)
                let headBytes = text.utf8.count == bytes.count ? bytes.count - expected : 0
                #expect(bytes.count >= expected && headBytes < 400, "\(path)")
                #expect(!text.contains("internal error"), "no second answer inside the first")
            }
        }
    }

    @Test("of a client that goes away leave no open file behind and cancel their writer")
    func abortedClient() async throws {
        let folder = try TestFolder()
        var file: SharedFile? = try folder.file("blob", bytes: 16 << 20).file
        weak let watched = file
        let path = try #require(file).path
        let cancelled = Latch<Void>()
        let shared = Mutex(file)
        file = nil
        try await TestServer.with { router in
            router.get("/blob") { request, _ in
                let file = try #require(shared.withLock { $0.take() })
                return try Response.file(file, bytes: 16 << 20, for: request)
            }
            router.get("/never") { _, _ in
                Response.fileStream(bytes: 10) { _ in
                    let (forever, source) = AsyncStream<Void>.makeStream()
                    for await _ in forever {}
                    withExtendedLifetime(source) {}
                    cancelled.open()
                    try Task.checkCancellation()
                }
            }
        } body: { server in
            let client = try RawClient(port: server.port, receiveBufferBytes: 64 << 10)
            client.send(request("/blob"))
            try await client.skip(100_000)
            client.close(abruptly: true)
            let waiting = try RawClient(port: server.port)
            waiting.send(request("/never"))
            try await waiting.skip(20)
            waiting.close()
            await cancelled.value
        }
        // The server has ended, so every task that could hold the file has, too.
        #expect(watched == nil)
        let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
        for name in open {
            let target = try? FileManager.default.destinationOfSymbolicLink(
                atPath: "/proc/self/fd/\(name)"
            )
            #expect(target != path)
        }
    }

    @Test("hold their writer up when the client does not read")
    func slowReader() async throws {
        let folder = try TestFolder()
        let (file, _) = try folder.file("blob", bytes: 1 << 20)
        let written = Mutex(0)
        let partCount = 256
        try await TestServer.with { router in
            router.get("/blob") { _, _ in
                Response.fileStream(bytes: partCount << 20) { writer in
                    for _ in 0..<partCount {
                        try await writer.write(file, 0..<1 << 20)
                        written.withLock { $0 += 1 }
                    }
                }
            }
            router.get("/progress") { _, _ in "\(written.withLock { $0 })" }
        } body: { server in
            let client = try RawClient(port: server.port, receiveBufferBytes: 64 << 10)
            client.send(request("/blob"))
            let other = try RawClient(port: server.port)
            // Other clients are served all the while; the writer's progress settles below what socket buffers hold.
            var last = -1
            for _ in 0..<200 {
                other.send(request("/progress"))
                let now = Int(try await other.response().text) ?? 0
                if now > 0, now == last { break }
                last = now
            }
            #expect(written.withLock { $0 } < 64)
            for _ in 0..<partCount { try await client.skip(1 << 20) }
        }
        #expect(written.withLock { $0 } == partCount)
    }
}
