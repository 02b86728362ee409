// SPDX-License-Identifier: Apache-2.0

import Files
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore
import NIOPosix
import Testing

/// Where requests are answered, and over what others are asked meanwhile.
@Suite("Requests on their loop") struct LoopTests {
    @Test("a request is answered on a loop, and others are asked over one connection of that loop")
    func oneLoop() async throws {
        let pool = BlockingPool.singleton
        let answer = try await withClient { client in
            try await TestServer.with { router in
                router.get("/port") { _, context in "\(context.peerAddress?.port ?? 0)" }
            } body: { far in
                try await TestServer.with { router in
                    router.get("/ask") { _, _ in
                        var loops: Set<ObjectIdentifier?> = []
                        var ports: Set<String> = []
                        for _ in 0..<8 {
                            let request = ClientRequest(.get, far.url + "/port")
                            let (_, body) = try await client.collect(request, upTo: 100)
                            ports.insert(String(buffer: body))
                            // Also after a visit to another thread.
                            try await pool.run {}
                            let loop = MultiThreadedEventLoopGroup.currentEventLoop
                            loops.insert(loop.map { ObjectIdentifier($0) })
                        }
                        return "\(ports.count) \(loops.count) \(loops.contains(nil))"
                    }
                } body: { near in
                    let request = ClientRequest(.get, near.url + "/ask")
                    return String(buffer: try await client.collect(request, upTo: 100).body)
                }
            }
        }
        #expect(answer == "1 1 false")
    }

    @Test("a body that is streamed is made on the loop, too")
    func streams() async throws {
        let answer = try await withClient { client in
            try await TestServer.with { router in
                router.get("/") { _, _ in
                    Response.fileStream(bytes: 1) { writer in
                        let isOnLoop = MultiThreadedEventLoopGroup.currentEventLoop != nil
                        try await writer.write(ByteBuffer(string: isOnLoop ? "y" : "n"))
                    }
                }
            } body: { server in
                String(
                    buffer: try await client.collect(ClientRequest(.get, server.url), upTo: 9).body
                )
            }
        }
        #expect(answer == "y")
    }
}
