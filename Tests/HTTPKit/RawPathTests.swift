// SPDX-License-Identifier: Apache-2.0

import HTTPKit
import Hummingbird
import Testing

@Suite("Raw paths", .timeLimit(.minutes(1))) struct RawPathTests {
    @Test(
        "percent-decoding takes UTF-8 and nothing else",
        arguments: [
            ("plain", "plain"), ("a%2Fb", "a/b"), ("a%2fb", "a/b"), ("%C3%A4", "ä"), ("%00", "\0"),
            ("%", nil), ("%2", nil), ("%zz", nil), ("%ff", nil), ("a+b", "a+b"),
        ] as [(String, String?)]
    )
    func decoding(_ text: String, _ expected: String?) {
        #expect(PercentCoding.decode(text) == expected)
    }

    @Test("percent-encoding is undone by decoding")
    func encoding() {
        for text in ["library/busybox:v1", "100%", "ä b+c", "~a-b_c.d", ""] {
            let encoded = PercentCoding.encode(text)
            #expect(PercentCoding.decode(encoded) == text)
            #expect(!encoded.contains("/") && !encoded.contains(" "))
        }
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let path: String
        let status: Int
        let body: String?
        var testDescription: String { path }

        init(_ path: String, _ status: Int, _ body: String?) {
            (self.path, self.status, self.body) = (path, status, body)
        }
    }

    @Test("a parameter is one segment, decoded twice, however it is spelled")
    func parameters() async throws {
        let cases = [
            Case("/tags/library%2Fbusybox:v1", 200, "library/busybox:v1"),
            Case("/tags/library%252Fbusybox%253Av1", 200, "library/busybox:v1"),
            Case("/tags/plain", 200, "plain"),
            Case("/tags/..", 200, ".."),
            Case("/tags/%2e%2e", 200, ".."),
            Case("/tags/%C3%A4", 200, "ä"),
            Case("/tags/a%zz", 400, nil),
            Case("/tags/a%ff", 400, nil),
            Case("/tags/a%25zz", 400, nil),
            Case("/tags/", 400, "param tag is required"),
            Case("/tags/library/busybox", 404, nil),
            Case("/tags/../health", 404, nil),
            Case("/tags/x?y=z%2F", 200, "x"),
            Case("/pair/a%2Fb/c%20d", 200, "a/b|c d"),
            Case("/all/one/two%2Fthree", 200, "one|two/three"),
            Case("/all/one/%2e%2e/two", 400, nil),
        ]
        try await TestServer.with { router in
            router.get("/tags/{tag}") { _, context in try context.parameter("tag") }
            router.get("/pair/{first}/{second}") { _, context in
                "\(try context.parameter("first"))|\(try context.parameter("second"))"
            }
            router.get("/all/**") { _, context in
                try context.catchAllSegments().joined(separator: "|")
            }
        } body: { server in
            let client = try RawClient(port: server.port)
            for example in cases {
                client.send("GET \(example.path) HTTP/1.1\r\nHost: x\r\n\r\n")
                let response = try await client.response()
                #expect(response.status == example.status, "\(example.path)")
                if let body = example.body { #expect(response.text == body, "\(example.path)") }
            }
        }
    }

    @Test("query arguments are decoded, and bad ones are the client's fault")
    func query() async throws {
        try await TestServer.with { router in
            router.get("/q") { request, _ in
                let text = try request.query("text") ?? "none"
                let number = try request.queryInteger("n").map { "\($0)" } ?? "none"
                let flag = try request.queryBool("flag").map { "\($0)" } ?? "none"
                return "\(text) \(number) \(flag)"
            }
        } body: { server in
            let client = try RawClient(port: server.port)
            for (query, status, body) in [
                ("", 200, "none none none"),
                ("?text=a%2Fb+c&n=-3&flag=T", 200, "a/b c -3 true"),
                ("?flag=0&text=", 200, " none false"),
                ("?n=1x", 400, nil), ("?flag=yes", 400, nil), ("?text=%zz", 400, nil),
            ] as [(String, Int, String?)] {
                client.send("GET /q\(query) HTTP/1.1\r\nHost: x\r\n\r\n")
                let response = try await client.response()
                #expect(response.status == status, "\(query)")
                if let body { #expect(response.text == body) }
            }
        }
    }
}
