// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import ClusterClients
import ClusterConfiguration
import Content
import Files
import HTTPTypes
import Logging
import NIOCore
import NIOPosix
import Primitives
import SwarmCore
import SwarmIO
import Telemetry
import TestSupport
import Testing

extension ServicesTests {
    @Suite("Origin: seeding") struct OriginSeedingTests {
        /// A tracker that knows one origin.
        private struct OneOrigin: SwarmHost {
            let peer: PeerInfo

            func announce(
                _ announce: SwarmAnnounce
            ) async throws -> (peers: [PeerInfo], interval: Duration) {
                ([peer], .milliseconds(100))
            }

            func blobMissing(_ digest: Digest, namespace: String) async {}
        }

        /// Downloads `metaInfo`'s blob from `origin` over the peer protocol, as an agent does.
        private func pull(
            _ metaInfo: MetaInfo,
            from origin: OriginUnderTest,
            into root: String
        ) async throws -> [UInt8] {
            let context = try await origin.client.peerContext()
            let store = BlobStore(
                configuration: BlobStoreConfiguration(root: root),
                pool: .singleton,
                clock: { 1_700_000_000 },
                log: TrackerWorld.log
            )
            try await store.open()
            var policy = SwarmPolicy()
            policy.isBanningDisabled = true
            let driver = SwarmDriver(
                configuration: SwarmDriverConfiguration(
                    peerID: PeerID(hashOfAddress: "127.0.0.1", port: 1),
                    host: "127.0.0.1",
                    port: 0,
                    role: .agent,
                    policy: policy,
                    seed: 1
                ),
                eventLoop: MultiThreadedEventLoopGroup.singleton.next(),
                store: store,
                host: OneOrigin(
                    peer: PeerInfo(
                        peerID: context.peerID,
                        ip: context.ip,
                        port: context.port,
                        isOrigin: true,
                        isComplete: true
                    )
                ),
                events: EventLog(component: "agent-0"),
                counters: Counters(kind: .agent),
                log: TrackerWorld.log
            )
            _ = try await driver.start()
            let namespace = try Namespace(OriginUnderTest.namespace)
            let download = try await driver.download(metaInfo, namespace: namespace)
            try await download.waitUntilComplete()
            let blob = try #require(try await store.cachedBlob(metaInfo.digest))
            var bytes = [UInt8](repeating: 0, count: blob.bytes)
            _ = try bytes.withUnsafeMutableBytes { try blob.file.read(into: $0, at: 0) }
            await driver.stop()
            return bytes
        }

        @Test("serves its blobs over the peer protocol, and again after they were recut")
        func seeds() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { configuration in
                    configuration.pieceLengths = PieceLengthTable(pieceBytes: 1 << 16) ?? .init()
                } body: { origin in
                    let blob = OriginBlob.random(1_000_001)
                    try await origin.upload(blob)
                    let metaInfo = try await origin.client.metaInfo(
                        of: blob.digest,
                        namespace: .proxyUploads
                    )
                    #expect(try await pull(metaInfo, from: origin, into: "\(root)/a") == blob.bytes)
                    let snapshot = try await origin.status()
                    #expect(snapshot.counters["bytes_uploaded"] == blob.bytes.count)
                    #expect(snapshot.swarms?.map(\.digest) == [blob.digest])

                    try await origin.client.overwriteMetaInfo(of: blob.digest, pieceBytes: 1 << 18)
                    let recut = try await origin.client.metaInfo(
                        of: blob.digest,
                        namespace: .proxyUploads
                    )
                    #expect(recut.infoHash != metaInfo.infoHash)
                    #expect(try await pull(recut, from: origin, into: "\(root)/b") == blob.bytes)
                }
            }
        }

        @Test(
            "fetches what a peer asks for from its backend, so that the peer gets it the next time"
        )
        func refreshesForPeers() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { origin in
                    let blob = OriginBlob.random(500_000)
                    try await origin.upload(blob)
                    let metaInfo = try await origin.client.metaInfo(
                        of: blob.digest,
                        namespace: .proxyUploads
                    )
                    await origin.untilWrittenBack(blob)
                    try await origin.client.delete(blob.digest)
                    let local = try await origin.send(.head, "\(blob.internalPath)?local=true")
                    #expect(local.status == 404)
                    #expect(try await pull(metaInfo, from: origin, into: "\(root)/a") == blob.bytes)
                    #expect(try await origin.status().counters["blobs_refreshed"] == 1)
                }
            }
        }
    }
}
