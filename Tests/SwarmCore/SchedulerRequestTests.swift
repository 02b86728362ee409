// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore
import Testing

/// Asking, waiting, giving up, asking again.
@Suite("Piece requests of a scheduler") struct SchedulerRequestTests {
    @Test(
        "a peer has 4 s a MiB to answer, 4 s at least; 16 s for Kraken's 4 MiB",
        arguments: [
            [1, 4], [512, 4], [1024, 4], [1280, 5], [2048, 8], [4096, 16], [65536, 256],
        ]
    )
    func timeout(_ kibibytesAndSeconds: [Int]) throws {
        let bytes = kibibytesAndSeconds[0] << 10
        let layout = try #require(PieceLayout(blobBytes: 10 * bytes, pieceBytes: bytes))
        let timeout = SwarmPolicy().requestTimeout(for: layout)
        #expect(timeout == .seconds(kibibytesAndSeconds[1]))
    }

    @Test("the more peers there are, the fewer pieces each is asked for at a time, down to one")
    func spread() throws {
        for (peerCount, each) in [(1, 3), (2, 3), (3, 2), (4, 2), (5, 1), (9, 1)] {
            var host = try LoneScheduler(pieces: 100)
            host.open()
            for peer in 1..<peerCount { _ = host.knock(peer, holding: []) }
            let (rich, _) = host.knock(50)
            #expect(host.log.requests(to: rich).count == each, "\(peerCount) peers")
        }
    }

    @Test("an agent is asked for three pieces at a time, an origin for five")
    func pipelines() throws {
        var policy = LoneScheduler.policy
        policy.sparesOrigins = false
        var host = try LoneScheduler(pieces: 20, policy: policy)
        host.open()
        let agent = try host.connect(to: 1)
        let origin = try host.connect(to: 2, isOrigin: true)
        #expect(host.log.requests(to: agent) == [0, 1, 2])
        #expect(host.log.requests(to: origin) == [3, 4, 5, 6, 7])
    }

    @Test("a request that expires is asked of another peer, and taken back from the first")
    func expiry() throws {
        // §10.3: a request that is not taken back is transferred twice.
        var (host, slow, other) = try expiring(endgame: false)
        #expect(host.log.requests(to: slow) == [0])
        #expect(host.wait(.milliseconds(3900)).requests.isEmpty)
        let effects = host.wait(.milliseconds(200))
        #expect(effects.requests(to: other) == [0])
        #expect(effects.cancels(to: slow) == [0])
        #expect(effects.closing(slow) == nil)
    }

    /// Peer 1 owes piece 0 since now; peer 2 holds it too, and has nothing else to give.
    private func expiring(
        endgame: Bool
    ) throws -> (host: LoneScheduler, slow: ConnectionID, other: ConnectionID) {
        var policy = LoneScheduler.policy
        policy.isEndgameDisabled = !endgame
        var host = try LoneScheduler(pieces: 6, policy: policy)
        host.open()
        let slow = try host.connect(to: 1, holding: [0])
        let other = try host.connect(to: 2)
        for piece in 1..<6 { host.deliver(piece, from: other) }
        return (host, slow, other)
    }

    @Test("p2p §10.2-5: a request that expires is asked of the same peer again if nobody else can")
    func expirySameSource() throws {
        var host = try LoneScheduler(pieces: 1)
        host.open()
        let only = try host.connect(to: 1)
        #expect(host.log.requests(to: only) == [0])
        let effects = host.wait(.seconds(5))
        #expect(effects.requests(to: only) == [0])
        // Its place in the peer's queue is kept: a peer with a queue longer than the time-out would never serve us.
        #expect(effects.cancels(to: only).isEmpty)
    }

    @Test(
        "on a slow link peers get the time that it takes, in swarms old and new, until it is fast again"
    )
    func pace() throws {
        // 8 pieces of 1 MiB at 1 MiB/s, twice.
        for isOld in [true, false] {
            var host = try LoneScheduler(pieces: 1)
            if isOld { host.open() }
            host.handle(.paced(ByteRate(bytesPerSecond: 1 << 20)))
            if !isOld { host.open() }
            let only = try host.connect(to: 1)
            #expect(host.wait(.milliseconds(15_900)).requests(to: only).isEmpty)
            #expect(host.wait(.milliseconds(200)).requests(to: only) == [0])
            host.handle(.paced(nil))
            #expect(host.wait(.milliseconds(3800)).requests(to: only).isEmpty)
            #expect(host.wait(.milliseconds(200)).requests(to: only) == [0])
        }
    }

    @Test("a peer that was asked twice for a piece may answer twice")
    func answersTwice() throws {
        // A Kraken peer puts the second request behind the first; that is no reason to ban it.
        var host = try LoneScheduler(pieces: 8)
        host.open()
        let only = try host.connect(to: 1)
        host.wait(.seconds(5))
        #expect(host.log.requests(to: only).count { $0 == 0 } == 2)
        let first = host.deliver(0, from: only)
        #expect(first.receives(0, from: only))
        let second = host.begin(0, from: only)
        #expect(second.discards(0, from: only))
        let third = host.begin(0, from: only)
        #expect(third.closing(only) != nil)
    }

    @Test("an ERROR is the answer to a late request, too: no payload may follow it")
    func lateError() throws {
        var (host, slow, _) = try expiring(endgame: false)
        host.wait(.seconds(5))
        let error = PeerMessage.error(index: 0, code: PeerMessage.pieceRequestFailed, text: "")
        host.receive(error, from: slow)
        #expect(host.begin(0, from: slow).closing(slow) != nil)
    }

    @Test("a late answer counts, and whoever was asked meanwhile is told to stop")
    func lateAnswer() throws {
        var (host, slow, other) = try expiring(endgame: false)
        host.wait(.seconds(5))
        let late = host.begin(0, from: slow)
        #expect(late.receives(0, from: slow))
        let effects = host.handle(.pieceStored(host.hash, PieceIndex(0), slow))
        #expect(effects.cancels(to: other) == [0])
        #expect(effects.commits == 1)
    }

    @Test("p2p §10.3: a late request is taken back when the piece came from elsewhere")
    func lateCancelled() throws {
        var host = try LoneScheduler(pieces: 6)
        host.open()
        let slow = try host.connect(to: 1, holding: [0])
        let effects = host.wait(.seconds(5))
        #expect(effects.cancels(to: slow).isEmpty)
        // It is late, and asked for anew; the answer to one request leaves the other.
        let other = try host.connect(to: 2, holding: [0])
        let more = host.wait(.seconds(4))
        #expect(more.requests(to: other) == [0])
        #expect(more.cancels(to: slow) == [0])
        let arrival = host.deliver(0, from: other)
        #expect(arrival.cancels(to: slow).isEmpty)
    }

    @Test("a slow peer that answers keeps its connection, whatever expires meanwhile")
    func slowIsNotSilent() throws {
        var host = try LoneScheduler(pieces: 40)
        host.open()
        let slow = try host.connect(to: 1)
        for _ in 0..<20 {
            let asked = host.snapshot?.peers.first?.requestedPieces ?? []
            host.wait(.milliseconds(3900))
            let piece = try #require(asked.first).value
            host.deliver(piece, from: slow)
        }
        #expect(host.log.closing(slow) == nil)
        #expect(host.snapshot?.held.heldCount == 20)
    }

    @Test("three requests that expire together are one silence; three silences end the connection")
    func rounds() throws {
        // Counted by request, the first time-out would ban the only origin.
        var host = try LoneScheduler(pieces: 12)
        host.open()
        let silent = try host.connect(to: 1)
        #expect(host.log.requests(to: silent).count == 3)
        let first = host.wait(.milliseconds(4100))
        #expect(first.closing(silent) == nil)
        // One more try at a time.
        #expect(first.requests(to: silent).count == 1)
        #expect(host.wait(.milliseconds(4000)).closing(silent) == nil)
        let third = host.wait(.milliseconds(4000))
        #expect(third.closing(silent) == .unanswered)
        #expect(host.bans == [LoneScheduler.peer(1)])
    }

    @Test("requests made one after the other that expire one after the other are one silence, too")
    func staggeredRounds() throws {
        var host = try LoneScheduler(pieces: 12)
        host.open()
        let silent = try host.connect(to: 1, holding: [0])
        for piece in 1..<3 {
            host.wait(.milliseconds(500))
            host.receive(.announcePiece(Int32(piece)), from: silent)
        }
        #expect(host.log.requests(to: silent) == [0, 1, 2])
        #expect(host.wait(.milliseconds(5100)).closing(silent) == nil)
    }

    @Test("a payload ends a silence: three in a row are meant")
    func brokenSilence() throws {
        var host = try LoneScheduler(pieces: 12)
        host.open()
        let peer = try host.connect(to: 1)
        #expect(host.wait(.milliseconds(8100)).closing(peer) == nil)
        let asked = try #require(host.snapshot?.peers.first?.requestedPieces.first)
        host.deliver(asked.value, from: peer)
        #expect(host.wait(.milliseconds(8100)).closing(peer) == nil)
        #expect(host.wait(.milliseconds(4100)).closing(peer) == .unanswered)
    }

    @Test("a peer that was late is asked for one piece at a time, until it is in time again")
    func slowPeer() throws {
        var host = try LoneScheduler(pieces: 12)
        host.open()
        let peer = try host.connect(to: 1)
        #expect(host.wait(.milliseconds(4100)).requests(to: peer) == [0])
        // Late answers prove nothing.
        #expect(host.deliver(1, from: peer).requests(to: peer) == [])
        #expect(host.deliver(0, from: peer).requests(to: peer) == [2, 3, 4])
    }

    @Test(
        "agents that begin together share out what they ask an origin for, and take over what does not come"
    )
    func originDuty() throws {
        var policy = LoneScheduler.policy
        policy.requestsPerOrigin = 40
        var asked: [[Int]] = []
        for own in [100, 101] {
            var host = try LoneScheduler(pieces: 320, policy: policy, localPeer: own)
            host.open()
            // The other two agents, which have nothing yet either.
            for other in [100, 101, 102] where other != own { _ = host.knock(other, holding: []) }
            let origin = try host.connect(to: 1, isOrigin: true)
            asked.append(host.fetch(40, from: origin))
        }
        #expect(Set(asked[0]).isDisjoint(with: asked[1]))
        // Nobody else fetches: after a while its duties are taken over.
        var host = try LoneScheduler(pieces: 8, policy: policy)
        host.open()
        for rival in [101, 102, 103, 104] { _ = host.knock(rival, holding: []) }
        let origin = try host.connect(to: 1, isOrigin: true)
        var duty = 0
        while duty < host.log.requests(to: origin).count {
            host.deliver(host.log.requests(to: origin)[duty], from: origin)
            duty += 1
        }
        #expect(duty < 8)
        #expect(host.wait(.milliseconds(49)).requests(to: origin).isEmpty)
        #expect(!host.wait(.milliseconds(2)).requests(to: origin).isEmpty)
    }

    @Test("a payload that begins and does not end costs the connection, not the piece")
    func stalledPayload() throws {
        var host = try LoneScheduler(pieces: 8)
        host.open()
        let stalled = try host.connect(to: 1, holding: [0])
        host.begin(0, from: stalled)
        let other = try host.connect(to: 2)
        for piece in 1..<8 { host.deliver(piece, from: other) }
        let effects = host.wait(.seconds(9))
        #expect(effects.closing(stalled) == .unanswered)
        #expect(effects.requests(to: other).contains(0))
    }

    @Test("endgame asks a second peer for a piece that is owed for a second, and no third")
    func endgame() throws {
        var (host, slow, other) = try expiring(endgame: true)
        let (third, _) = host.knock(3)
        #expect(host.wait(.milliseconds(999)).requests.isEmpty)
        let effects = host.wait(.milliseconds(2))
        #expect(effects.requests.map(\.piece) == [0])
        #expect(effects.requests.first?.connection != slow)
        #expect(host.wait(.seconds(2)).requests.isEmpty)
        let asked = effects.requests.first?.connection ?? third
        let arrival = host.deliver(0, from: asked)
        #expect(arrival.cancels(to: slow) == [0])
        #expect([other, third].contains(asked))
    }

    @Test("endgame asks an origin also while somebody is being dialled; the timer does not spin")
    func endgameWhileDialling() throws {
        var host = try LoneScheduler(pieces: 2)
        host.open()
        let agent = try host.connect(to: 1)
        #expect(host.log.requests(to: agent).count == 2)
        let origin = try host.connect(to: 2, isOrigin: true)
        host.wait(LoneScheduler.policy.endgameDelay - .milliseconds(5))
        #expect(host.introduce([3]).dials.count == 1)
        #expect(!host.wait(.milliseconds(10)).requests(to: origin).isEmpty)
    }

    @Test("endgame leaves a piece alone that is arriving")
    func endgameArriving() throws {
        // A second payload could only be thrown away.
        var (host, slow, _) = try expiring(endgame: true)
        host.begin(0, from: slow)
        #expect(host.wait(.milliseconds(3500)).requests.isEmpty)
        #expect(host.wakeUps < 10)
    }

    @Test("a piece that is here is not asked for, and its late payload is thrown away")
    func duplicates() throws {
        var (host, slow, other) = try expiring(endgame: true)
        host.wait(.seconds(2))
        host.deliver(0, from: other)
        let late = host.begin(0, from: slow)
        #expect(late.discards(0, from: slow))
        #expect(
            late.contains(
                .note(
                    .duplicatePiece(host.hash, LoneScheduler.peer(1), PieceIndex(0), bytes: 1 << 20)
                )
            )
        )
    }

    @Test("no two peers write one piece into the file at once")
    func oneReceiver() throws {
        var (host, slow, other) = try expiring(endgame: true)
        host.wait(.seconds(2))
        #expect(host.begin(0, from: slow).receives(0, from: slow))
        let second = host.begin(0, from: other)
        #expect(!second.receives(0, from: other))
        #expect(second.discards(0, from: other))
    }

    @Test("large pieces are waited for longer than idle connections")
    func largePieces() throws {
        // 30 s without a piece would close a connection whose first piece of 16 MiB has 64 s to come.
        var policy = LoneScheduler.policy
        policy.requestTimeoutMin = .seconds(64)
        var host = try LoneScheduler(policy: policy)
        host.open()
        let peer = try host.connect(to: 1)
        #expect(host.wait(.seconds(120)).closing(peer) == nil)
        #expect(host.wait(.seconds(31)).closing(peer) == .idle)
    }

    @Test("what a reader waits for is asked for first, and as soon as it is known")
    func readers() throws {
        var host = try LoneScheduler(pieces: 20)
        host.open()
        let peer = try host.connect(to: 1)
        host.handle(.readersMoved(host.hash, [9..<11]))
        let effects = host.deliver(0, from: peer) + host.deliver(1, from: peer)
        #expect(effects.requests(to: peer) == [9, 10])
        // Windows outside the blob are of no consequence.
        host.handle(.readersMoved(host.hash, [-5..<0, 19..<40, 50..<60]))
        #expect(host.deliver(2, from: peer).requests(to: peer) == [19])
    }
}
