// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives
import Telemetry
import TestSupport
import Testing

extension ServicesTests {
    /// Blobs on their way: the agents of these tests receive at a bounded rate, so that a download has a middle.
    @Suite("Agent: blobs that arrive") struct AgentStreamingTests {
        private let pieceBytes = AgentCluster.pieceBytes

        private func slowly(_ configuration: inout AgentConfiguration) {
            configuration.ingress = ByteRate(bytesPerSecond: 1 << 20)
        }

        /// Reads from `body` until `count` bytes are here.
        private func read(
            _ count: Int,
            from body: inout ClientBody.AsyncIterator
        ) async throws -> [UInt8] {
            var bytes: [UInt8] = []
            while bytes.count < count, let part = try await body.next() {
                bytes += part.readableBytesView
            }
            return bytes
        }

        @Test("hands out verified pieces before the blob is whole")
        func streams() async throws {
            try await AgentCluster.with { cluster in
                let blob = OriginBlob.patterned(48 * pieceBytes)
                try await cluster.upload(blob)
                try await cluster.withAgent("agent-0", slowly) { agent in
                    try await ServicesTests.eventually("the first bytes came with the last") { _ in
                        let before = agent.count("pieces_received")
                        let response = try await agent.open(blob)
                        #expect(response.contentLength == blob.bytes.count)
                        var body = response.body.makeAsyncIterator()
                        let first = try await read(1, from: &body)
                        let early = agent.count("pieces_received") - before
                        let rest = try await read(blob.bytes.count, from: &body)
                        #expect(first + rest == blob.bytes)
                        #expect(agent.count("pieces_received") - before == 48)
                        _ = try await agent.send(.delete, "/blobs/\(blob.digest)")
                        return early < 48
                    }
                }
            }
        }

        @Test("fetches first what a reader waits for")
        func readersWindow() async throws {
            try await AgentCluster.with { cluster in
                let blob = OriginBlob.patterned(48 * pieceBytes)
                try await cluster.upload(blob)
                try await cluster.withAgent("agent-0", slowly) { agent in
                    let range = 40 * pieceBytes + 5..<41 * pieceBytes
                    let header = "bytes=\(range.lowerBound)-\(range.upperBound - 1)"
                    try await ServicesTests.eventually("a late piece came late") { _ in
                        let before = agent.count("pieces_received")
                        let response = try await agent.open(blob, headers: [.range: header])
                        #expect(response.status == .partialContent)
                        let bytes = try await response.collect(upTo: 1 << 20)
                        let early = agent.count("pieces_received") - before
                        #expect(Array(bytes.readableBytesView) == Array(blob.bytes[range]))
                        _ = try await agent.send(.delete, "/blobs/\(blob.digest)")
                        return early < 24
                    }
                }
            }
        }

        @Test("goes on with a download when the client that asked for it leaves")
        func leavingClient() async throws {
            try await AgentCluster.with { cluster in
                let blob = OriginBlob.patterned(32 * pieceBytes)
                try await cluster.upload(blob)
                try await cluster.withAgent("agent-0", slowly) { agent in
                    let stays = Task { try await agent.send(.get, blob.path).bytes }
                    do {
                        let response = try await agent.open(blob)
                        var body = response.body.makeAsyncIterator()
                        _ = try await read(1, from: &body)
                        // Dropping the body closes the connection.
                    }
                    #expect(try await stays.value == blob.bytes)

                    let other = OriginBlob.patterned(32 * pieceBytes, seed: 2)
                    try await cluster.upload(other)
                    do {
                        let response = try await agent.open(other)
                        var body = response.body.makeAsyncIterator()
                        _ = try await read(1, from: &body)
                    }
                    var completed = 0
                    await agent.event {
                        if $0.kind == .torrentComplete { completed += 1 }
                        return completed == 2
                    }
                    #expect(try await agent.send(.get, other.path).bytes == other.bytes)
                    #expect(agent.count("pieces_received") == 64)
                }
            }
        }

        @Test("stops in time with a download under way, and takes it up again when it starts")
        func resumes() async throws {
            try await AgentCluster.with { cluster in
                let blob = OriginBlob.patterned(256 * pieceBytes)
                try await cluster.upload(blob)
                try await cluster.withAgent("agent-0") { configuration in
                    // The whole blob would take a minute.
                    configuration.ingress = ByteRate(bytesPerSecond: 1 << 18)
                    configuration.drainTimeout = .milliseconds(100)
                } body: { agent in
                    let response = try await agent.open(blob)
                    var body = response.body.makeAsyncIterator()
                    _ = try await read(pieceBytes, from: &body)
                    try await agent.stop()
                    await #expect(throws: HTTPClientError.self) {
                        while try await body.next() != nil {}
                    }
                    #expect(agent.count("blobs_completed") == 0)
                }
                // Nobody asks the new agent for it.
                try await cluster.withAgent("agent-0") { agent in
                    await agent.event { $0.kind == .torrentComplete }
                    #expect(agent.count("pieces_received") < 256)
                    let answer = try await agent.send(.get, blob.path)
                    #expect(answer.bytes == blob.bytes)
                }
            }
        }

        @Test("serves what it has cached after a restart, whatever became of the cluster")
        func cachedAfterRestart() async throws {
            try await AgentCluster.with { cluster in
                let blob = OriginBlob.patterned(5 * pieceBytes)
                try await cluster.upload(blob)
                try await cluster.withAgent { agent in
                    let answer = try await agent.send(.get, blob.path)
                    #expect(answer.status == 200)
                }
                let nobody = "127.0.0.1:\(try ReservedPort.make())"
                try await cluster.withAgent("agent-0") {
                    ($0.trackers, $0.buildIndexes) = ([nobody], [nobody])
                } body: { agent in
                    let answer = try await agent.send(.get, blob.path)
                    #expect(answer.bytes == blob.bytes)
                    let path = "/v2/ns/repo/blobs/\(blob.digest)"
                    #expect(try await agent.send(.get, path, to: "registry").bytes == blob.bytes)
                    #expect(try await agent.send(.head, blob.path).status == 200)
                }
            }
        }

        @Test("seeds a cached blob again after a restart, without being asked for it")
        func seedsAfterRestart() async throws {
            try await AgentCluster.with { cluster in
                let blob = OriginBlob.patterned(5 * pieceBytes)
                try await cluster.upload(blob)
                let port = try ReservedPort.make()
                try await cluster.withAgent("agent-0", { $0.peerPort = port }) { agent in
                    let answer = try await agent.send(.get, blob.path)
                    #expect(answer.status == 200)
                }
                // The same address: whoever learned of this peer before may dial it now.
                try await cluster.withAgent("agent-0", { $0.peerPort = port }) { first in
                    try await cluster.withAgent("agent-1") { second in
                        let answer = try await second.send(.get, blob.path)
                        #expect(answer.bytes == blob.bytes)
                        #expect(
                            first.count("bytes_uploaded")
                                == second.count("bytes_downloaded_from_agents")
                        )
                    }
                }
            }
        }
    }
}
