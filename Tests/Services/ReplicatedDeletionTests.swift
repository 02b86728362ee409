// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import ClusterConfiguration
import Content
import Files
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOPosix
import Primitives
import Telemetry
import TestSupport
import Testing

extension ServicesTests {
    @Suite("Deletions between clusters") struct ReplicatedDeletionTests {
        private let first = BuildIndexImage("one")
        private let second = BuildIndexImage("two")
        private let tag: QualifiedTag

        init() throws { tag = try QualifiedTag(parsing: "team/app:v1") }

        /// Two clusters that replicate everything to each other; both have both images.
        private func twoClusters(
            there: @escaping (inout BuildIndexConfiguration) -> Void = { _ in },
            body: (SmallCluster, SmallCluster) async throws -> Void
        ) async throws {
            let ports = [try ReservedPort.make(), try ReservedPort.make()]
            func remote(_ index: Int) -> [TagRemote] {
                [TagRemote(address: "127.0.0.1:\(ports[index])", patterns: [".*"])]
            }
            try await withTemporaryFolder { root in
                try await SmallCluster.with(
                    "b",
                    root,
                    port: ports[1],
                    remotes: remote(0),
                    configure: there
                ) { b async throws in
                    try await SmallCluster.with("a", root, port: ports[0], remotes: remote(1)) {
                        a async throws in
                        for image in [first, second] {
                            try await image.upload(to: a.origin)
                            try await image.upload(to: b.origin)
                        }
                        try await body(a, b)
                    }
                }
            }
        }

        @Test("a deletion reaches the other cluster, and a put after it does, too")
        func deletes() async throws {
            try await twoClusters { a, b async throws in
                try await a.index.client.put(tag, first.digest, replicating: true)
                await a.untilReplicated(tag, first.digest)
                await b.index.untilWrittenBack("\(tag)", first.digest)
                try await a.index.client.delete(tag, replicating: true)
                await a.untilDeletionReplicated(tag)
                #expect(try await b.index.client.digest(of: tag) == nil)
                #expect(try BuildIndexUnderTest.stored("\(tag)", b.root) == nil)
                #expect(try await a.index.status().counters["tag_deletions_replicated"] == 1)
                // It goes no further: the other one knows where it came from.
                try await a.index.client.put(tag, second.digest, replicating: true)
                await a.untilReplicated(tag, second.digest)
                try await b.untilNothingPending()
                #expect(try await a.index.client.digest(of: tag) == second.digest)
                #expect(try await b.index.client.digest(of: tag) == second.digest)
                #expect(try await b.index.status().counters["tag_deletions_replicated"] == 0)
            }
        }

        @Test("of puts and deletions in quick succession the last one holds in both clusters")
        func order() async throws {
            try await twoClusters { a, b async throws in
                for endsDeleted in [true, false, true] {
                    for turn in 0..<8 {
                        let image = turn % 2 == 0 ? first : second
                        try await a.index.client.put(tag, image.digest, replicating: true)
                        if turn < 7 || endsDeleted {
                            try await a.index.client.delete(tag, replicating: true)
                        }
                    }
                    try await a.untilNothingPending()
                    try await b.untilNothingPending()
                    let expected = endsDeleted ? nil : second.digest
                    #expect(try await a.index.client.digest(of: tag) == expected)
                    #expect(try await b.index.client.digest(of: tag) == expected)
                }
            }
        }

        @Test("a deletion that was not to be replicated stays, and takes back no put")
        func staysLocal() async throws {
            try await twoClusters { a, b async throws in
                try await a.index.client.put(tag, first.digest, replicating: true)
                await a.untilReplicated(tag, first.digest)
                try await a.index.client.delete(tag)
                // As by a task that is left from before the deletion.
                try await a.index.client.duplicateReplicate(
                    tag,
                    first.digest,
                    dependencies: [],
                    delay: .zero
                )
                await a.index.event {
                    $0.kind == .replicationDone && $0.reason == "the tag has moved on"
                }
                #expect(try await a.index.client.digest(of: tag) == nil)
                #expect(try await b.index.client.digest(of: tag) == first.digest)
                // Asked once more, as after a crash that came before the replication was queued.
                let error = await #expect(throws: ClusterError.self) {
                    try await a.index.client.delete(tag, replicating: true)
                }
                #expect(error?.code == .notFound)
                await a.untilDeletionReplicated(tag)
                #expect(try await b.index.client.digest(of: tag) == nil)
            }
        }

        @Test("a neighbour that steps in deletes what was deleted, and nothing that was put since")
        func neighbour() async throws {
            try await twoClusters { a, b async throws in
                try await b.index.client.put(tag, first.digest)
                try await a.index.client.duplicateReplicateDeletion(
                    of: tag,
                    replaced: second.digest,
                    delay: .zero
                )
                await a.index.event {
                    $0.kind == .replicationDone && $0.reason == "it names something else there"
                }
                #expect(try await b.index.client.digest(of: tag) == first.digest)
                try await a.index.client.duplicateReplicateDeletion(
                    of: tag,
                    replaced: first.digest,
                    delay: .zero
                )
                await a.untilDeletionReplicated(tag)
                #expect(try await b.index.client.digest(of: tag) == nil)
                // Put again: whoever was asked for that brings it.
                try await b.index.client.put(tag, first.digest)
                try await a.index.client.put(tag, first.digest)
                try await a.index.client.duplicateReplicateDeletion(
                    of: tag,
                    replaced: first.digest,
                    delay: .zero
                )
                await a.index.event {
                    $0.kind == .replicationDone && $0.reason == "the tag has moved on"
                }
                #expect(try await b.index.client.digest(of: tag) == first.digest)
            }
        }

        @Test("what the other cluster keeps for good is told and given up")
        func immutable() async throws {
            try await twoClusters {
                $0.immutableTags = [":v[0-9]+$"]
            } body: { a, b async throws in
                try await a.index.client.put(tag, first.digest, replicating: true)
                await a.untilReplicated(tag, first.digest)
                try await a.index.client.delete(tag, replicating: true)
                await a.index.event {
                    $0.kind == .replicationDone && $0.reason?.contains("immutable_tags") == true
                }
                try await a.untilNothingPending()
                #expect(try await a.replication().first?.deadCount ?? 0 == 0)
                #expect(try await a.index.status().counters["tag_deletions_refused"] == 1)
                #expect(try await b.index.client.digest(of: tag) == first.digest)
            }
        }

        @Test(
            "a remote that can't delete, as Kraken's, is asked once for each deletion",
            arguments: [HTTPResponse.Status.notFound, .methodNotAllowed]
        )
        func kraken(_ status: HTTPResponse.Status) async throws {
            let digest = first.digest
            let router = Router(context: ServerContext.self)
            router.get("/tags/{tag}") { _, _ in Response.text(digest.description) }
            router.get("/origin") { _, _ in Response.text("elsewhere:80") }
            router.delete("/tags/{tag}") { _, _ in Response(status: status) }
            try await TrackerWorld.serving { bound in
                let server = HTTPServer(
                    name: "kraken",
                    address: ("127.0.0.1", 0),
                    router: router,
                    options: ServerOptions(
                        eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
                        log: TrackerWorld.log
                    ),
                    onBound: { bound.send("127.0.0.1:\($0)") }
                )
                return { try await server.run() }
            } body: { address in
                try await withTemporaryFolder { root in
                    let remotes = [TagRemote(address: address, patterns: [".*"])]
                    let port = try ReservedPort.make()
                    try await SmallCluster.with("a", root, port: port, remotes: remotes) {
                        a async throws in
                        try await first.upload(to: a.origin)
                        try await a.index.client.put(tag, first.digest)
                        try await a.index.client.delete(tag, replicating: true)
                        await a.index.event {
                            $0.kind == .replicationDone
                                && $0.reason?.hasPrefix("refused: ") == true
                        }
                        try await a.untilNothingPending()
                        let row = try #require(try await a.replication().first)
                        #expect(row.deadCount ?? 0 == 0 && row.failedCount == 0)
                    }
                }
            }
        }

        @Test("a build-index that comes back late writes nothing that was deleted meanwhile")
        func lateWriter() async throws {
            let ports = [try ReservedPort.make(), try ReservedPort.make()]
            let cluster = ports.map { "127.0.0.1:\($0)" }
            let now = Timestamp.now.unixNanoseconds
            let second: Int64 = 1_000_000_000
            try await withTemporaryFolder { root in
                func with(
                    _ place: Int,
                    _ body: (BuildIndexUnderTest) async throws -> Void
                ) async throws {
                    // One backend for both.
                    try await BuildIndexUnderTest.with(root, id: "index-\(place)", origins: []) {
                        ($0.port, $0.cluster) = (ports[place], cluster)
                        $0.tagCacheInterval = .zero
                    } body: {
                        try await body($0)
                    }
                }
                try await with(0) { here async throws in
                    try await here.client.duplicatePut(
                        tag,
                        nil,
                        delay: .hours(1),
                        madeAtNanoseconds: now - 10 * second
                    )
                    try await with(1) { late async throws in
                        try await late.client.duplicatePut(
                            tag,
                            first.digest,
                            delay: .zero,
                            madeAtNanoseconds: now - 20 * second
                        )
                        try await late.untilIdle()
                        #expect(try await late.client.digest(of: tag) == nil)
                        #expect(try BuildIndexUnderTest.stored("\(tag)", root) == nil)
                        #expect(try await here.client.digest(of: tag) == nil)
                        // What was put after the deletion is written.
                        try await late.client.duplicatePut(
                            tag,
                            self.second.digest,
                            delay: .zero,
                            madeAtNanoseconds: now - 5 * second
                        )
                        await late.untilWrittenBack("\(tag)", self.second.digest)
                        #expect(try await here.client.digest(of: tag) == self.second.digest)
                    }
                }
            }
        }
    }
}

extension SmallCluster {
    /// Returns once the deletion of `tag` has reached a remote.
    func untilDeletionReplicated(_ tag: QualifiedTag) async {
        await index.event {
            $0.kind == .replicationDone && $0.detail?["change"] == "deletion"
                && $0.detail?["tag"] == tag.description && $0.reason == nil
        }
    }

    /// Returns once no replication waits.
    func untilNothingPending() async throws {
        while try await replication().contains(where: { $0.pendingCount + $0.failedCount > 0 }) {
            await Task.yield()
        }
    }
}
