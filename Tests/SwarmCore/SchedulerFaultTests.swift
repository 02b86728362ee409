// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore
import Testing

/// Peers that cannot or will not serve, and what becomes of them.
@Suite("A scheduler among faulty peers") struct SchedulerFaultTests {
    private func failed(_ piece: Int) -> PeerMessage {
        .error(index: Int32(piece), code: PeerMessage.pieceRequestFailed, text: "no")
    }

    @Test("p2p §10.2-5: after an ERROR another peer is asked at once")
    func errorElsewhere() throws {
        var host = try LoneScheduler(pieces: 1)
        host.open()
        let first = try host.connect(to: 1)
        host.wait(.milliseconds(50))
        let second = try host.connect(to: 2)
        #expect(host.log.requests(to: first) == [0])
        let effects = host.receive(failed(0), from: first)
        #expect(effects.requests(to: second) == [0])
    }

    @Test("p2p §10.2-5: after an ERROR the only seeder is asked again, ever later")
    func errorOnlySeeder() throws {
        // Its bit used to be cleared for good: the download stood still until it timed out.
        var host = try LoneScheduler(pieces: 1)
        host.open()
        let only = try host.connect(to: 1)
        var tries = [host.now]
        for _ in 0..<4 {
            #expect(host.receive(failed(0), from: only).requests.isEmpty)
            var effects: [SwarmScheduler.Effect] = []
            while effects.requests(to: only).isEmpty, tries[0].duration(to: host.now) < .minutes(1)
            {
                effects = host.wait(.milliseconds(500))
            }
            tries.append(host.now)
        }
        let waits = zip(tries, tries.dropFirst()).map { $0.duration(to: $1) }
        #expect(waits == [.seconds(1), .seconds(2), .seconds(4), .seconds(8)])
        #expect(host.deliver(0, from: only).commits == 1)
    }

    @Test(
        "a peer that fails at everything is left alone for a while, not asked for piece after piece"
    )
    func errorsOnly() throws {
        var host = try LoneScheduler(pieces: 64)
        host.open()
        let useless = try host.connect(to: 1)
        var asked = 0
        for _ in 0..<20 {
            let pieces = host.snapshot?.peers.first?.requestedPieces ?? []
            asked += pieces.count
            for piece in pieces { host.receive(failed(piece.value), from: useless) }
        }
        #expect(asked < 10)
        host.wait(.seconds(17))
        #expect(host.snapshot?.peers.first?.requestedPieces.isEmpty == false)
    }

    @Test("a piece announced after an ERROR is asked for at once")
    func errorThenAnnounce() throws {
        var host = try LoneScheduler(pieces: 2)
        host.open()
        let peer = try host.connect(to: 1)
        host.receive(failed(0), from: peer)
        #expect(host.receive(.announcePiece(0), from: peer).requests(to: peer) == [0])
    }

    @Test("a payload that can't be sent is answered by an ERROR, one that was cancelled is not")
    func sendFailed() throws {
        var host = try LoneScheduler()
        host.open(isCommitted: true)
        let (peer, _) = host.knock(1, holding: [])
        let served = host.receive(.pieceRequest(host.span(3)), from: peer)
        #expect(served.sends(3, to: peer))
        let failure = host.handle(.sendFailed(peer, PieceIndex(3)))
        #expect(failure.errors(to: peer) == [3])
        host.receive(.pieceRequest(host.span(4)), from: peer)
        let cancel = host.receive(.cancelPiece(4), from: peer)
        #expect(cancel.contains(.cancelSend(peer, PieceIndex(4))))
        #expect(host.handle(.sendFailed(peer, PieceIndex(4))).errors(to: peer).isEmpty)
        // Cancelled too late, wanted again: the send under way is the answer.
        host.receive(.pieceRequest(host.span(5)), from: peer)
        host.receive(.cancelPiece(5), from: peer)
        #expect(!host.receive(.pieceRequest(host.span(5)), from: peer).sends(5, to: peer))
        host.handle(.pieceSent(peer, PieceIndex(5), bytes: 1 << 20))
        #expect(host.snapshot?.peers.first?.sendingPieces == [])
    }

    @Test("what comes corrupt is fetched elsewhere, and who sent it is neither dialled nor let in")
    func badPiece() throws {
        var host = try LoneScheduler(pieces: 1)
        host.open()
        let liar = try host.connect(to: 1)
        host.wait(.milliseconds(50))
        let honest = try host.connect(to: 2)
        host.begin(0, from: liar)
        let effects = host.handle(.pieceRejected(host.hash, PieceIndex(0), liar, .checksum))
        #expect(effects.closing(liar) == .badPiece)
        #expect(effects.requests(to: honest) == [0])
        #expect(host.snapshot?.held.heldCount == 0)
        #expect(host.introduce([1, 2]).dials.isEmpty)
        let (again, knock) = host.knock(1)
        #expect(knock.closing(again) == .banned)
        host.wait(.seconds(31))
        #expect(!host.bans.contains(LoneScheduler.peer(1)))
    }

    enum Loss: CaseIterable, Sendable { case violation, tooManyRequests, badPiece, closed }

    @Test(
        "whatever ends a connection, what its peer owed is asked of others at once",
        arguments: Loss.allCases
    )
    func losses(_ loss: Loss) throws {
        // Nothing else might happen that makes anybody look: the download would wait for its peers to be idle.
        var limits = Limits()
        limits.requestsFromPeerMax = 1
        var policy = LoneScheduler.policy
        policy.reroutes = false
        var host = try LoneScheduler(policy: policy, limits: limits)
        host.open(holding: [4, 5, 6, 7])
        let other = try host.connect(to: 1, holding: [])
        let lost = try host.connect(to: 2, holding: [0, 1, 2])
        #expect(host.log.requests(to: lost) == [0, 1, 2])
        for piece in 0..<3 { host.receive(.announcePiece(Int32(piece)), from: other) }
        #expect(host.log.requests(to: other) == [])
        let effects: [SwarmScheduler.Effect]
        switch loss {
        case .violation: effects = host.begin(7, from: lost)
        case .tooManyRequests:
            host.receive(.pieceRequest(host.span(4)), from: lost)
            effects = host.receive(.pieceRequest(host.span(5)), from: lost)
        case .badPiece:
            host.begin(0, from: lost)
            effects = host.handle(.pieceRejected(host.hash, PieceIndex(0), lost, .checksum))
        case .closed: effects = host.handle(.closed(lost, reason: "reset"))
        }
        #expect(effects.requests(to: other).sorted() == [0, 1, 2])
    }

    @Test("bans grow with each bad piece, whatever good pieces come between")
    func offencesStay() throws {
        // Forgiven with the next good piece, a liar would pay 30 s for each bad one for ever.
        var host = try LoneScheduler(pieces: 20)
        host.open()
        var bans: [Duration] = []
        for round in 0..<3 {
            let liar = try host.connect(to: 1)
            let asked = host.snapshot?.peers.first?.requestedPieces.map(\.value) ?? []
            #expect(asked.count >= 2)
            host.deliver(asked[0], from: liar)
            host.begin(asked[1], from: liar)
            host.handle(.pieceRejected(host.hash, PieceIndex(asked[1]), liar, .checksum))
            bans.append(try #require(host.snapshot?.bans.first?.remaining))
            if round < 2 { host.wait(bans[round] + .seconds(1)) }
        }
        #expect(bans == [.seconds(30), .seconds(60), .seconds(120)])
    }

    @Test("failures to connect are forgotten with the first good piece")
    func strikesForgiven() throws {
        var host = try LoneScheduler(pieces: 20)
        host.open()
        for _ in 0..<2 {
            host.handle(.dialFailed(try host.dial(1), .unreachable))
            host.wait(.seconds(61))
        }
        let peer = try host.connect(to: 1)
        host.deliver(0, from: peer)
        host.handle(.closed(peer, reason: "reset"))
        host.wait(.seconds(2))
        host.handle(.dialFailed(try host.dial(1), .unreachable))
        #expect(host.snapshot?.bans.first?.remaining == .seconds(30))
    }

    @Test("whoever uses another's id can't get it banned")
    func forgedID() throws {
        var host = try LoneScheduler()
        host.open()
        var forged = host.handshake(of: 1)
        forged.bitfieldBytes = [1, 2, 3]
        let (first, effects) = host.knock(forged)
        #expect(effects.closing(first) == .malformedBitfield)
        let (second, _) = host.knock(1)
        let violation = host.receive(.piecePayload(host.span(7)), from: second)
        #expect(violation.closing(second) != nil)
        #expect(host.introduce([1]).dials[LoneScheduler.peer(1)] != nil)
    }

    @Test(
        "a bad piece over an incoming connection keeps that id from coming in, not from being dialled"
    )
    func forgedIDBadPiece() throws {
        var host = try LoneScheduler()
        host.open()
        let (liar, _) = host.knock(1)
        host.begin(0, from: liar)
        let effects = host.handle(.pieceRejected(host.hash, PieceIndex(0), liar, .checksum))
        #expect(effects.closing(liar) == .badPiece)
        let (again, knock) = host.knock(1)
        #expect(knock.closing(again) == .banned)
        #expect(host.introduce([1]).dials[LoneScheduler.peer(1)] != nil)
    }

    @Test(
        "p2p §10.2-6: a refusal for want of a slot costs 0.2 to 0.4 s, a failure 30 s"
    )
    func refusals() throws {
        var host = try LoneScheduler()
        host.open()
        host.handle(.dialFailed(try host.dial(1), .refused))
        #expect(host.wait(.milliseconds(199)).dials.isEmpty)
        let again = host.wait(.milliseconds(202)).dials
        let connection = try #require(again[LoneScheduler.peer(1)])
        host.handle(.dialFailed(connection, .unreachable))
        #expect(host.wait(.seconds(29)).dials.isEmpty)
        #expect(host.wait(.seconds(2)).dials[LoneScheduler.peer(1)] != nil)
    }

    @Test("p2p §10.2-6: a peer whose connection merely ended is dialled again within a second")
    func normalClose() throws {
        var host = try LoneScheduler()
        host.open()
        let peer = try host.connect(to: 1)
        host.handle(.closed(peer, reason: "end of stream"))
        #expect(host.wait(.milliseconds(1001)).dials[LoneScheduler.peer(1)] != nil)
    }
}
