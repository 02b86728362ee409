// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import ClusterConfiguration
import Content
import Files
import Foundation
import HTTPKit
import HTTPTypes
import Primitives
import RetryCore
import Telemetry
import TestSupport
import Testing

/// One origin and one build-index: the least that is a cluster.
struct SmallCluster: Sendable {
    let index: BuildIndexUnderTest
    let origin: OriginUnderTest
    let root: String

    /// Runs the cluster `name` below `root` while `body` runs; its build-index listens on `port` and knows `remotes`.
    static func with(
        _ name: String,
        _ root: String,
        port: Int,
        remotes: [TagRemote] = [],
        configure: (inout BuildIndexConfiguration) -> Void = { _ in },
        body: (SmallCluster) async throws -> Void
    ) async throws {
        let root = "\(root)/\(name)"
        try await OriginUnderTest.with(root) { origin in
            try await BuildIndexUnderTest.with(root, origins: [origin.address]) { configuration in
                configuration.port = port
                configuration.remotes = remotes
                configuration.tagReplication.pauseMin = .milliseconds(20)
                configuration.tagReplication.pauseMax = .milliseconds(100)
                configure(&configuration)
            } body: { index in
                try await body(SmallCluster(index: index, origin: origin, root: root))
            }
        }
    }

    func holds(_ digest: Digest) async throws -> Bool {
        let namespace = try Namespace(OriginUnderTest.namespace)
        return try await origin.client.stat(digest, namespace: namespace, isLocal: true) != nil
    }

    /// Returns once `tag` has reached a remote with `digest`.
    func untilReplicated(_ tag: QualifiedTag, _ digest: Digest) async {
        await index.event {
            $0.kind == .replicationDone && $0.blob == digest && $0.detail?["tag"] == tag.description
        }
    }

    func replication() async throws -> [QueueStatus] {
        try await index.status().queues?.filter { $0.name == "replication" } ?? []
    }
}

extension ServicesTests {
    @Suite("Replication between clusters") struct ReplicationTests {
        private let first = BuildIndexImage("one")
        private let second = BuildIndexImage("two")
        private let tag: QualifiedTag

        init() throws { tag = try QualifiedTag(parsing: "team/app:v1") }

        /// Two clusters of which the first replicates what matches `patterns` to the second, which does so to the first.
        private func twoClusters(
            _ patterns: [String] = ["^team/"],
            body: (SmallCluster, SmallCluster) async throws -> Void
        ) async throws {
            let ports = [try ReservedPort.make(), try ReservedPort.make()]
            func remote(_ index: Int) -> [TagRemote] {
                [TagRemote(address: "127.0.0.1:\(ports[index])", patterns: patterns)]
            }
            try await withTemporaryFolder { root in
                try await SmallCluster.with("b", root, port: ports[1], remotes: remote(0)) {
                    b async throws in
                    try await SmallCluster.with("a", root, port: ports[0], remotes: remote(1)) {
                        a async throws in
                        try await body(a, b)
                    }
                }
            }
        }

        @Test("a tag and all it needs reach the other cluster, blobs first, and go no further")
        func replicates() async throws {
            try await twoClusters { a, b async throws in
                try await first.upload(to: a.origin)
                try await a.index.client.put(tag, first.digest, replicating: true)
                await a.untilReplicated(tag, first.digest)
                #expect(try await b.index.client.digest(of: tag) == first.digest)
                for blob in [first.config, first.layer, first.manifest] {
                    #expect(try await b.holds(blob.digest))
                }
                // The other one, which would replicate it in turn, knows where it came from.
                await b.untilReplicated(tag, first.digest)
                #expect(try await b.index.status().counters["tags_replicated"] == 0)
                #expect(try await a.index.status().counters["tags_replicated"] == 1)
                let rows = try await a.replication()
                #expect(rows.map(\.target) == [b.index.address])
                #expect(rows.first?.pendingCount == 0 && rows.first?.doneCount == 1)
                // Even when the first cluster has moved on meanwhile.
                try await second.upload(to: b.origin)
                try await b.index.client.put(
                    tag,
                    second.digest,
                    replicating: true,
                    path: "elsewhere:80,\(a.origin.address)|other:1"
                )
                await b.index.event {
                    $0.kind == .replicationDone && $0.reason == "it came from there"
                }
                #expect(try await a.index.client.digest(of: tag) == first.digest)
                try await b.index.client.put(tag, first.digest)
                // What is there already costs a question.
                try await a.index.client.replicate(tag)
                await a.index.event {
                    $0.kind == .replicationDone && $0.reason == "it was there"
                }
                #expect(try await a.index.status().counters["tags_replicated"] == 1)
            }
        }

        @Test("what no rule names, and what was not asked for, stays")
        func rules() async throws {
            try await twoClusters { a, b async throws in
                try await first.upload(to: a.origin)
                let other = try QualifiedTag(parsing: "other/app:v1")
                try await a.index.client.put(other, first.digest, replicating: true)
                try await a.index.client.put(tag, first.digest)
                #expect(try await a.replication().first?.pendingCount == 0)
                let missing = try QualifiedTag(parsing: "team/none:v1")
                await #expect(throws: ClusterError.self) {
                    try await a.index.client.replicate(missing)
                }
                try await a.index.client.replicate(tag)
                await a.untilReplicated(tag, first.digest)
                #expect(try await b.index.client.digest(of: tag) == first.digest)
                #expect(try await b.index.client.digest(of: other) == nil)
            }
        }

        @Test("an index is followed to its leaves")
        func followsIndexes() async throws {
            try await twoClusters { a, b async throws in
                let images = [first, second]
                for image in images { try await image.upload(to: a.origin) }
                let entries = images.map {
                    #"{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"\#($0.digest)","#
                        + #""size":\#($0.manifest.bytes.count)}"#
                }
                let index = OriginBlob(
                    #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","#
                        + #""manifests":[\#(entries.joined(separator: ","))]}"#
                )
                try await a.origin.upload(index)
                try await a.index.client.put(tag, index.digest, replicating: true)
                await a.untilReplicated(tag, index.digest)
                #expect(try await b.index.client.digest(of: tag) == index.digest)
                for image in images {
                    for blob in [image.config, image.layer, image.manifest] {
                        #expect(try await b.holds(blob.digest))
                    }
                }
            }
        }

        @Test("content named by its sha512 comes with that name, before the tag that needs it")
        func namesBySHA512() async throws {
            let layer = first.layer
            let long = SHA512Digest(hashing: layer.bytes)
            let alias = QualifiedTag(
                repository: tag.repository,
                tag: ReservedTag.alias(long).tag
            )
            let manifest = OriginBlob(
                #"{"schemaVersion":2,"config":{"mediaType":"x","digest":"\#(first.config.digest)","#
                    + #""size":2},"layers":[{"mediaType":"x","digest":"\#(long)","size":9}]}"#
            )
            try await twoClusters { a, b async throws in
                try await first.upload(to: a.origin)
                try await a.origin.upload(manifest)
                let error = await #expect(throws: ClusterError.self) {
                    try await a.index.client.put(tag, manifest.digest, replicating: true)
                }
                #expect(error?.why.contains("\(long)") == true)
                // Known here, and told to nobody by itself.
                try await a.index.client.put(alias, layer.digest)
                try await a.index.client.put(tag, manifest.digest, replicating: true)
                await a.untilReplicated(tag, manifest.digest)
                #expect(try await b.index.client.digest(of: tag) == manifest.digest)
                #expect(try await b.index.client.digest(of: alias) == layer.digest)
                #expect(try await b.holds(layer.digest))
            }
        }

        @Test("a tag that moves while the other cluster is away ends there at its last value")
        func movesAndResumes() async throws {
            let ports = [try ReservedPort.make(), try ReservedPort.make()]
            let remotes = [TagRemote(address: "127.0.0.1:\(ports[1])", patterns: [".*"])]
            try await withTemporaryFolder { root in
                try await SmallCluster.with("a", root, port: ports[0], remotes: remotes) {
                    a async throws in
                    try await first.upload(to: a.origin)
                    try await second.upload(to: a.origin)
                    for image in [first, second, first, second] {
                        try await a.index.client.put(tag, image.digest, replicating: true)
                    }
                    await a.index.event { $0.kind == .replicationFailed }
                    let row = try #require(try await a.replication().first)
                    #expect(row.pendingCount == 1 && row.lastError != nil)
                    #expect(row.oldestSeconds != nil)
                }
                // Here the first cluster is not there either, and comes back.
                try await SmallCluster.with("b", root, port: ports[1]) { b async throws in
                    try await SmallCluster.with("a", root, port: ports[0], remotes: remotes) {
                        a async throws in
                        await a.untilReplicated(tag, second.digest)
                        #expect(try await b.index.client.digest(of: tag) == second.digest)
                        for turn in 0..<10 {
                            let image = turn % 2 == 0 ? first : second
                            try await a.index.client.put(tag, image.digest, replicating: true)
                        }
                        await a.index.event { $0.kind == .replicationDone && $0.reason == nil }
                        while try await a.replication().first?.pendingCount != 0 {
                            await Task.yield()
                        }
                        #expect(try await b.index.client.digest(of: tag) == second.digest)
                    }
                    // A remote that is configured no more is forgotten, with what it was owed.
                    try await SmallCluster.with("a", root, port: ports[0]) { a async throws in
                        #expect(try await a.replication().isEmpty)
                    }
                }
            }
        }

        @Test("a tag that waits says which of its blobs the other cluster lacks")
        func missingBlobs() async throws {
            let ports = [try ReservedPort.make(), try ReservedPort.make()]
            let remotes = [TagRemote(address: "127.0.0.1:\(ports[1])", patterns: [".*"])]
            try await withTemporaryFolder { root in
                try await SmallCluster.with("a", root, port: ports[0], remotes: remotes) {
                    a async throws in
                    try await first.upload(to: a.origin)
                    try await a.index.client.put(tag, first.digest, replicating: true)
                    await a.index.event { $0.kind == .replicationFailed }
                    #expect(try await a.replication().first?.tasks?.first?.missingCount == nil)
                    let namespace = try Namespace(OriginUnderTest.namespace)
                    // The layer goes, from the backend too, where it may just be arriving.
                    while try await a.origin.client.stat(first.layer.digest, namespace: namespace)
                        != nil
                    {
                        try await a.origin.client.delete(first.layer.digest)
                        try? FileManager.default.removeItem(atPath: "\(a.root)/backend")
                    }
                    try await SmallCluster.with("b", root, port: ports[1]) { b async throws in
                        await a.index.event {
                            $0.kind == .replicationFailed
                                && $0.reason?.contains(first.layer.digest.hex) == true
                        }
                        let task = try #require(try await a.replication().first?.tasks?.first)
                        let missing = try #require(task.missing)
                        #expect(missing.contains(first.layer.digest))
                        #expect(missing.contains(first.digest))
                        #expect(task.missingCount == missing.count)
                        #expect(task.lastAttemptSeconds != nil)
                        try await first.upload(to: a.origin)
                        await a.untilReplicated(tag, first.digest)
                        #expect(try await a.replication().first?.tasks == [])
                        #expect(try await b.holds(first.layer.digest))
                    }
                }
            }
        }

        @Test(
            "a neighbour steps in with what the cluster says last, not with what it was told first"
        )
        func neighbour() async throws {
            try await twoClusters { a, b async throws in
                try await first.upload(to: a.origin)
                try await second.upload(to: a.origin)
                try await a.index.client.put(tag, second.digest)
                await a.index.untilWrittenBack("\(tag)", second.digest)
                // Asked long ago, and come to it only now.
                try await a.index.client.duplicateReplicate(
                    tag,
                    first.digest,
                    dependencies: [],
                    delay: .zero
                )
                await a.untilReplicated(tag, second.digest)
                #expect(try await b.index.client.digest(of: tag) == second.digest)
            }
        }

        @Test("a neighbour that steps in does not send a tag back to where it came from")
        func neighbourOfARemotePut() async throws {
            let ports = [try ReservedPort.make(), try ReservedPort.make()]
            try await withTemporaryFolder { root in
                try await SmallCluster.with("a", root, port: ports[0]) { a async throws in
                    try await first.upload(to: a.origin)
                    try await second.upload(to: a.origin)
                    try await a.index.client.put(tag, second.digest)
                    let remote = TagRemote(address: a.index.address, patterns: ["^team/"])
                    try await SmallCluster.with("b", root, port: ports[1], remotes: [remote]) {
                        b async throws in
                        try await first.upload(to: b.origin)
                        try await b.index.client.put(tag, first.digest)
                        await b.index.untilWrittenBack("\(tag)", first.digest)
                        // What its neighbour, which took the tag from the first cluster, hands it.
                        try await b.index.client.duplicateReplicate(
                            tag,
                            first.digest,
                            dependencies: [],
                            delay: .zero,
                            path: a.origin.address
                        )
                        await b.index.event { $0.kind == .replicationDone }
                        #expect(try await b.index.status().counters["tags_replicated"] == 0)
                        #expect(try await a.index.client.digest(of: tag) == second.digest)
                    }
                }
            }
        }
    }
}
