// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import Files
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives
import Telemetry
import TestSupport
import TestfsService
import Testing

extension ServicesTests {
    @Suite("Testfs") struct TestfsTests {
        private func serving(
            _ directory: String? = nil,
            _ configure: (inout TestfsConfiguration) -> Void = { _ in },
            body: (String) async throws -> Void
        ) async throws {
            var configuration = TestfsConfiguration(port: 0, directory: directory)
            configure(&configuration)
            let testfs = try await ProxyNeighbour.start("testfs-0", .testfs) {
                TestfsComponent(configuration: configuration, environment: $0)
            }
            let result: Result<Void, any Error>
            do { result = .success(try await body(try #require(testfs.addresses["http"]))) } catch {
                result = .failure(error)
            }
            try await testfs.stop()
            try result.get()
        }

        private func send(
            _ method: HTTPRequest.Method,
            _ address: String,
            _ path: String,
            _ body: [UInt8]? = nil,
            headers: HTTPFields = [:]
        ) async throws -> ProxyCluster.Answer {
            try await ProxyCluster.send(method, address, path, body, headers: headers)
        }

        @Test("stores, tells, sends and lists files as Kraken's does")
        func files() async throws {
            try await serving { address async throws in
                #expect(try await send(.get, address, "/health").text == "OK\n")
                let missing = try await send(.get, address, "/files/a/b")
                #expect(missing.status == 404)
                #expect(try await send(.head, address, "/files/a/b").status == 404)
                let put = try await send(.post, address, "/files/a/b", Array("hello".utf8))
                #expect(put.status == 200 && put.bytes.isEmpty)
                let head = try await send(.head, address, "/files/a/b")
                #expect(head.status == 200 && head["Size"] == "5")
                #expect(try await send(.get, address, "/files/a/b").text == "hello")
                // A colon separates like a slash.
                #expect(
                    try await send(.post, address, "/files/a/c:d", Array("x".utf8)).status == 200
                )
                #expect(try await send(.get, address, "/files/a/c/d").text == "x")
                #expect(
                    try await send(.get, address, "/list/").json
                        == .array([.string("a/b"), .string("a/c/d")])
                )
                #expect(
                    try await send(.get, address, "/list/a/c").json == .array([.string("a/c/d")])
                )
                #expect(try await send(.get, address, "/list/none").status == 404)
                let range = try await send(
                    .get,
                    address,
                    "/files/a/b",
                    headers: [.range: "bytes=1-3"]
                )
                #expect(range.status == 206 && range.text == "ell")
            }
        }

        @Test("an empty server lists nothing")
        func empty() async throws {
            try await serving { address async throws in
                #expect(try await send(.get, address, "/list/").text == "null")
            }
        }

        @Test(
            "paths that climb or are hidden are refused",
            arguments: [
                "/files/../x", "/files/a/%2e%2e/x", "/files/a%2F..%2Fx", "/files/a:..:x",
                "/files/.x/y",
                "/files/%00", "/files/",
            ]
        )
        func climbing(_ path: String) async throws {
            try await withTemporaryFolder { root in
                try await serving("\(root)/files") { address async throws in
                    let answer = try await send(.post, address, path, Array("x".utf8))
                    #expect((400...405).contains(answer.status), "\(answer.status)")
                }
                #expect(try Directory.list(root) == ["files"])
            }
        }

        @Test("a file too long is refused and leaves nothing; a directory in the way is a conflict")
        func refusals() async throws {
            try await withTemporaryFolder { root in
                try await serving("\(root)/files") {
                    $0.fileBytesMax = ByteCount(1000)
                } body: { address async throws in
                    let long = [UInt8](repeating: 1, count: 1001)
                    #expect(try await send(.post, address, "/files/long", long).status == 413)
                    #expect(try await send(.get, address, "/files/long").status == 404)
                    #expect(try await send(.post, address, "/files/a/b", [1]).status == 200)
                    #expect(try await send(.post, address, "/files/a", [1]).status == 409)
                    #expect(try await send(.post, address, "/files/a/b/c", [1]).status == 409)
                    #expect(try await send(.get, address, "/files/a/b").bytes == [1])
                }
            }
        }

        @Test("files in a directory of its own outlive the server")
        func lasting() async throws {
            try await withTemporaryFolder { root in
                var generator = Generator(seed: 5)
                let bytes = generator.bytes(1 << 20)
                try await serving(root) { address async throws in
                    #expect(try await send(.post, address, "/files/blob", bytes).status == 200)
                }
                try AtomicFile.write([1], to: "\(root)/.uploads/file.tmp-1-1", durable: false)
                try await serving(root) { address async throws in
                    #expect(try await send(.get, address, "/files/blob").bytes == bytes)
                    #expect(
                        try await send(.get, address, "/list/").json == .array([.string("blob")])
                    )
                    let status = try await send(.get, address, "/status").json
                    #expect(status["kind"]?.string == "testfs")
                    #expect(status["counters"]?["files_read"]?.integer == 1)
                }
                #expect(try Directory.list("\(root)/.uploads") == nil)
            }
        }
    }
}
