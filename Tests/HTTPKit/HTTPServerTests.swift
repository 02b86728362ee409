// SPDX-License-Identifier: Apache-2.0

import Content
import Foundation
import HTTPKit
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOPosix
import Primitives
import Synchronization
import Testing

@Suite("HTTP server", .timeLimit(.minutes(1))) struct HTTPServerTests {
    private let get = "GET /text HTTP/1.1\r\nHost: x\r\n\r\n"

    private func errorCode(_ response: RawResponse) throws -> String? {
        try JSON(parsing: response.body)["error"]?["code"]?.string
    }

    @Test("answers a wrong path with 404, a wrong method with 405, both as JSON")
    func misses() async throws {
        try await TestServer.with { router in
            router.get("/text") { _, _ in "text" }
            router.put("/text") { _, _ in "put" }
        } body: { server in
            let client = try RawClient(port: server.port)
            client.send("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
            let unknown = try await client.response()
            #expect(unknown.status == 404)
            #expect(try errorCode(unknown) == "NOT_FOUND")
            client.send("POST /text HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
            let wrong = try await client.response()
            #expect(wrong.status == 405)
            #expect(wrong["allow"] == "GET, PUT")
            #expect(try errorCode(wrong) == "METHOD_NOT_ALLOWED")
            client.send(get)
            #expect(try await client.response().text == "text")
        }
    }

    @Test("tells clients what they did wrong, and nothing of what went wrong inside")
    func errors() async throws {
        try await TestServer.with { router in
            router.get("/secret") { _, _ -> Response in
                throw ClientFailure(why: "password=hunter2")
            }
            router.get("/digest/{d}") { _, context in
                try Digest(parsing: try context.parameter("d")).description
            }
            router.get("/problem") { _, _ -> Response in
                throw HTTPProblem(.conflict, "taken", detail: "by you", remedy: "wait")
            }
            router.get("/plain") { _, _ -> Response in
                throw HTTPProblem.badRequest("plain words").asText
            }
            router.get("/accepted") { _, _ -> Response in throw HTTPProblem.accepted }
            router.post("/json") { request, _ in
                Response.json(try await request.json(upTo: 100))
            }
        } body: { server in
            let client = try RawClient(port: server.port)
            func ask(_ path: String) async throws -> RawResponse {
                client.send("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n")
                return try await client.response()
            }
            let secret = try await ask("/secret")
            #expect(secret.status == 500 && !secret.text.contains("hunter2"))
            #expect(try await ask("/digest/sha256:zz").status == 400)
            let problem = try JSON(parsing: try await ask("/problem").body)["error"]
            #expect(
                problem?["message"]?.string == "taken" && problem?["detail"]?.string == "by you"
            )
            #expect(problem?["code"]?.string == "CONFLICT" && problem?["remedy"]?.string == "wait")
            #expect(try await ask("/plain").text == "plain words")
            let accepted = try await ask("/accepted")
            #expect(accepted.status == 202 && accepted["content-length"] == "0")
            for (body, status) in [
                ("{\"a\":1}", 200), ("{\"a\":", 400), ("", 400),
                (String(repeating: " ", count: 200), 413),
            ] {
                let length = body.utf8.count
                client.send(
                    "POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: \(length)\r\n\r\n\(body)"
                )
                #expect(try await client.response().status == status, "\(body)")
            }
        }
    }

    @Test("takes a request id from the client when it is sane, and makes one up otherwise")
    func requestIDs() async throws {
        try await TestServer.with { router in
            router.get("/id") { _, context in context.requestID }
        } body: { server in
            let client = try RawClient(port: server.port)
            client.send("GET /id HTTP/1.1\r\nHost: x\r\nX-Request-Id: abc-123\r\n\r\n")
            let kept = try await client.response()
            #expect(kept["x-request-id"] == "abc-123" && kept.text == "abc-123")
            #expect(kept["date"]?.hasSuffix("GMT") == true)
            let long = String(repeating: "x", count: 200)
            for header in ["", "X-Request-Id: \(long)\r\n", "X-Request-Id: a b\r\n"] {
                client.send("GET /id HTTP/1.1\r\nHost: x\r\n\(header)\r\n")
                let made = try await client.response()
                let id = try #require(made["x-request-id"])
                #expect(made.text == id && !id.contains(" ") && id.count < 40)
            }
        }
    }

    @Test("answers a head that is too large with 431 and closes")
    func largeHead() async throws {
        try await TestServer.with { router in
            router.get("/text") { _, _ in "text" }
        } body: { server in
            let large = String(repeating: "x", count: 20_000)
            let many = (0..<400).map { "X-\($0): y\r\n" }.joined()
            for head in [
                "GET /text HTTP/1.1\r\nHost: x\r\nX-Large: \(large)\r\n\r\n",
                "GET /\(large) HTTP/1.1\r\nHost: x\r\n\r\n",
                "GET /text HTTP/1.1\r\nHost: x\r\n\(many)\r\n",
            ] {
                let client = try RawClient(port: server.port)
                client.send(get)
                client.send(head)
                #expect(try await client.response().text == "text")
                let refused = try await client.response()
                #expect(refused.status == 431)
                #expect(refused["connection"] == "close")
                #expect(try await client.rest() == [])
            }
        }
    }

    @Test("answers garbage with 400 or silence, and goes on serving", arguments: [1, 2, 3, 4])
    func garbage(_ seed: UInt64) async throws {
        print("seed \(seed)")
        var generator = Generator(seed: seed)
        let pieces = [
            "GET ", "POST ", "/text", " HTTP/1.1", " HTTP/9.9", "\r\n", "\n", "Host: x", ": ", "\0",
            "Content-Length: ", "-1", "99999999999999999999", "Transfer-Encoding: chunked",
            "ffffffff",
            "0\r\n\r\n", "%", "é", "\u{7f}", "Content-Length: 5\r\nContent-Length: 6\r\n",
        ]
        var messages: [[UInt8]] = []
        for _ in 0..<60 {
            var bytes: [UInt8] = []
            for _ in 0..<(1 + generator.below(12)) {
                if generator.chance(Ratio(1, in: 4)) {
                    bytes += (0..<generator.below(20)).map { _ in UInt8(generator.below(256)) }
                } else {
                    bytes += Array(pieces[generator.below(pieces.count)].utf8)
                }
            }
            messages.append(bytes)
        }
        try await TestServer.with { router in
            router.get("/text") { _, _ in "text" }
            router.post("/text") { request, _ in
                "\(try await request.collectBody(upTo: 100).readableBytes)"
            }
        } body: { server in
            for message in messages {
                let client = try RawClient(port: server.port)
                client.send(message)
                client.finishSending()
                let answer = String(decoding: try await client.rest(), as: UTF8.self)
                #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 "))
                #expect(!answer.contains(" 500 "), "\(message)")
            }
            let client = try RawClient(port: server.port)
            client.send(get)
            #expect(try await client.response().text == "text")
        }
    }

    @Test("reads a body of any framing, and a large one byte for byte")
    func uploads() async throws {
        let content = pattern(9 << 20)
        let received = Mutex<[UInt8]>([])
        try await TestServer.with { router in
            router.put("/upload") { request, _ in
                received.withLock { $0 = [] }
                for try await part in request.body {
                    received.withLock { $0 += part.readableBytesView }
                }
                return "\(received.withLock { $0.count })"
            }
        } body: { server in
            let client = try RawClient(port: server.port)
            for _ in 0..<2 {
                client.send(
                    "PUT /upload HTTP/1.1\r\nHost: x\r\nContent-Length: \(content.count)\r\n\r\n"
                )
                client.send(content)
                #expect(try await client.response().text == "\(content.count)")
                #expect(received.withLock { $0 } == content)
            }
            client.send("PUT /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.send("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
            #expect(try await client.response().text == "5")
            client.send("PUT /upload HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n")
            client.send("Content-Length: 2\r\n\r\n")
            #expect(try await client.response().status == 100)
            client.send("xy")
            #expect(try await client.response().text == "2")
        }
    }

    @Test("pauses a client whose body nobody reads yet, and loses none of it")
    func slowUpload() async throws {
        let release = Latch<Void>()
        let content = pattern(64 << 20)
        try await TestServer.with { router in
            router.put("/upload") { request, _ in
                await release.value
                var count = 0
                for try await part in request.body { count += part.readableBytes }
                return "\(count)"
            }
            router.get("/text") { _, _ in "text" }
        } body: { server in
            let client = try RawClient(port: server.port)
            client.send("PUT /upload HTTP/1.1\r\nHost: x\r\nContent-Length: \(64 << 20)\r\n\r\n")
            client.sendInBackground(content)
            let other = try RawClient(port: server.port)
            var last = -1
            for _ in 0..<500 {
                other.send(get)
                #expect(try await other.response().text == "text")
                if client.sentCount > 1000, client.sentCount == last { break }
                last = client.sentCount
            }
            // What the sockets hold at both ends, and ten reads.
            #expect(client.sentCount < 40 << 20)
            release.open()
            #expect(try await client.response().text == "\(64 << 20)")
        }
    }

    @Test("leaves connections beyond its bound waiting until one goes")
    func connectionLimit() async throws {
        try await TestServer.with { options in
            options.limits.httpConnectionsMax = 1
        } routes: { router in
            router.get("/text") { _, _ in "text" }
        } body: { server in
            let first = try RawClient(port: server.port)
            first.send(get)
            #expect(try await first.response().text == "text")
            // The kernel accepts them, the server does not look at them.
            let waiting = try (0..<4).map { _ in try RawClient(port: server.port) }
            for client in waiting { client.send(get) }
            first.send(get)
            #expect(try await first.response().text == "text")
            first.close()
            for client in waiting {
                #expect(try await client.response().text == "text")
                client.close()
            }
        }
    }

    @Test("does not mistake a body that broke off for a whole one", arguments: [true, false])
    func truncatedUpload(_ abruptly: Bool) async throws {
        let outcome = Latch<String>()
        try await TestServer.with { router in
            router.put("/upload") { request, _ in
                var count = 0
                do {
                    for try await part in request.body { count += part.readableBytes }
                    outcome.open("whole: \(count)")
                } catch {
                    outcome.open("broken")
                }
                return "done"
            }
        } body: { server in
            let client = try RawClient(port: server.port)
            client.send("PUT /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
            client.close(abruptly: abruptly)
            #expect(await outcome.value == "broken")
        }
    }

    @Test("lets a client read the refusal of a body that nobody reads, but not for ever")
    func unreadBody() async throws {
        try await TestServer.with { router in
            router.get("/text") { _, _ in "text" }
        } body: { server in
            let client = try RawClient(port: server.port)
            client.send("PUT /text HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
            client.send([UInt8](repeating: 1, count: 100_000))
            #expect(try await client.response().status == 405)
            client.send(get)
            #expect(try await client.response().text == "text")
            client.send("PUT /text HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
            #expect(try await client.response().status == 405)
            for _ in 0..<64 { client.send([UInt8](repeating: 1, count: 1 << 20)) }
            #expect(try await client.rest() == [])
        }
    }

    @Test("closes connections that send no head, half a head or half a body in time")
    func slowClients() async throws {
        try await TestServer.with { options in
            options.idleTimeout = .milliseconds(150)
            options.bodyTimeout = .milliseconds(150)
        } routes: { router in
            router.get("/text") { _, _ in "text" }
            router.put("/text") { request, _ in
                "\(try await request.collectBody(upTo: 100).readableBytes)"
            }
        } body: { server in
            for start in [
                "", "GET /te", get,
                "PUT /text HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
            ] {
                let client = try RawClient(port: server.port)
                client.send(start)
                let rest = String(decoding: try await client.rest(), as: UTF8.self)
                #expect(!rest.contains("\r\n\r\n7") && !rest.contains(" 500 "))
            }
        }
    }

    @Test("closes a connection whose client takes nothing of its answer")
    func stalledReader() async throws {
        let failed = Latch<Void>()
        let folder = try TestFolder()
        let (file, _) = try folder.file("blob", bytes: 1 << 20)
        try await TestServer.with { options in
            options.writeTimeout = .milliseconds(300)
        } routes: { router in
            router.get("/blob") { _, _ in
                Response.fileStream(bytes: 256 << 20) { writer in
                    do {
                        for _ in 0..<256 { try await writer.write(file, 0..<1 << 20) }
                    } catch {
                        failed.open()
                        throw error
                    }
                }
            }
        } body: { server in
            let client = try RawClient(port: server.port, receiveBufferBytes: 64 << 10)
            client.send("GET /blob HTTP/1.1\r\nHost: x\r\n\r\n")
            await failed.value
            client.close()
        }
    }

    @Test("refuses more requests than it may have in work with 503 and Retry-After")
    func overload() async throws {
        let (release, entered) = (Latch<Void>(), Latch<Void>())
        try await TestServer.with { options in
            options.limits.httpRequestsMax = 1
        } routes: { router in
            router.get("/wait") { _, _ in
                entered.open()
                await release.value
                return "done"
            }
        } body: { server in
            let first = try RawClient(port: server.port)
            first.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            await entered.value
            let second = try RawClient(port: server.port)
            second.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            let refused = try await second.response()
            #expect(refused.status == 503 && refused["retry-after"] == "1")
            release.open()
            #expect(try await first.response().text == "done")
            // The first one is in work until after its answer has been sent, so that the next may still come too early.
            var answer = refused
            for _ in 0..<1000 where answer.status == 503 {
                second.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
                answer = try await second.response()
            }
            #expect(answer.text == "done")
        }
    }

    @Test("closes after a request that asks for it")
    func connectionClose() async throws {
        try await TestServer.with { router in
            router.get("/text") { _, _ in "text" }
        } body: { server in
            let client = try RawClient(port: server.port)
            client.send("GET /text HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            let answer = String(decoding: try await client.rest(), as: UTF8.self)
            #expect(answer.hasSuffix("\r\n\r\ntext"))
        }
    }

    @Test("says which port it could not have")
    func portInUse() async throws {
        try await TestServer.with { router in
            router.get("/text") { _, _ in "text" }
        } body: { server in
            let second = HTTPServer(
                name: "second",
                address: ("127.0.0.1", server.port),
                router: Router(context: ServerContext.self),
                options: ServerOptions(
                    eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
                    log: Logger(label: "test")
                )
            )
            let error = await #expect(throws: ListenError.self) { try await second.run() }
            #expect(error?.description.contains("127.0.0.1:\(server.port)") == true)
        }
    }
}
