// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore
import Testing

/// Slots: who gets one, who keeps it, when it is free again.
@Suite("Connection slots of a scheduler") struct SchedulerConnectionTests {
    @Test("pending and open connections together are limited; who is over it is refused")
    func capacity() throws {
        var policy = LoneScheduler.policy
        (policy.connectionsMax, policy.leavesSlots) = (3, false)
        var host = try LoneScheduler(policy: policy)
        host.open()
        #expect(host.introduce([1, 2, 3, 4]).dials.count == 3)
        let (late, effects) = host.knock(5, holding: [])
        #expect(effects.closing(late) == .noSlot)
        #expect(!effects.isAccepted(late))
        // A slot that gets free is given to the next candidate.
        let first = try Unwrap.value(host.log.dials[LoneScheduler.peer(1)])
        let next = host.handle(.dialFailed(first, .unreachable))
        #expect(next.dials.keys.sorted() == [LoneScheduler.peer(4)])
    }

    @Test("two fifths of the slots are left for those who dial us")
    func slotsLeft() throws {
        var host = try LoneScheduler(pieces: 100)
        host.open()
        #expect(host.introduce(Array(1...20)).dials.count == 6)
        for late in 21...24 {
            let (connection, effects) = host.knock(late, holding: [])
            #expect(effects.isAccepted(connection))
        }
        let (last, effects) = host.knock(25, holding: [])
        #expect(effects.closing(last) == .noSlot)
    }

    @Test("of a small blob one source is dialled, and two for each missing piece once that is late")
    func fewForSmallBlobs() throws {
        var host = try LoneScheduler(pieces: 1)
        host.open()
        // Peer 3 is who fetches the piece from the origins, so it comes before those that a tracker named before it.
        #expect(host.introduce([1, 2, 3, 4, 5]).dials.keys.sorted() == [LoneScheduler.peer(3)])
        let third = try Unwrap.value(host.log.dials[LoneScheduler.peer(3)])
        let empty = host.handle(.dialSucceeded(third, host.handshake(of: 3, holding: [])))
        #expect(empty.dials.isEmpty)
        // 40 ms, and 10 more for each MiB.
        #expect(host.wait(.milliseconds(49)).dials.isEmpty)
        let late = host.wait(.milliseconds(2))
        #expect(late.dials.keys.sorted() == [1, 2].map(LoneScheduler.peer))
        let first = try Unwrap.value(host.log.dials[LoneScheduler.peer(1)])
        #expect(host.handle(.dialSucceeded(first, host.handshake(of: 1))).dials.isEmpty)
        let second = try Unwrap.value(host.log.dials[LoneScheduler.peer(2)])
        let failed = host.handle(.dialFailed(second, .unreachable))
        #expect(failed.dials.keys.sorted() == [LoneScheduler.peer(4)])
    }

    @Test("of a small blob two sources are dialled once somebody had no slot")
    func refusedForSmallBlobs() throws {
        var host = try LoneScheduler(pieces: 1)
        host.open()
        host.introduce([1, 2, 3, 4, 5])
        let third = try Unwrap.value(host.log.dials[LoneScheduler.peer(3)])
        let refused = host.handle(.dialFailed(third, .refused))
        #expect(refused.dials.keys.sorted() == [1, 2].map(LoneScheduler.peer))
    }

    @Test("an incoming peer with too many neighbours in common is refused")
    func mutual() throws {
        var policy = LoneScheduler.policy
        policy.mutualConnectionsMax = 1
        var host = try LoneScheduler(policy: policy)
        host.open()
        _ = host.knock(1)
        _ = host.knock(2)
        var handshake = host.handshake(of: 3)
        handshake.neighbours = [LoneScheduler.peer(1), LoneScheduler.peer(9)]
        let (third, welcome) = host.knock(handshake)
        #expect(welcome.isAccepted(third))
        handshake = host.handshake(of: 4)
        handshake.neighbours = [LoneScheduler.peer(1), LoneScheduler.peer(2)]
        let (fourth, refusal) = host.knock(handshake)
        #expect(refusal.closing(fourth) == .tooManyNeighboursInCommon)
    }

    @Test("p2p §10.2-17: neither itself nor whom it knows is dialled, and nobody twice")
    func handout() throws {
        var host = try LoneScheduler()
        host.open()
        _ = host.knock(2)
        let effects = host.introduce([100, 1, 2, 1])
        #expect(effects.dials.keys.sorted() == [LoneScheduler.peer(1)])
    }

    @Test("its own id in a handshake is refused")
    func ownID() throws {
        var host = try LoneScheduler()
        host.open()
        let (mirror, effects) = host.knock(100)
        #expect(effects.closing(mirror) == .ownPeerID)
    }

    // MARK: - p2p §10.2-2, simultaneous open

    @Test("p2p §10.2-2: of two hosts that dial each other, the greater id's connection stays")
    func simultaneousOpen() throws {
        var smaller = try LoneScheduler()
        smaller.open()
        let own = try smaller.dial(150)
        let (theirs, effects) = smaller.knock(150)
        #expect(effects.closing(own) == .simultaneousOpen)
        #expect(effects.isAccepted(theirs))
        #expect(smaller.bans.isEmpty)
        var greater = try LoneScheduler()
        greater.open()
        let kept = try greater.dial(50)
        let (refused, refusal) = greater.knock(50)
        #expect(refusal.closing(refused) == .simultaneousOpen)
        greater.handle(.dialSucceeded(kept, greater.handshake(of: 50)))
        #expect(greater.snapshot?.peers.count == 1)
        #expect(greater.bans.isEmpty)
    }

    @Test("p2p §10.2-2: the smaller id's dial may come to light after the other connection is open")
    func lateSimultaneousOpen() throws {
        // Its end is closed already: letting it in would lose both connections.
        var greater = try LoneScheduler()
        greater.open()
        let kept = try greater.connect(to: 50, holding: [])
        let (stale, effects) = greater.knock(50, holding: [])
        #expect(effects.closing(stale) == .simultaneousOpen)
        #expect(greater.snapshot?.peers.count == 1)
        // Long after, it is no coincidence: the peer has lost the first connection.
        greater.wait(.seconds(20))
        let (anew, welcome) = greater.knock(50, holding: [])
        #expect(welcome.closing(kept) == .duplicate)
        #expect(welcome.isAccepted(anew))
    }

    // MARK: - Duplicates

    @Test("a peer that connects anew replaces its idle connection")
    func duplicateIdle() throws {
        var host = try LoneScheduler()
        host.open(isCommitted: true)
        let (old, _) = host.knock(1, holding: [])
        let (new, effects) = host.knock(1, holding: [])
        #expect(effects.closing(old) == .duplicate)
        #expect(effects.isAccepted(new))
        #expect(host.snapshot?.peers.count == 1)
    }

    @Test("a connection on which bytes flow is not replaced")
    func duplicateBusy() throws {
        var host = try LoneScheduler()
        host.open(isCommitted: true)
        let (old, _) = host.knock(1, holding: [])
        host.receive(.pieceRequest(host.span(0)), from: old)
        let (new, effects) = host.knock(1, holding: [])
        #expect(effects.closing(new) == .duplicate)
        #expect(effects.closing(old) == nil)
    }

    @Test("a connection on which bytes should flow and do not is replaced")
    func duplicateDead() throws {
        // The peer died without a word while we sent to it, and is back.
        var host = try LoneScheduler()
        host.open(isCommitted: true)
        let (old, _) = host.knock(1, holding: [])
        host.receive(.pieceRequest(host.span(0)), from: old)
        host.wait(.seconds(5))
        let (new, effects) = host.knock(1, holding: [])
        #expect(effects.closing(old) == .duplicate)
        #expect(effects.isAccepted(new))
    }

    // MARK: - p2p §10.2-3, slots that get free

    enum Mismatch: CaseIterable, Sendable {
        case peerID, infoHash, digest, bitfield, failure, message, closed
    }

    @Test(
        "p2p §10.2-3: a dial that ends in any other way than by a good answer frees its slot",
        arguments: Mismatch.allCases
    )
    func slotsFreed(_ mismatch: Mismatch) throws {
        var host = try LoneScheduler()
        host.open()
        let connection = try host.dial(1)
        var answer = host.handshake(of: 1)
        switch mismatch {
        case .peerID: answer.peerID = LoneScheduler.peer(2)
        case .infoHash: answer.infoHash = try LoneScheduler.metaInfo(pieces: 3).infoHash
        case .digest: answer.digest = try LoneScheduler.metaInfo(pieces: 8, seed: 1).digest
        case .bitfield: answer.bitfieldBytes = Bitfield(pieceCount: 9).wireBytes
        default: break
        }
        switch mismatch {
        case .failure: host.handle(.dialFailed(connection, .misbehaved))
        case .message: host.receive(.complete, from: connection)
        case .closed: host.handle(.closed(connection, reason: "reset"))
        default: host.handle(.dialSucceeded(connection, answer))
        }
        #expect(host.snapshot?.dialCount == 0)
        #expect(host.snapshot?.peers.isEmpty == true)
        #expect(host.bans == [LoneScheduler.peer(1)])
    }

    @Test("p2p §10.2-3: an incoming handshake of another swarm takes no slot")
    func incomingMismatch() throws {
        var host = try LoneScheduler()
        host.open()
        var wrong = host.handshake(of: 1)
        wrong.digest = try LoneScheduler.metaInfo(pieces: 8, seed: 1).digest
        let (connection, effects) = host.knock(wrong)
        #expect(effects.closing(connection) == .wrongInfoHash)
        #expect(host.scheduler.connectionCount == 0)
    }

    @Test("p2p §10.2-10: deleting a blob closes its connections and frees their slots")
    func removal() throws {
        var host = try LoneScheduler()
        host.open()
        let peer = try host.connect(to: 1)
        let dial = try host.dial(2)
        let effects = host.handle(.removed(host.hash))
        #expect(effects.closing(peer) == .swarmForgotten)
        #expect(effects.closing(dial) == .swarmForgotten)
        #expect(host.scheduler.connectionCount == 0)
        host.open()
        #expect(host.introduce([1]).dials.count == 1)
    }

    // MARK: - Look-ups

    @Test("a handshake for a blob that is not in memory waits for the host to find it")
    func lookUp() throws {
        var host = try LoneScheduler(role: .origin)
        let (known, effects) = host.knock(1, holding: [])
        #expect(effects == [.lookUp(known, host.handshake(of: 1, holding: []))])
        #expect(host.open(isCommitted: true).isAccepted(known))
        var other = host.handshake(of: 2)
        other.infoHash = try LoneScheduler.metaInfo(pieces: 3).infoHash
        let (unknown, _) = host.knock(other)
        #expect(host.handle(.swarmUnavailable(unknown)).closing(unknown) == .unknownSwarm)
    }

    @Test("handshakes that wait for the host are limited")
    func lookUpsMax() throws {
        var limits = Limits()
        limits.handshakesPendingMax = 2
        var host = try LoneScheduler(role: .origin, limits: limits)
        _ = host.knock(1, holding: [])
        _ = host.knock(2, holding: [])
        let (third, effects) = host.knock(3, holding: [])
        #expect(effects.closing(third) == .noSlot)
    }

    @Test("a handshake whose swarm finds no room is refused, not left waiting")
    func crowdedOut() throws {
        var limits = Limits()
        limits.swarmsMax = 1
        var host = try LoneScheduler(limits: limits)
        let other = try LoneScheduler.metaInfo(pieces: 3)
        host.handle(
            .opened(
                SwarmDescription(
                    metaInfo: other,
                    namespace: "ns",
                    held: Bitfield(pieceCount: 3),
                    isCommitted: false,
                    isLocalRequest: true
                )
            )
        )
        let (connection, _) = host.knock(1, holding: [])
        let effects = host.open(isCommitted: true)
        #expect(effects.forgetReasons == [.crowdedOut])
        #expect(effects.closing(connection) == .noSlot)
    }

    @Test("the longest idle seeding swarm makes room for a new one")
    func makesRoom() throws {
        var limits = Limits()
        limits.swarmsMax = 1
        var host = try LoneScheduler(limits: limits)
        host.open(isCommitted: true)
        let other = try LoneScheduler.metaInfo(pieces: 3)
        let effects = host.handle(
            .opened(
                SwarmDescription(
                    metaInfo: other,
                    namespace: "ns",
                    held: Bitfield(pieceCount: 3),
                    isCommitted: false,
                    isLocalRequest: true
                )
            )
        )
        #expect(effects.contains(.forgotten(host.hash, .crowdedOut)))
        #expect(host.scheduler.infoHashes == [other.infoHash])
    }

    // MARK: - COMPLETE

    @Test("a host that completes tells who lacks something, and lets go of who does not")
    func completion() throws {
        var host = try LoneScheduler(pieces: 1)
        host.open()
        let seeder = try host.connect(to: 1)
        let (leecher, _) = host.knock(2, holding: [])
        host.deliver(0, from: seeder)
        let effects = host.handle(.committed(host.hash))
        #expect(effects.closing(seeder) == .bothComplete)
        #expect(effects.contains(.send(leecher, .complete)))
        #expect(effects.closing(leecher) == nil)
    }

    @Test("COMPLETE fills a peer's pieces, and ends the connection when we are complete, too")
    func completeMessage() throws {
        var host = try LoneScheduler(pieces: 2)
        host.open()
        let peer = try host.connect(to: 1, holding: [])
        #expect(host.receive(.complete, from: peer).requests(to: peer) == [0, 1])
        var seeder = try LoneScheduler(pieces: 2)
        seeder.open(isCommitted: true)
        let (other, _) = seeder.knock(1, holding: [])
        #expect(seeder.receive(.complete, from: other).closing(other) == .bothComplete)
    }

    @Test("two complete hosts have nothing to do with each other")
    func bothComplete() throws {
        var host = try LoneScheduler(pieces: 2)
        host.open(isCommitted: true)
        let (peer, effects) = host.knock(1)
        #expect(effects.closing(peer) == .bothComplete)
        let (other, _) = host.knock(2, holding: [0])
        #expect(host.receive(.announcePiece(1), from: other).closing(other) == .bothComplete)
    }

    @Test("dials under way are given up when the blob is complete")
    func dialsAtCompletion() throws {
        var host = try LoneScheduler(pieces: 1)
        host.open()
        let seeder = try host.connect(to: 1)
        host.wait(.milliseconds(50))
        let dial = try host.dial(2)
        host.deliver(0, from: seeder)
        #expect(host.handle(.committed(host.hash)).closing(dial) == .bothComplete)
        #expect(host.snapshot?.dialCount == 0)
    }

    @Test("a piece that came is announced to those who lack it, and to nobody else")
    func announcesPieces() throws {
        // p2p §10.1-2.
        var host = try LoneScheduler(pieces: 4)
        host.open()
        let seeder = try host.connect(to: 1)
        let (leecher, _) = host.knock(2, holding: [])
        let effects = host.deliver(0, from: seeder)
        #expect(effects.contains(.send(leecher, .announcePiece(0))))
        #expect(!effects.contains(.send(seeder, .announcePiece(0))))
    }
}
