// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import HTTPTypes
import Primitives
import Telemetry
import TestSupport
import Testing
import TrackerService

extension ServicesTests {
    @Suite("Tracker, joins") struct TrackerJoinTests {
        private let path = "/namespace/library%2Fbusybox/blobs/\(TrackerUnderTest.digest)/join"

        private func body(_ port: Int, completed: [SwarmReference] = []) -> String {
            let peer = PeerInfo(
                peerID: PeerID(hashOfAddress: "10.0.0.1", port: port),
                ip: "10.0.0.1",
                port: port
            )
            return JSON.object([
                .init("peer", peer.json), .init("completed", .array(completed.map(\.json))),
            ]).text
        }

        @Test("are answered with meta info and peers at once, and count as announces")
        func joins() async throws {
            try await TrackerUnderTest.withOrigin { tracker, origin in
                let metaInfo = try TrackerUnderTest.metaInfo()
                origin.answerMetaInfo(.document(metaInfo))
                let first = try await tracker.send(.post, path, body: body(1))
                #expect(first.status == 200)
                #expect(try first.ports == [15_001])
                #expect(try MetaInfo(json: try #require(try first.json["metainfo"])) == metaInfo)
                #expect(try first.json["interval"]?.integer == 3_000_000_000)
                let second = try await tracker.send(.post, path, body: body(2))
                #expect(try second.ports == [15_001, 1])
            }
        }

        @Test("tell by the way where the peer is complete")
        func completions() async throws {
            try await TrackerUnderTest.withOrigin { tracker, origin in
                origin.answerMetaInfo(.document(try TrackerUnderTest.metaInfo()))
                let swarm = SwarmReference(
                    digest: TrackerUnderTest.digest,
                    infoHash: TrackerUnderTest.infoHash
                )
                _ = try await tracker.announce(1)
                let joined = try await tracker.send(
                    .post,
                    path,
                    body: body(2, completed: [swarm])
                )
                #expect(joined.status == 200)
                // Who is complete comes first.
                #expect(try await tracker.announce(3).ports == [2, 15_001, 1])
            }
        }

        @Test("are refused like requests for meta info, and with a reason when they are none")
        func failures() async throws {
            try await TrackerUnderTest.withOrigin { tracker, origin in
                origin.answerMetaInfo(.status(404))
                #expect(try await tracker.send(.post, path, body: body(1)).status == 404)
                let garbage = try await tracker.send(.post, path, body: "{}")
                #expect(garbage.status == 400)
                #expect(garbage.text.contains("no peer"))
            }
        }
    }
}
