// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import Foundation
import NIOPosix
import Primitives
import SwarmCore
import SwarmIO
import Telemetry
import TestSupport
import Testing

/// Peers that send other bytes with the right CRC-32, and meta info that proves the wrong thing.
@Suite("Forging peers", .timeLimit(.minutes(1))) struct ForgingPeerTests {
    private static let pieceBytes = 32 << 10

    @Test("a peer that forges checksums is banned at its first piece, and no byte of it is served")
    func forger() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(40 * Self.pieceBytes + 9, seed: 50)
            let (_, metaInfo) = try await fixture.origin(
                blob,
                pieceBytes: Self.pieceBytes,
                egress: ByteRate(bytesPerSecond: 4 << 20)
            )
            let forger = try RawSeeder(blob, metaInfo: metaInfo, seed: 51) { _, bytes in
                bytes.count < 5 ? bytes : forged(bytes, at: bytes.count / 2)
            }
            defer { forger.stop() }
            fixture.introducer.add(forger.info, to: metaInfo.infoHash)
            let agent = try await fixture.node(.agent)
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            var served: [UInt8] = []
            try await download.read(0..<blob.count) { served += try bytes(of: $0, $1) }
            #expect(served == blob)
            #expect(try await agent.cachedBytes(metaInfo.digest) == blob)
            let badCount = agent.counters.all()["pieces_bad"] ?? 0
            #expect((1...3).contains(badCount), "\(badCount) bad pieces")
            let bans = agent.events.events(after: 0).events.filter { $0.kind == .banConnection }
            #expect(bans.contains { $0.peer == forger.id })
        }
    }

    @Test("without proofs, as Kraken's meta info is, a forged blob is found out as a whole")
    func forgerWithoutProofs() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(4 * Self.pieceBytes, seed: 52)
            let metaInfo = try makeMetaInfo(blob, pieceBytes: Self.pieceBytes, hasProofs: false)
            let forger = try RawSeeder(blob, metaInfo: metaInfo, seed: 53) {
                forged($1, at: $0.value)
            }
            defer { forger.stop() }
            fixture.introducer.add(forger.info, to: metaInfo.infoHash)
            let agent = try await fixture.node(.agent)
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            let error = await #expect(throws: SwarmError.self) {
                try await download.waitUntilComplete()
            }
            #expect(error?.code == .unverifiable)
            #expect(try await agent.cachedBytes(metaInfo.digest) == nil)
        }
    }

    @Test(
        "wrong proofs don't keep a blob from coming: an origin's bytes are then checked as a whole"
    )
    func wrongProofs() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(12 * Self.pieceBytes + 1, seed: 54)
            let (_, metaInfo) = try await fixture.origin(blob, pieceBytes: Self.pieceBytes)
            // The third piece is said to lead elsewhere, so that the fourth can't follow it either.
            var states = metaInfo.pieceStates
            states[2 * 32] ^= 1
            let agent = try await fixture.node(.agent)
            let download = try await agent.driver.download(
                metaInfo.with(states: states),
                namespace: testNamespace
            )
            try await download.waitUntilComplete()
            #expect(try await agent.cachedBytes(metaInfo.digest) == blob)
            #expect(agent.counters.all()["pieces_bad"] == 0)
        }
    }

    @Test("pieces that come from many peers at once, in reads of all lengths, are all proved")
    func manyPeers() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(150 * Self.pieceBytes + 77, seed: 55)
            let metaInfo = try makeMetaInfo(blob, pieceBytes: Self.pieceBytes)
            let seeders = try (0..<6).map { number in
                try RawSeeder(blob, metaInfo: metaInfo, seed: UInt64(60 + number))
            }
            defer { for seeder in seeders { seeder.stop() } }
            for seeder in seeders { fixture.introducer.add(seeder.info, to: metaInfo.infoHash) }
            let agent = try await fixture.node(.agent)
            try await agent.driver.download(metaInfo, namespace: testNamespace).waitUntilComplete()
            #expect(try await agent.cachedBytes(metaInfo.digest) == blob)
            #expect(agent.counters.all()["pieces_bad"] == 0)
        }
    }

    @Test(
        "hosts that share a loop have their pieces proved side by side, and none takes another's",
        arguments: [32 << 10, 1 << 20]
    )
    func sharedLoop(pieceBytes: Int) async throws {
        try await Fixture.with { fixture in
            let blobs = (0..<4).map { number in
                randomBytes(17 * pieceBytes + 1000 * number + 1, seed: UInt64(70 + number))
            }
            let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
            var downloads: [(agent: Node, blob: [UInt8], download: SwarmDownload)] = []
            for blob in blobs {
                let (_, metaInfo) = try await fixture.origin(blob, pieceBytes: pieceBytes)
                let agent = try await fixture.node(.agent, on: eventLoop)
                downloads.append(
                    (
                        agent, blob,
                        try await agent.driver.download(metaInfo, namespace: testNamespace)
                    )
                )
            }
            for (agent, blob, download) in downloads {
                try await download.waitUntilComplete()
                #expect(try await agent.cachedBytes(download.metaInfo.digest) == blob)
                #expect(agent.counters.all()["pieces_bad"] == 0)
            }
        }
    }
}
