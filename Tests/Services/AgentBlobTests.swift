// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import Files
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives
import Telemetry
import TestSupport
import Testing

extension ServicesTests {
    @Suite("Agent: blobs") struct AgentBlobTests {
        @Test("brings a blob from the swarm once, and serves it from its disk from then on")
        func downloads() async throws {
            try await AgentCluster.with { cluster in
                let blob = OriginBlob.patterned(20 * AgentCluster.pieceBytes + 7)
                try await cluster.upload(blob)
                try await cluster.withAgent { agent in
                    for path in [blob.path, "/namespace/ns%2Frepo/blobs/\(blob.digest.hex)"] {
                        let answer = try await agent.send(.get, path)
                        #expect(answer.status == 200)
                        #expect(answer.bytes == blob.bytes)
                        #expect(answer.header("Content-Length") == "\(blob.bytes.count)")
                    }
                    let snapshot = try await agent.status()
                    #expect(snapshot.counters["bytes_downloaded_from_origins"] == blob.bytes.count)
                    #expect(snapshot.counters["bytes_downloaded_from_agents"] == 0)
                    #expect(snapshot.counters["pieces_received"] == 21)
                    #expect(snapshot.counters["pieces_duplicate"] == 0)
                    #expect(snapshot.counters["blobs_completed"] == 1)
                    #expect(snapshot.counters["bytes_served"] == 2 * blob.bytes.count)
                    #expect(snapshot.swarms?.map(\.digest) == [blob.digest])
                    #expect(snapshot.storage?.blobCount == 1)
                }
            }
        }

        @Test("takes blobs of every size", arguments: [0, 1, 1 << 16, (1 << 16) + 1])
        func sizes(_ bytes: Int) async throws {
            try await AgentCluster.with { cluster in
                let blob = OriginBlob.patterned(bytes)
                try await cluster.upload(blob)
                try await cluster.withAgent { agent in
                    let answer = try await agent.send(.get, blob.path)
                    #expect(answer.status == 200 && answer.bytes == blob.bytes)
                    #expect(try await agent.send(.get, blob.path).bytes == blob.bytes)
                }
            }
        }

        @Test("answers ranges of blobs that are there and of blobs that are not")
        func ranges() async throws {
            try await AgentCluster.with { cluster in
                let blob = OriginBlob.patterned(10 * AgentCluster.pieceBytes)
                try await cluster.upload(blob)
                try await cluster.withAgent { agent in
                    for (header, range) in [
                        ("bytes=100000-200000", 100_000..<200_001), ("bytes=-5", 655_355..<655_360),
                        ("bytes=0-0", 0..<1), ("bytes=65530-65545", 65_530..<65_546),
                    ] {
                        let answer = try await agent.send(
                            .get,
                            blob.path,
                            headers: [.range: header]
                        )
                        #expect(answer.status == 206)
                        #expect(answer.bytes == Array(blob.bytes[range]))
                        #expect(
                            answer.header("Content-Range")
                                == "bytes \(range.lowerBound)-\(range.upperBound - 1)/655360"
                        )
                    }
                    let outside = try await agent.send(
                        .get,
                        blob.path,
                        headers: [.range: "bytes=655360-"]
                    )
                    #expect(outside.status == 416)
                }
            }
        }

        @Test("tells a blob's size without downloading any of it")
        func head() async throws {
            try await AgentCluster.with { cluster in
                let blob = OriginBlob.patterned(3 * AgentCluster.pieceBytes)
                try await cluster.upload(blob)
                try await cluster.withAgent { agent in
                    for (path, purpose) in [
                        (blob.path, "http"), ("/v2/ns/repo/blobs/\(blob.digest)", "registry"),
                    ] {
                        let answer = try await agent.send(.head, path, to: purpose)
                        #expect(answer.status == 200 && answer.bytes.isEmpty)
                        #expect(answer.header("Content-Length") == "\(blob.bytes.count)")
                    }
                    let snapshot = try await agent.status()
                    #expect(snapshot.swarms?.isEmpty == true)
                    #expect(snapshot.counters["pieces_received"] == 0)
                }
            }
        }

        @Test("says what is wrong with a request for a blob")
        func refusals() async throws {
            try await AgentCluster.with { cluster in
                let unknown = OriginBlob("nobody has this")
                try await cluster.withAgent { agent in
                    for (method, path, status) in [
                        (.get, unknown.path, 404), (.head, unknown.path, 404),
                        (.get, "/namespace/ns/blobs/sha256:zz", 400),
                        (.get, "/namespace/ns/blobs/\(String(repeating: "g", count: 64))", 400),
                        (.get, "/namespace/%zz/blobs/\(unknown.digest)", 400),
                        (.delete, "/blobs/nonsense", 400),
                        (.delete, "/blobs/\(unknown.digest)", 200),
                        (.post, unknown.path, 405),
                    ] as [(HTTPRequest.Method, String, Int)] {
                        let answer = try await agent.send(method, path)
                        #expect(answer.status == status, "\(method) \(path)")
                    }
                }
            }
        }

        @Test("lets many clients share one download")
        func sharing() async throws {
            try await AgentCluster.with { cluster in
                let blob = OriginBlob.patterned(30 * AgentCluster.pieceBytes)
                try await cluster.upload(blob)
                try await cluster.withAgent { agent in
                    try await withThrowingTaskGroup(of: Bool.self) { group in
                        for _ in 0..<16 {
                            group.addTask {
                                try await agent.send(.get, blob.path).bytes == blob.bytes
                            }
                        }
                        for try await isWhole in group { #expect(isWhole) }
                    }
                    #expect(agent.count("bytes_downloaded_from_origins") == blob.bytes.count)
                    #expect(agent.count("pieces_received") == 30)
                    #expect(agent.count("announces") < 16)
                }
            }
        }

        @Test("deletes a blob and gets it again without a pause")
        func deletion() async throws {
            // Who waited for the next regular announce would wait for an hour.
            try await AgentCluster.with(announceInterval: .hours(1)) { cluster in
                let blob = OriginBlob.patterned(8 * AgentCluster.pieceBytes)
                try await cluster.upload(blob)
                try await cluster.withAgent { agent in
                    for _ in 0..<3 {
                        #expect(try await agent.send(.get, blob.path).bytes == blob.bytes)
                        #expect(
                            try await agent.send(.delete, "/blobs/\(blob.digest)").status == 200
                        )
                        let snapshot = try await agent.status()
                        #expect(
                            snapshot.swarms?.isEmpty == true && snapshot.storage?.blobCount == 0
                        )
                    }
                    #expect(agent.count("pieces_received") == 24)
                }
            }
        }

        @Test("gets what another agent has from that agent, too")
        func agentsShare() async throws {
            try await AgentCluster.with { cluster in
                let blob = OriginBlob.patterned(64 * AgentCluster.pieceBytes)
                try await cluster.upload(blob)
                try await cluster.withAgent("agent-0") { first in
                    #expect(try await first.send(.get, blob.path).bytes == blob.bytes)
                    // The origin goes; meta info is known to the tracker, the pieces to the first agent.
                    try await cluster.withAgent("agent-1") { second in
                        #expect(try await second.send(.head, blob.path).status == 200)
                        try await cluster.origin.stop()
                        #expect(try await second.send(.get, blob.path).bytes == blob.bytes)
                        #expect(second.count("bytes_downloaded_from_agents") == blob.bytes.count)
                        #expect(first.count("bytes_uploaded") == blob.bytes.count)
                    }
                }
            }
        }
    }
}
