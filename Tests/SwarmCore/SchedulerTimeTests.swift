// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore
import Testing

/// Who is let go when nothing happens.
@Suite("A scheduler as time passes") struct SchedulerTimeTests {
    @Test("a connection without a piece for 30 s is closed at the next look")
    func idle() throws {
        var host = try LoneScheduler()
        host.open(isCommitted: true)
        let (peer, _) = host.knock(1, holding: [])
        #expect(host.wait(.seconds(29)).closing(peer) == nil)
        #expect(host.wait(.seconds(31)).closing(peer) == .idle)
    }

    @Test("what an idle peer owes is asked of others when it goes")
    func idleDebtor() throws {
        var policy = LoneScheduler.policy
        (policy.requestTimeoutMin, policy.connectionIdleMax) = (.seconds(100), .seconds(60))
        var host = try LoneScheduler(policy: policy)
        host.open(holding: [4, 5, 6, 7])
        let idle = try host.connect(to: 1, holding: [0, 1, 2])
        host.wait(.seconds(190))
        #expect(host.log.closing(idle) == nil)
        // Late once, it owes one piece at a time.
        let other = try host.connect(to: 2, holding: [0, 1, 2])
        #expect(host.log.requests(to: other) == [1, 2])
        let effects = host.wait(.seconds(25))
        #expect(effects.closing(idle) == .idle)
        #expect(effects.requests(to: other) == [0])
    }

    @Test("pieces either way keep a connection")
    func notIdle() throws {
        var host = try LoneScheduler()
        host.open(isCommitted: true)
        let (peer, _) = host.knock(1, holding: [])
        for piece in 0..<6 {
            host.receive(.pieceRequest(host.span(piece)), from: peer)
            #expect(host.wait(.seconds(10)).closing(peer) == nil)
            host.handle(.pieceSent(peer, PieceIndex(piece), bytes: 1 << 20))
            #expect(host.wait(.seconds(15)).closing(peer) == nil)
        }
    }

    @Test("a peer that takes nothing of what it asked for loses its slot")
    func deadReceiver() throws {
        // It died without a word while we sent: its socket swallows nothing, and reports nothing for a quarter of an hour.
        var host = try LoneScheduler()
        host.open(isCommitted: true)
        let (peer, _) = host.knock(1, holding: [])
        host.receive(.pieceRequest(host.span(0)), from: peer)
        host.receive(.pieceRequest(host.span(1)), from: peer)
        // The first second of it, still.
        host.handle(.pieceSent(peer, PieceIndex(0), bytes: 1 << 20))
        #expect(host.wait(.seconds(16)).closing(peer) == nil)
        #expect(host.wait(.seconds(60)).closing(peer) == .idle)
        #expect(host.snapshot?.peers.isEmpty == true)
    }

    @Test("a connection is closed after an hour, unless bytes flow on it")
    func aged() throws {
        var host = try LoneScheduler(pieces: 2000)
        host.open(isCommitted: true)
        let (peer, _) = host.knock(1, holding: [])
        var ended: CloseReason?
        var piece = 0
        while ended == nil, host.now < .origin.advanced(by: .hours(2)) {
            host.receive(.pieceRequest(host.span(piece)), from: peer)
            host.handle(.pieceSent(peer, PieceIndex(piece), bytes: 1 << 20))
            piece += 1
            ended = host.wait(.seconds(10)).closing(peer)
        }
        #expect(ended == .aged)
        #expect(host.now >= .origin.advanced(by: .hours(1)))
        #expect(host.now <= .origin.advanced(by: .minutes(61)))
    }

    @Test("p2p §10.2-9: a leecher that gains nothing for 5 min gives up, and keeps what it has")
    func leecherTimeout() throws {
        var host = try LoneScheduler()
        host.open()
        host.wait(.minutes(2))
        let peer = try host.connect(to: 1)
        host.deliver(0, from: peer)
        host.handle(.closed(peer, reason: "reset"))
        host.introduce([])
        #expect(host.wait(.minutes(4)).forgetReasons == [])
        #expect(host.wait(.minutes(2)).forgetReasons == [.leecherTimedOut])
        // It may be asked for again, with what is on disk.
        host.open(holding: [0])
        #expect(host.snapshot?.held.heldCount == 1)
    }

    @Test("p2p §10.2-1: a seeder leaves memory 5 min after its last use, not after its birth")
    func seederTimeout() throws {
        var host = try LoneScheduler()
        host.open(isCommitted: true)
        for _ in 0..<4 {
            #expect(host.wait(.minutes(4)).forgetReasons == [])
            host.handle(.readLocally(host.hash))
        }
        #expect(host.wait(.minutes(6)).forgetReasons == [.idleSeeder])
    }

    @Test("p2p §10.2-1: a seeder that sends stays in memory, and so do its connections")
    func seederSending() throws {
        var host = try LoneScheduler(pieces: 100)
        host.open(isCommitted: true)
        let (peer, _) = host.knock(1, holding: [])
        for piece in 0..<40 {
            host.receive(.pieceRequest(host.span(piece)), from: peer)
            let effects = host.wait(.seconds(14))
            #expect(effects.forgetReasons == [])
            #expect(effects.closing(peer) == nil)
            host.handle(.pieceSent(peer, PieceIndex(piece), bytes: 1 << 20))
        }
        host.handle(.closed(peer, reason: "reset"))
        #expect(host.wait(.minutes(6)).forgetReasons == [.idleSeeder])
    }

    @Test("p2p §10.2-1: a peer that takes nothing does not keep a seeder in memory")
    func seederStuck() throws {
        var host = try LoneScheduler(pieces: 100)
        host.open(isCommitted: true)
        let (peer, _) = host.knock(1, holding: [])
        host.receive(.pieceRequest(host.span(0)), from: peer)
        #expect(host.wait(.minutes(6)).forgetReasons == [.idleSeeder])
    }

    @Test("a full seeder gives the slot of its idlest peer to a newcomer")
    func idleMakesRoom() throws {
        // Ten agents that want nothing for the moment would lock everybody else out for 30 s.
        var policy = LoneScheduler.policy
        policy.connectionsMax = 2
        var host = try LoneScheduler(role: .origin, policy: policy)
        host.open(isCommitted: true)
        let (first, _) = host.knock(1, holding: [])
        let (second, _) = host.knock(2, holding: [])
        host.wait(.seconds(1))
        let (early, refusal) = host.knock(3, holding: [])
        #expect(refusal.closing(early) == .noSlot)
        host.wait(.seconds(4))
        host.receive(.pieceRequest(host.span(0)), from: first)
        let (late, welcome) = host.knock(3, holding: [])
        #expect(welcome.isAccepted(late))
        #expect(welcome.closing(second) == .idle)
        #expect(welcome.closing(first) == nil)
    }

    @Test("an idle host is woken seldom")
    func idleCost() throws {
        var host = try LoneScheduler()
        host.open(isCommitted: true)
        _ = host.knock(1, holding: [])
        host.wait(.minutes(30))
        #expect(host.wakeUps < 20)
        #expect(host.scheduler.nextDeadline == nil)
    }
}
