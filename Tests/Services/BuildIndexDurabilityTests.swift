// SPDX-License-Identifier: Apache-2.0

import BuildIndexService
import ClusterClients
import ClusterConfiguration
import Content
import Files
import Foundation
import HTTPKit
import Primitives
import Telemetry
import TestSupport
import Testing

extension ServicesTests {
    @Suite("Build-index: tags that last") struct BuildIndexDurabilityTests {
        private let first = BuildIndexImage("one")
        private let second = BuildIndexImage("two")
        private let tag: QualifiedTag

        init() throws { tag = try QualifiedTag(parsing: "team/app:v1") }

        /// Makes the backend of `root` fail: a file lies where its directory would be.
        private func breakBackend(_ root: String) throws {
            try AtomicFile.write([], to: "\(root)/backend", durable: false)
        }

        private func mendBackend(_ root: String) throws { try Directory.remove("\(root)/backend") }

        @Test("a tag that moves is replaced here and in the backend")
        func moves() async throws {
            try await BuildIndexUnderTest.withOrigin { index, origin, root async throws in
                for image in [first, second, first] {
                    try await image.upload(to: origin)
                    try await index.client.put(tag, image.digest)
                    #expect(try await index.client.digest(of: tag) == image.digest)
                    await index.event {
                        $0.kind == .writeBackDone && $0.blob == image.digest
                    }
                }
                try await index.untilIdle()
                #expect(try BuildIndexUnderTest.stored("team/app:v1", root) == "\(first.digest)")
            }
        }

        @Test("concurrent puts of one tag end with the same digest here and in the backend")
        func concurrentPuts() async throws {
            try await BuildIndexUnderTest.withOrigin { index, origin, root async throws in
                try await first.upload(to: origin)
                try await second.upload(to: origin)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for turn in 0..<24 {
                        let digest = turn % 2 == 0 ? first.digest : second.digest
                        group.addTask { try await index.client.put(tag, digest) }
                    }
                    try await group.waitForAll()
                }
                let digest = try #require(try await index.client.digest(of: tag))
                try await index.untilIdle()
                #expect(try BuildIndexUnderTest.stored("team/app:v1", root) == "\(digest)")
            }
        }

        @Test("a put is acknowledged while the backend is down, and written once it is back")
        func backendDown() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with("\(root)/o") { origin in
                    try await first.upload(to: origin)
                    try breakBackend(root)
                    try await BuildIndexUnderTest.with(root, origins: [origin.address]) {
                        index async throws in
                        try await index.client.put(tag, first.digest)
                        #expect(try await index.client.digest(of: tag) == first.digest)
                        await index.event { $0.kind == .writeBackFailed }
                        // A tag that only the backend could know is not found, so that pushes go on.
                        #expect(
                            try await index.client.digest(of: try QualifiedTag(parsing: "x:1"))
                                == nil
                        )
                        try mendBackend(root)
                        await index.untilWrittenBack("\(tag)", first.digest)
                        #expect(try BuildIndexUnderTest.stored("\(tag)", root) == "\(first.digest)")
                    }
                }
            }
        }

        /// Has a build-index take the tag while its backend is down, and stop; it is down still.
        private func putAndStop(_ root: String, _ origin: OriginUnderTest) async throws {
            try await first.upload(to: origin)
            try breakBackend(root)
            try await BuildIndexUnderTest.with(root, origins: [origin.address]) {
                $0.drainTimeout = .milliseconds(50)
            } body: {
                try await $0.client.put(tag, first.digest)
            }
        }

        @Test("what was acknowledged survives a stop, and is written back after the next start")
        func stopAndStart() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with("\(root)/o") { origin in
                    try await putAndStop(root, origin)
                    try mendBackend(root)
                    try await BuildIndexUnderTest.with(root, origins: [origin.address]) {
                        index async throws in
                        #expect(try await index.client.digest(of: tag) == first.digest)
                        await index.untilWrittenBack("\(tag)", first.digest)
                        #expect(try BuildIndexUnderTest.stored("\(tag)", root) == "\(first.digest)")
                    }
                }
            }
        }

        @Test(
            "a tag put while the clock was a year ahead is written back by a start with the clock put right"
        )
        func clockSetBack() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with("\(root)/o") { origin in
                    try await putAndStop(root, origin)
                    let data = "\(root)/build-index-0"
                    let file = "\(data)/tags/team/app/_tags/v1"
                    let record = try #require(try AtomicFile.read(file, bytesMax: 4096))
                    let ahead = String(decoding: record, as: UTF8.self)
                        .replacing(/_ns":([0-9]+)/) { match in
                            "_ns\":\((Int(match.1) ?? 0) + 365 * 86_400_000_000_000)"
                        }
                    try AtomicFile.write(Array(ahead.utf8), to: file, durable: false)
                    for name in try Directory.list(data) ?? [] where name.hasPrefix("queue") {
                        try Directory.remove("\(data)/\(name)")
                    }
                    try mendBackend(root)
                    try await BuildIndexUnderTest.with(root, origins: [origin.address]) {
                        index async throws in
                        await index.untilWrittenBack("\(tag)", first.digest)
                        #expect(try BuildIndexUnderTest.stored("\(tag)", root) == "\(first.digest)")
                        // Later changes come after it, whatever the clock says.
                        try await second.upload(to: origin)
                        try await index.client.put(tag, second.digest)
                        #expect(try await index.client.digest(of: tag) == second.digest)
                    }
                }
            }
        }

        @Test("the disk as it is at the acknowledgement is enough to go on from")
        func crashImage() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with("\(root)/o") { origin in
                    try await first.upload(to: origin)
                    try breakBackend(root)
                    try await BuildIndexUnderTest.with(root, origins: [origin.address]) {
                        index async throws in
                        try await index.client.put(tag, first.digest)
                        // What a kill -9 now would leave.
                        try FileManager.default.createDirectory(
                            atPath: "\(root)/crashed",
                            withIntermediateDirectories: true
                        )
                        try FileManager.default.copyItem(
                            atPath: "\(root)/build-index-0",
                            toPath: "\(root)/crashed/build-index-0"
                        )
                    }
                    // Left by a write that a crash cut off, and by somebody else.
                    try AtomicFile.write(
                        [1],
                        to: "\(root)/crashed/build-index-0/tmp/v1.tmp-1",
                        durable: false
                    )
                    try AtomicFile.write(
                        Array("garbage".utf8),
                        to: "\(root)/crashed/build-index-0/tags/team/app/_tags/v2",
                        durable: false
                    )
                    // A tag that was never acknowledged, cut off by a power cut.
                    let unfinished = "\(root)/crashed/build-index-0/tags/team/app/_tags/v3"
                    try AtomicFile.write([], to: unfinished, durable: false)
                    try await BuildIndexUnderTest.with("\(root)/crashed", origins: []) {
                        index async throws in
                        #expect(try await index.client.digest(of: tag) == first.digest)
                        #expect(try AtomicFile.read(unfinished, bytesMax: 1) == nil)
                        #expect(
                            try await index.client.digest(
                                of: try QualifiedTag(parsing: "team/app:v2")
                            )
                                == nil
                        )
                        await index.untilWrittenBack("\(tag)", first.digest)
                    }
                    let stored = try BuildIndexUnderTest.stored("\(tag)", "\(root)/crashed")
                    #expect(stored == "\(first.digest)")
                }
            }
        }

        @Test("written through, a tag is in the backend when it is acknowledged, or not put at all")
        func writeThrough() async throws {
            try await BuildIndexUnderTest.withOrigin { configuration in
                configuration.writesThrough = true
            } body: { index, origin, root async throws in
                try await first.upload(to: origin)
                try await index.client.put(tag, first.digest)
                #expect(try BuildIndexUnderTest.stored("\(tag)", root) == "\(first.digest)")
                for blob in [first.config, first.layer, first.manifest] {
                    await origin.untilWrittenBack(blob)
                }
                try mendBackend(root)
                try breakBackend(root)
                let other = try QualifiedTag(parsing: "other:1")
                let error = await #expect(throws: ClusterError.self) {
                    try await index.client.put(other, first.digest)
                }
                #expect(error?.code == .status(500))
                #expect(try await index.client.digest(of: other) == nil)
                #expect(try await index.status().queues?.first?.pendingCount == 0)
            }
        }

        @Test("a tag that another member put is read from the backend they share")
        func sharedBackend() async throws {
            try await BuildIndexUnderTest.withOrigin { index, origin, root async throws in
                try await first.upload(to: origin)
                try await index.client.put(tag, first.digest)
                await index.untilWrittenBack("\(tag)", first.digest)
                try await BuildIndexUnderTest.with(root, id: "build-index-1", origins: []) {
                    other async throws in
                    #expect(try await other.client.digest(of: tag) == first.digest)
                    #expect(try await other.client.has(tag))
                }
            }
        }

        @Test("a put reaches the neighbours at once; one that is down does not hinder it")
        func neighbours() async throws {
            let ports = [try ReservedPort.make(), try ReservedPort.make()]
            let dead = try ReservedPort.make()
            let cluster = (ports + [dead]).map { "127.0.0.1:\($0)" }
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { origin in
                    try await first.upload(to: origin)
                    try await BuildIndexUnderTest.with(root, origins: [origin.address]) {
                        configuration in
                        (configuration.port, configuration.cluster) = (ports[0], cluster)
                    } body: { index async throws in
                        // Another backend, so that the neighbour can have it from nowhere else.
                        try await BuildIndexUnderTest.with("\(root)/n", origins: []) {
                            configuration in
                            (configuration.port, configuration.cluster) = (ports[1], cluster)
                        } body: { neighbour async throws in
                            try await index.client.put(tag, first.digest)
                            #expect(try await neighbour.client.digest(of: tag) == first.digest)
                            #expect(try await neighbour.status().queues?.first?.pendingCount == 1)
                            let counters = try await index.status().counters
                            #expect(counters["duplicate_put_failures"] == 1)
                        }
                    }
                }
            }
        }

        @Test("a neighbour's late write does not undo a newer put, but makes up for a lost one")
        func lateWrite() async throws {
            try await withTemporaryFolder { root in
                try await BuildIndexUnderTest.with(root, origins: []) { index async throws in
                    // The neighbour wrote by itself, and later somebody put another digest elsewhere.
                    try await index.client.duplicatePut(tag, first.digest, delay: .zero)
                    await index.untilWrittenBack("\(tag)", first.digest)
                    let path =
                        "\(root)/backend/docker/registry/v2/repositories/team/app/_manifests/tags"
                        + "/v1/current/link"
                    let newest = BuildIndexImage("three").digest
                    try AtomicFile.write(Array(newest.description.utf8), to: path, durable: false)
                    try await index.client.duplicatePut(tag, second.digest, delay: .zero)
                    try await index.untilIdle()
                    #expect(try BuildIndexUnderTest.stored("\(tag)", root) == "\(newest)")
                    #expect(try await index.client.digest(of: tag) == newest)
                    // The backend still says what we replaced: the neighbour never came to write.
                    try await index.client.duplicatePut(tag, second.digest, delay: .zero)
                    await index.untilWrittenBack("\(tag)", second.digest)
                    #expect(try BuildIndexUnderTest.stored("\(tag)", root) == "\(second.digest)")
                }
            }
        }
    }
}

extension BuildIndexUnderTest {
    /// Returns once nothing waits to be written back.
    func untilIdle() async throws {
        guard let subscription = environment.events.subscribe(after: 0) else { return }
        // Each write-back ends with an event, when it has left the queue.
        for await _ in subscription {
            if try await status().queues?.first?.pendingCount == 0 { return }
        }
    }
}
