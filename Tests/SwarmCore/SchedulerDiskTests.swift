// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore
import Testing

/// A disk that takes nothing, and a blob that can't be committed.
@Suite("A scheduler whose disk fails") struct SchedulerDiskTests {
    private func fill(_ host: inout LoneScheduler, from connection: ConnectionID) {
        while let piece = host.snapshot?.peers.first?.requestedPieces.first {
            host.deliver(piece.value, from: connection)
        }
    }

    @Test("a piece that can't be written is asked for again later, ever later, one at a time")
    func fullDisk() throws {
        // Asked for again at once, every piece would cross the network as fast as it can and never be kept.
        var host = try LoneScheduler()
        host.open()
        let peer = try host.connect(to: 1)
        #expect(host.log.requests(to: peer) == [0, 1, 2])
        host.begin(0, from: peer)
        let effects = host.handle(.pieceRejected(host.hash, PieceIndex(0), peer, .disk))
        #expect(effects.requests.isEmpty)
        for piece in [1, 2] {
            host.begin(piece, from: peer)
            let effects = host.handle(.pieceRejected(host.hash, PieceIndex(piece), peer, .disk))
            #expect(effects.requests.isEmpty)
        }
        var tries: [Instant] = []
        for _ in 0..<4 {
            while host.snapshot?.peers.first?.requestedPieces.isEmpty == true {
                host.wait(.milliseconds(250))
            }
            tries.append(host.now)
            let asked = host.snapshot?.peers.first?.requestedPieces ?? []
            #expect(asked.count == 1)
            host.begin(asked.first?.value ?? 0, from: peer)
            host.handle(.pieceRejected(host.hash, asked.first ?? PieceIndex(0), peer, .disk))
        }
        let waits = zip(tries, tries.dropFirst()).map { $0.duration(to: $1) }
        #expect(waits == [.seconds(2), .seconds(4), .seconds(8)])
        #expect(host.bans.isEmpty)
    }

    @Test("once the disk takes a piece, as many are asked for as ever")
    func diskRecovers() throws {
        var host = try LoneScheduler()
        host.open()
        let peer = try host.connect(to: 1)
        for piece in 0..<3 {
            host.begin(piece, from: peer)
            host.handle(.pieceRejected(host.hash, PieceIndex(piece), peer, .disk))
        }
        let again = host.wait(.seconds(2))
        #expect(again.requests(to: peer) == [0])
        let effects = host.deliver(0, from: peer)
        #expect(effects.requests(to: peer) == [1, 2, 3])
    }

    @Test("p2p §10.2-8: a commit that fails is tried again, ever later, and not for ever")
    func commitFails() throws {
        var host = try LoneScheduler(pieces: 2)
        host.open()
        let peer = try host.connect(to: 1)
        fill(&host, from: peer)
        #expect(host.log.commits == 1)
        var tries: [Instant] = [host.now]
        while host.isInMemory, tries.count < 100 {
            host.handle(.commitFailed(host.hash, .disk))
            var effects: [SwarmScheduler.Effect] = []
            while host.isInMemory, effects.commits == 0 { effects = host.wait(.milliseconds(500)) }
            tries.append(host.now)
        }
        let waits = zip(tries, tries.dropFirst()).map { $0.duration(to: $1) }
        #expect(waits.prefix(4) == [.seconds(1), .seconds(2), .seconds(4), .seconds(8)])
        #expect(waits.allSatisfy { $0 <= .minutes(1) })
        // Those who wait are told, and what was fetched stays on disk.
        #expect(host.log.forgetReasons == [.leecherTimedOut])
        #expect(Instant.origin.duration(to: host.now) >= .minutes(4))
    }

    @Test("p2p §10.2-8: a commit that works at the second try completes the blob")
    func commitRecovers() throws {
        var host = try LoneScheduler(pieces: 2)
        host.open()
        let peer = try host.connect(to: 1)
        fill(&host, from: peer)
        host.handle(.commitFailed(host.hash, .disk))
        let retry = host.wait(.seconds(5))
        #expect(retry.commits == 1)
        host.handle(.committed(host.hash))
        #expect(host.snapshot?.phase == .seeding)
        #expect(host.log.contains(.note(.torrentComplete(host.hash))))
    }

    @Test("a blob with a wrong digest is fetched anew, but not for ever")
    func wrongDigest() throws {
        var host = try LoneScheduler(pieces: 2)
        host.open()
        for round in 1...3 {
            let peer = try host.connect(to: round)
            fill(&host, from: peer)
            #expect(host.log.commits == round)
            host.handle(.commitFailed(host.hash, .digestMismatch))
            if round < 3 { #expect(host.snapshot?.held.heldCount == 0) }
        }
        #expect(host.log.forgetReasons == [.unverifiable])
    }
}
