// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore
import Testing

/// Peers that follow the protocol and are of no use, or worse: what they cost is bounded, and the blob comes from others.
@Suite("A scheduler that distrusts") struct SchedulerDistrustTests {
    /// For how long `effects` ban somebody, in order.
    private func bans(_ effects: [SwarmScheduler.Effect]) -> [Duration] {
        effects.compactMap {
            guard case .note(.banned(_, _, let duration, _)) = $0 else { return nil }
            return duration
        }
    }

    // MARK: - Bans

    @Test(
        "whoever is dialled and misbehaves is left alone twice as long each time, and never longer than the policy says"
    )
    func growingBans() throws {
        var host = try LoneScheduler()
        host.open()
        var durations: [Duration] = []
        _ = try host.dial(1)
        for _ in 0..<8 {
            let dial = try host.dialled(1)
            host.handle(.dialSucceeded(dial, host.handshake(of: 1)))
            durations += bans(host.handle(.misbehaved(dial, reason: "a frame of 4 GiB")))
            #expect(host.snapshot?.peers.isEmpty == true)
            // It is not dialled before its time, however often the tracker names it.
            let ban = try #require(durations.last)
            host.waitAwake(ban - .milliseconds(1))
            #expect(host.introduce([1]).dials.isEmpty)
            host.waitAwake(.milliseconds(1))
        }
        let expected = [30, 60, 120, 240, 480, 600, 600, 600].map { Duration.seconds($0) }
        #expect(durations == expected)
    }

    @Test("whoever connects and misbehaves only loses the connection: its name may be another's")
    func strangersAreNotBanned() throws {
        var host = try LoneScheduler()
        host.open()
        let (peer, _) = host.knock(1)
        #expect(bans(host.handle(.misbehaved(peer, reason: "noise"))).isEmpty)
        #expect(host.introduce([1]).dials.count == 1)
    }

    @Test("a driver that closes a dial for misconduct has it struck")
    func misbehavedDial() throws {
        var host = try LoneScheduler()
        host.open()
        let dial = try host.dial(1)
        #expect(bans(host.handle(.misbehaved(dial, reason: "noise"))) == [.seconds(30)])
    }

    @Test("a peer that refuses for ever is tried more and more seldom")
    func growingRefusals() throws {
        var host = try LoneScheduler()
        host.open()
        var dial = try host.dial(1)
        var waits: [Duration] = []
        for _ in 0..<30 {
            let before = host.now
            host.handle(.dialFailed(dial, .refused))
            var next: ConnectionID?
            while next == nil {
                try #require(before.duration(to: host.now) < .minutes(3))
                // Somebody else keeps the download alive.
                host.stayAwake()
                next = host.wait(.milliseconds(50)).dials[LoneScheduler.peer(1)]
            }
            dial = try #require(next)
            waits.append(before.duration(to: host.now))
        }
        let policy = LoneScheduler.policy
        for wait in waits.prefix(policy.refusalsFree) {
            #expect(wait < policy.refusalRetry * 3)
        }
        let longest = waits.max() ?? .zero
        #expect(longest >= policy.banDuration)
        #expect(longest <= policy.banDuration * 2 + policy.refusalRetry)
    }

    // MARK: - Liars

    @Test(
        "a peer that has nothing of what it says is closed and banned, and the pieces come from another"
    )
    func liar() throws {
        var host = try LoneScheduler()
        host.open()
        let liar = try host.connect(to: 1)
        var errors = 0
        var closing: CloseReason?
        while closing == nil {
            try #require(errors < 20)
            let asked = host.snapshot?.peers.first?.requestedPieces.first
            guard let asked else {
                host.wait(.seconds(1))
                continue
            }
            errors += 1
            let message = PeerMessage.error(
                index: Int32(asked.value),
                code: PeerMessage.pieceRequestFailed,
                text: "no"
            )
            closing = host.receive(message, from: liar).closing(liar)
        }
        #expect(closing == .brokenPromises)
        #expect(errors == LoneScheduler.policy.failuresBanMax)
        #expect(host.bans == [LoneScheduler.peer(1)])
        let honest = try host.connect(to: 2)
        for piece in host.fetch(host.count, from: honest) { host.deliver(piece, from: honest) }
        #expect(host.log.commits == 1)
    }

    @Test("announcing again what was denied does not get a liar another request before its time")
    func announcingAgain() throws {
        var host = try LoneScheduler()
        host.open()
        let liar = try host.connect(to: 1)
        let asked = host.log.requests(to: liar)
        for piece in asked {
            let message = PeerMessage.error(index: Int32(piece), code: 0, text: "")
            host.receive(message, from: liar)
        }
        let requests = host.log.requests(to: liar).count
        for _ in 0..<50 {
            for piece in 0..<host.count { host.receive(.announcePiece(Int32(piece)), from: liar) }
        }
        #expect(host.log.requests(to: liar).count == requests)
    }

    // MARK: - Floods

    @Test(
        "a peer that floods with what changes nothing is closed, at a number and not at a time",
        arguments: [
            PeerMessage.announcePiece(6), .announcePiece(-1), .cancelPiece(3), .complete,
            .pieceRequest(PieceSpan(index: 5, length: 1 << 20)), .unknown(type: 9),
            .error(index: 5, code: 0, text: ""), .error(index: 1, code: 77, text: "x"),
        ]
    )
    func flood(_ message: PeerMessage) throws {
        var limits = Limits()
        limits.idleMessagesMax = 20
        var host = try LoneScheduler(limits: limits)
        host.open(holding: [0, 1])
        let (peer, _) = host.knock(1)
        let most = limits.idleMessagesMax + 4 * host.count
        for _ in 0..<most { #expect(host.receive(message, from: peer).closing(peer) == nil) }
        #expect(host.receive(message, from: peer).closing(peer) == .flooding)
        #expect(host.snapshot?.peers.isEmpty == true)
    }

    @Test("asking and taking back is a flood, too; asking and taking is none")
    func askingAndTakingBack() throws {
        var limits = Limits()
        limits.idleMessagesMax = 20
        var host = try LoneScheduler(limits: limits)
        host.open(isCommitted: true)
        let (flooder, _) = host.knock(1, holding: [])
        var rounds = 0
        while host.snapshot?.peers.isEmpty == false {
            try #require(rounds < 1000)
            rounds += 1
            host.receive(.pieceRequest(host.span(0)), from: flooder)
            host.receive(.cancelPiece(0), from: flooder)
            host.handle(.sendFailed(flooder, PieceIndex(0)))
        }
        #expect(rounds <= limits.idleMessagesMax + 4 * host.count + 1)
        let (taker, _) = host.knock(2, holding: [])
        for _ in 0..<1000 {
            host.receive(.pieceRequest(host.span(0)), from: taker)
            host.handle(.pieceSent(taker, PieceIndex(0), bytes: 1 << 20))
        }
        #expect(host.snapshot?.peers.count == 1)
    }

    // MARK: - Names of others

    @Test(
        "whoever connects by the name of an origin is refused, and the origin is reached all the same"
    )
    func impostor() throws {
        var host = try LoneScheduler(localPeer: 3)
        host.open()
        let dial = try host.dial(200, isOrigin: true)
        let (before, effects) = host.knock(200)
        #expect(effects.closing(before) == .impostor)
        #expect(effects.closing(dial) == nil)
        host.handle(.dialSucceeded(dial, host.handshake(of: 200)))
        #expect(host.snapshot?.peers.map(\.peerID) == [LoneScheduler.peer(200)])
        // Nor is the open connection to it lost.
        host.wait(.seconds(10))
        let (after, later) = host.knock(200)
        #expect(later.closing(after) == .impostor)
        #expect(host.snapshot?.peers.count == 1)
    }

    // MARK: - Slots

    @Test("guests who give nothing lose slots to peers that are dialled, and can't take them back")
    func barren() throws {
        var host = try LoneScheduler()
        host.open()
        let most = LoneScheduler.policy.connectionsMax
        for guest in 0..<most { _ = host.knock(10 + guest) }
        #expect(host.snapshot?.peers.count == most)
        // Nobody answers, and those who are closed for it are back at once.
        host.introduce([1], origins: [1])
        #expect(host.dials.isEmpty)
        var guest = 30
        while host.dials.isEmpty {
            try #require(host.now < .origin.advanced(by: .seconds(20)))
            host.wait(.milliseconds(500))
            guest += 1
            _ = host.knock(guest)
        }
        let honest = try host.dialled(1)
        host.handle(.dialSucceeded(honest, host.handshake(of: 1)))
        for _ in 0..<10 {
            guest += 1
            _ = host.knock(guest)
        }
        #expect(host.scheduler.connectionCount <= most)
        #expect(host.snapshot?.peers.contains { $0.peerID == LoneScheduler.peer(1) } == true)
        host.wait(.seconds(1))
        while host.log.commits == 0 {
            try #require(host.now < .origin.advanced(by: .minutes(2)))
            let peers = host.snapshot?.peers ?? []
            guard let origin = peers.first(where: { $0.peerID == LoneScheduler.peer(1) }),
                let piece = origin.requestedPieces.first
            else {
                host.wait(.seconds(1))
                continue
            }
            host.deliver(piece.value, from: honest)
        }
    }

    @Test(
        "a tracker that names hundreds of strangers each time costs a bounded number of dials and bans"
    )
    func bogusHandouts() throws {
        let limits = Limits()
        var host = try LoneScheduler(limits: limits)
        host.open()
        var generator = Generator(seed: 5)
        var isHonestDialled = false
        for _ in 0..<20 {
            var handout = (0..<5000).map { number in
                PeerInfo(
                    peerID: PeerID(randomFrom: &generator),
                    ip: "10.1.0.1",
                    port: 1 + number,
                    isComplete: true
                )
            }
            handout.insert(host.info(1), at: limits.handoutPeersMax - 1)
            host.handle(.announceAnswered(host.hash, handout, interval: .seconds(3)))
            while !isHonestDialled, let (peer, dial) = host.dials.first {
                #expect(host.scheduler.connectionCount <= LoneScheduler.policy.connectionsMax)
                if peer == LoneScheduler.peer(1) {
                    isHonestDialled = true
                } else {
                    host.handle(.dialFailed(dial, .unreachable))
                }
            }
            #expect((host.snapshot?.bans.count ?? 0) <= limits.bansPerSwarmMax)
        }
        #expect(isHonestDialled)
    }

    @Test(
        "a tracker that never answers is given up, and asked again; whoever it names at last is dialled"
    )
    func silentTracker() throws {
        var policy = LoneScheduler.policy
        policy.announceTimeout = .seconds(10)
        var host = try LoneScheduler(policy: policy)
        #expect(host.open().announces.count == 1)
        // Ten seconds each, and up to three between them; never two at a time, which the invariants see to.
        #expect((8...13).contains(host.wait(.minutes(2)).announces.count))
        let peer = try host.connect(to: 1)
        for piece in host.fetch(host.count, from: peer) { host.deliver(piece, from: peer) }
        #expect(host.log.commits == 1)
    }

    // MARK: - Wrong wholes

    @Test("after a whole that was wrong, only origins are asked, as long as one is known")
    func wary() throws {
        var host = try LoneScheduler(pieces: 2)
        host.open()
        let forger = try host.connect(to: 1)
        for piece in host.fetch(2, from: forger) { host.deliver(piece, from: forger) }
        #expect(host.log.commits == 1)
        host.handle(.commitFailed(host.hash, .digestMismatch))
        host.handle(
            .announceAnswered(
                host.hash,
                [host.info(1), host.info(2, isOrigin: true)],
                interval: .seconds(3)
            )
        )
        #expect(host.dials.keys.map { $0 } == [LoneScheduler.peer(2)])
        // The forger connects instead, and is asked for nothing.
        let (again, _) = host.knock(3)
        #expect(host.log.requests(to: again).isEmpty)
        let origin = try host.dialled(2)
        host.handle(.dialSucceeded(origin, host.handshake(of: 2)))
        while host.log.commits == 1 {
            try #require(host.now < .origin.advanced(by: .minutes(1)))
            let asked = host.snapshot?.peers.first { $0.isOrigin }?.requestedPieces.first
            guard let asked else {
                host.wait(.milliseconds(100))
                continue
            }
            host.deliver(asked.value, from: origin)
        }
        #expect(host.log.requests(to: again).isEmpty)
    }
}

extension LoneScheduler {
    /// Keeps the swarm from giving up: somebody asks for the blob again.
    fileprivate mutating func stayAwake() { open() }

    /// Waits, however long, without giving up.
    fileprivate mutating func waitAwake(_ duration: Duration) {
        let end = now.advanced(by: duration)
        while now < end {
            stayAwake()
            wait(min(now.duration(to: end), .minutes(1)))
        }
    }
}
