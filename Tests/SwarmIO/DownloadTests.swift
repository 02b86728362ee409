// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import Content
import Files
import Primitives
import SwarmCore
import SwarmIO
import Telemetry
import Testing

@Suite("Downloads", .timeLimit(.minutes(1))) struct DownloadTests {
    private static let pieceBytes = 64 << 10

    @Test(
        "arrive whole, whatever their size",
        arguments: [
            0, 1, 1000, pieceBytes - 1, pieceBytes, pieceBytes + 1, 7 * pieceBytes,
            7 * pieceBytes + 1, 8 * pieceBytes - 1, 70 * pieceBytes + 17,
        ]
    )
    func sizes(count: Int) async throws {
        try await Fixture.with { fixture in
            let bytes = randomBytes(count, seed: UInt64(count))
            let (origin, metaInfo) = try await fixture.origin(bytes, pieceBytes: Self.pieceBytes)
            let agent = try await fixture.node(.agent)
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            try await download.waitUntilComplete()
            #expect(try await agent.cachedBytes(metaInfo.digest) == bytes)
            let counts = agent.counters.all()
            #expect(counts["bytes_downloaded_from_origins"] == count)
            #expect(counts["bytes_downloaded_from_agents"] == 0)
            #expect(counts["blobs_completed"] == 1)
            #expect(counts["pieces_received"] == metaInfo.layout.pieceCount)
            #expect(counts["pieces_bad"] == 0)
            #expect(origin.counters.all()["blobs_failed"] == 0)
        }
    }

    @Test("ten agents at once share what they have")
    func herd() async throws {
        try await Fixture.with { fixture in
            let bytes = randomBytes(100 * Self.pieceBytes + 5, seed: 10)
            let (origin, metaInfo) = try await fixture.origin(bytes, pieceBytes: Self.pieceBytes)
            var agents: [Node] = []
            for _ in 0..<10 { agents.append(try await fixture.node(.agent)) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for agent in agents {
                    group.addTask {
                        let download = try await agent.driver.download(
                            metaInfo,
                            namespace: testNamespace
                        )
                        try await download.waitUntilComplete()
                    }
                }
                try await group.waitForAll()
            }
            for agent in agents {
                #expect(try await agent.cachedBytes(metaInfo.digest) == bytes)
            }
            let sent = origin.counters.all()["bytes_uploaded"] ?? 0
            #expect(sent < 11 * bytes.count)
            let duplicates = agents.map { $0.counters.all()["pieces_duplicate"] ?? 0 }
            #expect(duplicates.reduce(0, +) < 100)
        }
    }

    @Test("many blobs at once arrive over one port")
    func manyBlobs() async throws {
        try await Fixture.with { fixture in
            let origin = try await fixture.node(.origin)
            let agent = try await fixture.node(.agent)
            var blobs: [(MetaInfo, [UInt8])] = []
            for index in 0..<30 {
                let bytes = randomBytes(index * 20_000, seed: UInt64(index))
                blobs.append(
                    (try await fixture.give(bytes, pieceBytes: 32 << 10, to: origin), bytes)
                )
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (metaInfo, _) in blobs {
                    group.addTask {
                        let download = try await agent.driver.download(
                            metaInfo,
                            namespace: testNamespace
                        )
                        try await download.waitUntilComplete()
                    }
                }
                try await group.waitForAll()
            }
            for (metaInfo, bytes) in blobs {
                #expect(try await agent.cachedBytes(metaInfo.digest) == bytes)
            }
        }
    }

    @Test("who asks for the same blob joins its download")
    func joining() async throws {
        try await Fixture.with { fixture in
            let bytes = randomBytes(20 * Self.pieceBytes, seed: 3)
            let (_, metaInfo) = try await fixture.origin(bytes, pieceBytes: Self.pieceBytes)
            let agent = try await fixture.node(.agent)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<20 {
                    group.addTask {
                        let download = try await agent.driver.download(
                            metaInfo,
                            namespace: testNamespace
                        )
                        try await download.waitUntilComplete()
                    }
                }
                try await group.waitForAll()
            }
            #expect(agent.counters.all()["pieces_received"] == 20)
            #expect(agent.counters.all()["blobs_completed"] == 1)
        }
    }

    @Test("an agent alone has the blob served from its cache after a restart")
    func seedingAfterRestart() async throws {
        try await Fixture.with { fixture in
            let bytes = randomBytes(5 * Self.pieceBytes, seed: 4)
            let (origin, metaInfo) = try await fixture.origin(bytes, pieceBytes: Self.pieceBytes)
            let first = try await fixture.node(.agent, at: "first")
            try await first.driver.download(metaInfo, namespace: testNamespace).waitUntilComplete()
            await first.driver.stop()
            fixture.introducer.remove(first.peerID)
            await origin.driver.stop()
            fixture.introducer.remove(origin.peerID)
            // Nothing of the swarm is in its memory: the handshake of the next agent brings it back.
            let again = try await fixture.node(.agent, at: "first")
            fixture.introducer.add(again.info, to: metaInfo.infoHash)
            let second = try await fixture.node(.agent)
            try await second.driver.download(metaInfo, namespace: testNamespace)
                .waitUntilComplete()
            #expect(try await second.cachedBytes(metaInfo.digest) == bytes)
            #expect(second.counters.all()["bytes_downloaded_from_agents"] == bytes.count)
        }
    }

    @Test("a download that was stopped goes on where it was")
    func resuming() async throws {
        try await Fixture.with { fixture in
            let bytes = randomBytes(40 * Self.pieceBytes, seed: 5)
            let (origin, metaInfo) = try await fixture.origin(
                bytes,
                pieceBytes: Self.pieceBytes,
                egress: ByteRate(bytesPerSecond: 4 << 20)
            )
            let first = try await fixture.node(.agent, at: "agent")
            let download = try await first.driver.download(metaInfo, namespace: testNamespace)
            // Read until a good part is there, then stop in the middle.
            try await download.read(0..<10 * Self.pieceBytes) { _, _ in }
            await first.driver.stop()
            await #expect(throws: SwarmError.self) { try await download.waitUntilComplete() }
            let received = first.counters.all()["pieces_received"] ?? 0
            #expect(received >= 10 && received < 40)

            let second = try await fixture.node(.agent, at: "agent")
            try await second.driver.resumeUnfinished()
            let rest = try await second.driver.download(metaInfo, namespace: testNamespace)
            try await rest.waitUntilComplete()
            #expect(try await second.cachedBytes(metaInfo.digest) == bytes)
            #expect(second.counters.all()["pieces_received"] == 40 - received)
            _ = origin
        }
    }

    @Test("a deleted blob is gone and can be downloaded again at once")
    func removing() async throws {
        try await Fixture.with { fixture in
            let bytes = randomBytes(9 * Self.pieceBytes, seed: 6)
            let (_, metaInfo) = try await fixture.origin(bytes, pieceBytes: Self.pieceBytes)
            let agent = try await fixture.node(.agent)
            for _ in 0..<3 {
                try await agent.driver.download(metaInfo, namespace: testNamespace)
                    .waitUntilComplete()
                #expect(try await agent.cachedBytes(metaInfo.digest) == bytes)
                try await agent.driver.remove(metaInfo.digest)
                #expect(try await agent.cachedBytes(metaInfo.digest) == nil)
                #expect(await agent.driver.snapshot().swarms.isEmpty)
            }
        }
    }

    @Test("deleting a blob ends its download, and those who wait are told")
    func removingMidway() async throws {
        try await Fixture.with { fixture in
            let bytes = randomBytes(40 * Self.pieceBytes, seed: 7)
            let (_, metaInfo) = try await fixture.origin(
                bytes,
                pieceBytes: Self.pieceBytes,
                egress: ByteRate(bytesPerSecond: 2 << 20)
            )
            let agent = try await fixture.node(.agent)
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            let waiting = Task { try await download.waitUntilComplete() }
            try await download.read(0..<3 * Self.pieceBytes) { _, _ in }
            try await agent.driver.remove(metaInfo.digest)
            let error = await #expect(throws: SwarmError.self) { try await waiting.value }
            #expect(error?.code == .removed)
            #expect(try await agent.store.unfinishedDownloads().isEmpty)
            let again = try await agent.driver.download(metaInfo, namespace: testNamespace)
            try await again.waitUntilComplete()
            #expect(try await agent.cachedBytes(metaInfo.digest) == bytes)
        }
    }

    @Test("an origin is told of blobs that peers want and it lacks")
    func missingBlob() async throws {
        try await Fixture.with { fixture in
            let origin = try await fixture.node(.origin)
            let agent = try await fixture.node(.agent)
            let bytes = randomBytes(1000, seed: 8)
            let metaInfo = try makeMetaInfo(bytes, pieceBytes: Self.pieceBytes)
            fixture.introducer.add(origin.info, to: metaInfo.infoHash)
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            await fixture.introducer.waitForMissing()
            #expect(fixture.introducer.missing.first == metaInfo.digest)
            // The origin gets it, and the agent, which keeps asking, then gets it too.
            _ = try await fixture.give(bytes, pieceBytes: Self.pieceBytes, to: origin)
            try await download.waitUntilComplete()
            #expect(try await agent.cachedBytes(metaInfo.digest) == bytes)
        }
    }

    @Test("a download without a source ends in time and keeps nobody waiting")
    func timingOut() async throws {
        try await Fixture.with { fixture in
            var policy = testPolicy
            policy.leecherIdleMax = .milliseconds(300)
            let agent = try await fixture.node(.agent, policy: policy)
            let metaInfo = try makeMetaInfo(randomBytes(10, seed: 9), pieceBytes: 10)
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            let error = await #expect(throws: SwarmError.self) {
                try await download.waitUntilComplete()
            }
            #expect(error?.code == .timedOut)
            #expect(await agent.driver.snapshot().swarms.isEmpty)
        }
    }

    @Test("a blob whose pieces are right but whose whole is not is never served")
    func wrongWhole() async throws {
        try await Fixture.with { fixture in
            let bytes = randomBytes(4 * Self.pieceBytes, seed: 11)
            let right = try makeMetaInfo(bytes, pieceBytes: Self.pieceBytes)
            // A meta info that gives these pieces another blob's name.
            let lie = try MetaInfo(
                digest: Digest(hashing: [1, 2, 3]),
                layout: right.layout,
                pieceSums: right.pieceSums
            )
            let liar = try RawSeeder(bytes, metaInfo: lie, seed: 12)
            defer { liar.stop() }
            fixture.introducer.add(liar.info, to: lie.infoHash)
            let agent = try await fixture.node(.agent)
            let download = try await agent.driver.download(lie, namespace: testNamespace)
            let error = await #expect(throws: SwarmError.self) {
                try await download.waitUntilComplete()
            }
            #expect(error?.code == .unverifiable)
            #expect(try await agent.cachedBytes(lie.digest) == nil)
            #expect(agent.counters.all()["blobs_completed"] == 0)
        }
    }

    @Test("a stopped driver tells those who wait and leaves no connection")
    func stopping() async throws {
        try await Fixture.with { fixture in
            let bytes = randomBytes(40 * Self.pieceBytes, seed: 13)
            let (_, metaInfo) = try await fixture.origin(
                bytes,
                pieceBytes: Self.pieceBytes,
                egress: ByteRate(bytesPerSecond: 1 << 20)
            )
            let agent = try await fixture.node(.agent)
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            let waiting = Task { try await download.waitUntilComplete() }
            try await download.read(0..<Self.pieceBytes) { _, _ in }
            await agent.driver.stop()
            let error = await #expect(throws: SwarmError.self) { try await waiting.value }
            #expect(error?.code == .stopped)
            #expect(await agent.driver.snapshot().connectionCount == 0)
            await #expect(throws: SwarmError.self) {
                try await agent.driver.download(metaInfo, namespace: testNamespace)
            }
        }
    }

    @Test("events tell the story in Kraken's order")
    func story() async throws {
        try await Fixture.with { fixture in
            let bytes = randomBytes(100, seed: 14)
            let (_, metaInfo) = try await fixture.origin(bytes, pieceBytes: Self.pieceBytes)
            let agent = try await fixture.node(.agent)
            try await agent.driver.download(metaInfo, namespace: testNamespace).waitUntilComplete()
            await agent.driver.probe()
            let kinds = agent.events.events(after: 0).events.map(\.kind)
            let story: [EventKind] = [
                .addTorrent, .addActiveConnection, .requestPiece, .receivePiece, .torrentComplete,
            ]
            #expect(kinds.filter(story.contains) == story)
            let request = agent.events.events(after: 0).events.first { $0.kind == .requestPiece }
            #expect(request?.reason == "onlySource" || request?.reason == "rarest(availability: 1)")
            #expect(request?.detail?["slots"] == "5")
            #expect(request?.localPeer == agent.peerID)
        }
    }
}
