// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import Foundation
import HTTPTypes
import Primitives
import Telemetry
import TestSupport
import Testing

@testable import ProxyService

extension ServicesTests {
    /// Uploads that are longer than a chunk, and so on their way to an origin before their last byte is in.
    @Suite("Proxy: uploads that are followed", .timeLimit(.minutes(3))) struct ProxyFollowTests {
        private static let chunk = FollowSchedule.chunkBytes

        private static func bytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
            var generator = Generator(seed: seed)
            // Drawing each byte takes too long; what differs every KiB is in no other place.
            var bytes = [UInt8](repeating: 7, count: count)
            for index in stride(from: 0, to: count, by: 1024) {
                bytes[index] = UInt8(truncatingIfNeeded: generator.next())
            }
            return bytes
        }

        /// A push under way.
        private struct Push {
            let cluster: ProxyCluster
            let location: String
            var sent = 0

            init(_ cluster: ProxyCluster) async throws {
                self.cluster = cluster
                let start = try await cluster.send(.post, "/v2/demo/web/blobs/uploads/")
                location = try #require(start["Location"])
            }

            mutating func send(_ bytes: [UInt8]) async throws {
                let answer = try await cluster.send(.patch, location, bytes)
                #expect(answer.status == 202, "\(answer.text)")
                sent += bytes.count
            }

            func finish(_ digest: some CustomStringConvertible) async throws -> ProxyCluster.Answer
            {
                try await cluster.send(.put, "\(location)?digest=\(digest)")
            }
        }

        /// Returns once `count` uploads are under way at `origin`; the test's limit ends it otherwise.
        private static func untilUnfinished(_ count: Int, at origin: ProxyNeighbour) async throws {
            while try await unfinished(at: origin) != count {}
        }

        private static func unfinished(at origin: ProxyNeighbour) async throws -> Int {
            let address = try #require(origin.addresses["http"])
            let status = try await ProxyCluster.send(.get, address, "/status")
            return try #require(status.json["storage"]?["unfinished_count"]?.integer)
        }

        private static func expectBlob(
            _ bytes: [UInt8],
            at cluster: ProxyCluster
        ) async throws {
            let path = "/v2/demo/web/blobs/\(Digest(hashing: bytes))"
            let answer = try await cluster.send(.get, path)
            #expect(answer.status == 200)
            #expect(answer.bytes == bytes)
            #expect(try cluster.filesOnDisk() == [])
        }

        private static func followed(_ cluster: ProxyCluster) -> (committed: Int, inVain: Int) {
            (
                cluster.proxy.counters.counter("uploads_followed").value,
                cluster.proxy.counters.counter("uploads_followed_in_vain").value
            )
        }

        @Test("are at an origin, but for the end, when their digest comes")
        func follows() async throws {
            try await ProxyCluster.run { cluster in
                let blob = Self.bytes(2 * Self.chunk + 12_345)
                var push = try await Push(cluster)
                try await push.send(Array(blob[..<(Self.chunk - 1)]))
                #expect(try await Self.unfinished(at: cluster.origins[0]) == 0)
                try await push.send(Array(blob[(Self.chunk - 1)...]))
                try await Self.untilUnfinished(1, at: cluster.origins[0])
                let put = try await push.finish(Digest(hashing: blob))
                #expect(put.status == 201, "\(put.text)")
                #expect(Self.followed(cluster) == (1, 0))
                #expect(try await Self.unfinished(at: cluster.origins[0]) == 0)
                try await Self.expectBlob(blob, at: cluster)
                // Cut as the table of piece lengths says, though its size was not known at first.
                let origin = try #require(cluster.origins[0].addresses["http"])
                let metaInfo = try await OriginClient(address: origin, http: ProxyCluster.http)
                    .metaInfo(of: Digest(hashing: blob), namespace: try Namespace("demo/web"))
                #expect(metaInfo.layout.blobBytes == blob.count)
                #expect(metaInfo.layout.pieceBytes == 4 << 20)
            }
        }

        @Test("are gone everywhere when their digest is wrong, or somebody else's")
        func wrongDigest() async throws {
            try await ProxyCluster.run { cluster in
                let good = Self.bytes(Self.chunk + 1)
                for name in [Digest(hashing: [9]), Digest(hashing: good)] {
                    var push = try await Push(cluster)
                    try await push.send(Self.bytes(Self.chunk + 5, seed: 3))
                    try await Self.untilUnfinished(1, at: cluster.origins[0])
                    let put = try await push.finish(name)
                    #expect(put.status == 400)
                    #expect(put.code == "DIGEST_INVALID")
                    try await Self.untilUnfinished(0, at: cluster.origins[0])
                    #expect(try cluster.filesOnDisk() == [])
                    // The second round is about a blob that is there.
                    #expect(try await cluster.push(good).status == 201)
                }
                let path = "/v2/demo/web/blobs/\(Digest(hashing: [9]))"
                #expect(try await cluster.send(.head, path).status == 404)
                try await Self.expectBlob(good, at: cluster)
            }
        }

        @Test("are forgotten by the origin when the client gives up")
        func cancelled() async throws {
            try await ProxyCluster.run { cluster in
                var push = try await Push(cluster)
                try await push.send(Self.bytes(Self.chunk + 1))
                try await Self.untilUnfinished(1, at: cluster.origins[0])
                #expect(try await cluster.send(.delete, push.location).status == 204)
                try await Self.untilUnfinished(0, at: cluster.origins[0])
                #expect(Self.followed(cluster) == (0, 1))
                #expect(try cluster.filesOnDisk() == [])
            }
        }

        @Test("go to another owner from their start when the origin stops on the way")
        func originStops() async throws {
            try await ProxyCluster.run(origins: 2) { cluster in
                let blob = Self.bytes(3 * Self.chunk)
                var push = try await Push(cluster)
                try await push.send(Array(blob[..<Self.chunk]))
                var followed: ProxyNeighbour?
                while followed == nil {
                    for origin in cluster.origins where try await Self.unfinished(at: origin) == 1 {
                        followed = origin
                    }
                }
                try await followed?.stop()
                try await push.send(Array(blob[Self.chunk...]))
                let put = try await push.finish(Digest(hashing: blob))
                #expect(put.status == 201, "\(put.text)")
                #expect(Self.followed(cluster).committed == 0)
                try await Self.expectBlob(blob, at: cluster)
            }
        }

        @Test(
            "are sent again where the origin followed is no owner, and not followed where that is likely"
        )
        func owners() async throws {
            try await ProxyCluster.run(origins: 2, replicas: 1) { cluster in
                var committed = 0
                for seed in 1...6 {
                    let blob = Self.bytes(Self.chunk + 1000, seed: UInt64(seed))
                    var push = try await Push(cluster)
                    try await push.send(blob)
                    while try await Self.unfinished(at: cluster.origins[0])
                        + Self.unfinished(at: cluster.origins[1]) == 0
                    {}
                    #expect(try await push.finish(Digest(hashing: blob)).status == 201)
                    for origin in cluster.origins { try await Self.untilUnfinished(0, at: origin) }
                    let now = Self.followed(cluster)
                    #expect(now.committed + now.inVain == seed)
                    committed = now.committed
                    try await Self.expectBlob(blob, at: cluster)
                }
                print("followed to an owner: \(committed) of 6")
            }
            try await ProxyCluster.run(origins: 3, replicas: 1) { cluster in
                let blob = Self.bytes(2 * Self.chunk)
                var push = try await Push(cluster)
                try await push.send(blob)
                #expect(try await push.finish(Digest(hashing: blob)).status == 201)
                #expect(Self.followed(cluster) == (0, 0))
                try await Self.expectBlob(blob, at: cluster)
            }
        }

        @Test("may be named by their SHA-512")
        func sha512() async throws {
            try await ProxyCluster.run { cluster in
                let blob = Self.bytes(Self.chunk + 77)
                for isRight in [false, true] {
                    var push = try await Push(cluster)
                    try await push.send(blob)
                    try await Self.untilUnfinished(1, at: cluster.origins[0])
                    let name = SHA512Digest(hashing: isRight ? blob : [1])
                    let put = try await push.finish(name)
                    #expect(put.status == (isRight ? 201 : 400), "\(put.text)")
                    try await Self.untilUnfinished(0, at: cluster.origins[0])
                }
                #expect(Self.followed(cluster) == (1, 1))
                try await Self.expectBlob(blob, at: cluster)
            }
        }
    }
}
