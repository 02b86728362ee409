// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore
import Testing

/// Messages that no honest peer sends; none may trap, and none may cost more than its connection.
@Suite("A scheduler among hostile peers") struct SchedulerHostileTests {
    /// A leecher of 8 pieces that holds 0 and 1, with a peer that holds 6 and 7 and owes them.
    private func scene() throws -> (host: LoneScheduler, peer: ConnectionID) {
        var host = try LoneScheduler()
        host.open(holding: [0, 1])
        let peer = try host.connect(to: 1, holding: [6, 7])
        return (host, peer)
    }

    @Test(
        "p2p §10.2-4: a request for anything but a whole piece is answered by an ERROR",
        arguments: [
            PieceSpan(index: -1, length: 0), PieceSpan(index: .min, length: 1),
            PieceSpan(index: .max, length: 1 << 20), PieceSpan(index: 8, length: 0),
            PieceSpan(index: 0, length: 5), PieceSpan(index: 0, length: -1),
            PieceSpan(index: 0, offset: 1, length: 1 << 20),
            PieceSpan(index: 0, offset: -1, length: 1 << 20),
            PieceSpan(index: 0, offset: .max, length: .max), PieceSpan(index: 3, length: 1 << 20),
        ]
    )
    func badRequests(_ span: PieceSpan) throws {
        var (host, peer) = try scene()
        let effects = host.receive(.pieceRequest(span), from: peer)
        // A Go peer trusts the index it gets back.
        #expect(effects.errors(to: peer).allSatisfy { 0..<8 ~= $0 })
        #expect(effects.errors(to: peer).count == 1)
        #expect(effects.closing(peer) == nil)
    }

    @Test(
        "p2p §10.2-4: a payload that is no whole piece costs the connection before a byte is read",
        arguments: [
            PieceSpan(index: -1, length: 0), PieceSpan(index: 6, length: .max),
            PieceSpan(index: 6, length: -1), PieceSpan(index: 6, offset: 1, length: 1 << 20),
            PieceSpan(index: .max, length: 1 << 20), PieceSpan(index: 6, length: 0),
        ]
    )
    func badPayloads(_ span: PieceSpan) throws {
        var (host, peer) = try scene()
        let effects = host.receive(.piecePayload(span), from: peer)
        #expect(effects.closing(peer) != nil)
        #expect(host.snapshot?.peers.isEmpty == true)
    }

    @Test("p2p §10.2-4: a payload that nobody asked for costs the connection")
    func unasked() throws {
        for piece in [0, 3] {
            var (host, peer) = try scene()
            let effects = host.begin(piece, from: peer)
            #expect(effects.closing(peer) != nil)
            #expect(!effects.receives(piece, from: peer))
        }
    }

    @Test("p2p §10.2-4: indexes outside the blob are ignored", arguments: [-1, 8, Int32.min, .max])
    func badIndexes(_ index: Int32) throws {
        var (host, peer) = try scene()
        let messages: [PeerMessage] = [
            .announcePiece(index), .cancelPiece(index),
            .error(index: index, code: PeerMessage.pieceRequestFailed, text: ""),
            .error(index: 6, code: 99, text: ""), .unknown(type: index),
        ]
        let before = host.snapshot
        for message in messages { #expect(host.receive(message, from: peer) == []) }
        #expect(host.snapshot == before)
    }

    @Test("a second handshake is ignored")
    func secondHandshake() throws {
        var (host, peer) = try scene()
        #expect(host.receive(.bitfield(host.handshake(of: 9)), from: peer) == [])
    }

    @Test("messages of connections that never shook hands are answered by closing")
    func beforeHandshake() throws {
        var (host, _) = try scene()
        let stranger = ConnectionID(998)
        for message in [PeerMessage.complete, .announcePiece(0), .piecePayload(host.span(6))] {
            #expect(host.receive(message, from: stranger).closing(stranger) != nil)
        }
        #expect(host.snapshot?.peers.count == 1)
    }

    @Test("an ERROR for a piece that was not asked for changes nothing")
    func strayError() throws {
        var (host, peer) = try scene()
        let before = host.snapshot
        let message = PeerMessage.error(
            index: 2,
            code: PeerMessage.pieceRequestFailed,
            text: ""
        )
        #expect(host.receive(message, from: peer) == [])
        #expect(host.snapshot == before)
    }

    @Test("p2p §10.2-7: repeated announces count once")
    func repeatedAnnounces() throws {
        var (host, peer) = try scene()
        for _ in 0..<5 { host.receive(.announcePiece(2), from: peer) }
        host.receive(.complete, from: peer)
        for _ in 0..<5 { host.receive(.complete, from: peer) }
        // A count out of step would trap here.
        host.handle(.closed(peer, reason: "reset"))
        #expect(host.snapshot?.peers.isEmpty == true)
    }

    @Test("a peer that asks for more than it may is closed; the same piece twice is one request")
    func tooManyRequests() throws {
        var limits = Limits()
        limits.requestsFromPeerMax = 5
        var host = try LoneScheduler(limits: limits)
        host.open(isCommitted: true)
        let (peer, _) = host.knock(1, holding: [])
        for _ in 0..<10 { host.receive(.pieceRequest(host.span(0)), from: peer) }
        for piece in 1..<5 {
            #expect(host.receive(.pieceRequest(host.span(piece)), from: peer).closing(peer) == nil)
        }
        let effects = host.receive(.pieceRequest(host.span(5)), from: peer)
        #expect(effects.closing(peer) == .tooManyRequests)
    }

    @Test("answers to what was never asked of the host are ignored")
    func strayAnswers() throws {
        var (host, peer) = try scene()
        let before = host.snapshot
        let (nobody, piece) = (ConnectionID(999), PieceIndex(5))
        let other = try LoneScheduler.metaInfo(pieces: 3).infoHash
        let events: [SwarmScheduler.Event] = [
            .pieceRejected(host.hash, piece, nobody, .checksum),
            .pieceSent(nobody, piece, bytes: 1),
            .sendFailed(nobody, piece), .closed(nobody, reason: ""), .committed(host.hash),
            .commitFailed(host.hash, .digestMismatch), .dialFailed(nobody, .refused),
            .dialSucceeded(nobody, host.handshake(of: 5)), .swarmUnavailable(nobody),
            .removed(other), .committed(other), .announceFailed(other),
            .announceAnswered(other, [], interval: .zero), .readersMoved(other, [0..<1]),
            .sendFailed(peer, piece),
        ]
        for event in events { host.handle(event) }
        #expect(host.snapshot?.peers == before?.peers)
        #expect(host.snapshot?.held == before?.held)
    }

    @Test("any sequence of messages leaves the books in order", arguments: 1...30)
    func fuzz(_ seed: Int) throws {
        print("fuzz seed \(seed)")
        var generator = Generator(seed: UInt64(seed))
        var host = try LoneScheduler(pieces: 1 + generator.below(12))
        host.open()
        var connections: [ConnectionID] = []
        for _ in 0..<400 {
            if connections.isEmpty || generator.chance(Ratio(1, in: 12)) {
                let held = (0..<host.count).filter { _ in generator.chance(Ratio(1, in: 2)) }
                connections.append(host.knock(1 + generator.below(20), holding: held).connection)
            }
            let peer = connections[generator.below(connections.count)]
            let index = generator.below(host.count + 2) - 1
            let piece = PieceIndex(index)
            switch generator.below(14) {
            case 0: host.receive(.pieceRequest(host.span(index)), from: peer)
            case 1, 2: host.begin(index, from: peer)
            case 3: host.receive(.announcePiece(Int32(index)), from: peer)
            case 4: host.receive(.cancelPiece(Int32(index)), from: peer)
            case 5: host.receive(.error(index: Int32(index), code: 0, text: ""), from: peer)
            case 6: host.receive(.complete, from: peer)
            case 7: host.handle(.closed(peer, reason: ""))
            case 8, 9, 10: settleArrivals(&host, &generator)
            case 11: host.handle(.pieceSent(peer, piece, bytes: 1))
            case 12: host.handle(.sendFailed(peer, piece))
            default: host.wait(.milliseconds(generator.below(3000)))
            }
        }
        #expect(host.scheduler.connectionCount <= 10)
    }

    /// Ends some payload that is arriving, as a driver would: only what the scheduler wanted received.
    private func settleArrivals(_ host: inout LoneScheduler, _ generator: inout Generator) {
        guard let (connection, piece) = host.arrivals.first else { return }
        switch generator.below(4) {
        case 0: host.handle(.pieceRejected(host.hash, piece, connection, .checksum))
        case 1: host.handle(.pieceRejected(host.hash, piece, connection, .disk))
        default: host.handle(.pieceStored(host.hash, piece, connection))
        }
    }
}
