// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore
import Testing

@testable import SwarmCore

/// Who asks the origins for what, and when.
@Suite("Sparing the origins") struct OriginDutyTests {
    @Test("no origin is asked while agents are being dialled that may hold the pieces")
    func dialling() throws {
        var host = try LoneScheduler(pieces: 8)
        host.open()
        host.introduce([1, 2], origins: [1])
        let (origin, agent) = try (host.dialled(1), host.dialled(2))
        let early = host.handle(.dialSucceeded(origin, host.handshake(of: 1)))
        #expect(early.requests.isEmpty)
        let effects = host.handle(.dialSucceeded(agent, host.handshake(of: 2)))
        #expect(effects.requests(to: agent) == [0, 1, 2])
        #expect(effects.requests(to: origin).isEmpty)
    }

    @Test("an origin is asked as soon as the last agent has failed to answer")
    func failedDial() throws {
        var host = try LoneScheduler(pieces: 8)
        host.open()
        host.introduce([1, 2, 3], origins: [1])
        let origin = try host.dialled(1)
        host.handle(.dialSucceeded(origin, host.handshake(of: 1)))
        #expect(host.handle(.dialFailed(try host.dialled(2), .refused)).requests.isEmpty)
        let effects = host.handle(.dialFailed(try host.dialled(3), .unreachable))
        #expect(!effects.requests(to: origin).isEmpty)
    }

    @Test("an agent that does not answer is waited for as long as for one that sends nothing")
    func silentDial() throws {
        var host = try LoneScheduler(pieces: 8)
        host.open()
        host.introduce([1, 2], origins: [1])
        let origin = try host.dialled(1)
        host.handle(.dialSucceeded(origin, host.handshake(of: 1)))
        #expect(host.wait(.milliseconds(49)).requests.isEmpty)
        #expect(!host.wait(.milliseconds(2)).requests(to: origin).isEmpty)
    }

    @Test("agents that dial one another have shared out the pieces before they are connected")
    func dialledRivals() throws {
        var asked: [Set<Int>] = []
        for (own, other) in [(100, 101), (101, 100)] {
            var host = try LoneScheduler(pieces: 320, localPeer: own)
            host.open()
            host.introduce([1, other], origins: [1])
            let origin = try host.dialled(1)
            host.handle(.dialSucceeded(origin, host.handshake(of: 1)))
            host.wait(.milliseconds(51))
            asked.append(Set(host.fetch(40, from: origin)))
        }
        #expect(asked[0].isDisjoint(with: asked[1]))
    }

    @Test("agents that a tracker names fetch their share, though there is no slot for them")
    func knownRivals() throws {
        var policy = LoneScheduler.policy
        policy.connectionsMax = 1
        var asked: [Set<Int>] = []
        for (own, other) in [(100, 101), (101, 100)] {
            var host = try LoneScheduler(pieces: 320, policy: policy, localPeer: own)
            host.open()
            host.introduce([1, other], origins: [1])
            let origin = try host.dialled(1)
            host.handle(.dialSucceeded(origin, host.handshake(of: 1)))
            asked.append(Set(host.fetch(40, from: origin)))
        }
        #expect(asked[0].isDisjoint(with: asked[1]))
    }

    @Test(
        "of a small blob, who fetches it from the origins is dialled first; nobody waits for who is not"
    )
    func smallBlobs() throws {
        var waits: Set<Bool> = []
        for own in 103...120 {
            var host = try LoneScheduler(pieces: 1, localPeer: own)
            host.open()
            let dials = Set(host.introduce([1, 2, 101, 102], origins: [1, 2]).dials.keys)
            #expect(dials.count == 1)
            let agent = [101, 102].first { dials.contains(LoneScheduler.peer($0)) }
            waits.insert(agent != nil)
            if let agent { host.handle(.dialFailed(try host.dialled(agent), .unreachable)) }
            // Without an agent to wait for, the piece is this host's to fetch.
            let origin = try host.dialled(1)
            let first = host.handle(.dialSucceeded(origin, host.handshake(of: 1)))
            #expect(first.requests(to: origin) == [0])
        }
        #expect(waits.count == 2)
    }

    @Test("who shares with others has two pieces under way from the origins, who is alone more")
    func budget() throws {
        for (others, count) in [([], 5), ([101], 2)] {
            var host = try LoneScheduler(pieces: 320)
            host.open()
            for other in others { _ = host.knock(other, holding: []) }
            let origin = try host.connect(to: 1, isOrigin: true)
            #expect(host.log.requests(to: origin).count == count)
        }
    }

    @Test("what others are to fetch is asked for soon after the own share, however slow the origin")
    func slowOrigin() throws {
        var host = try LoneScheduler(pieces: 64)
        host.open()
        for rival in 101...105 { _ = host.knock(rival, holding: []) }
        let origin = try host.connect(to: 1, isOrigin: true)
        func deliverShare(
            _ host: inout LoneScheduler,
            but rest: Int,
            from delivered: Int = 0
        ) -> Int {
            var delivered = delivered
            while delivered < host.log.requests(to: origin).count - rest {
                host.deliver(host.log.requests(to: origin)[delivered], from: origin)
                delivered += 1
            }
            return delivered
        }
        var trial = host
        let share = deliverShare(&trial, but: 0)
        #expect((4..<32).contains(share))
        // All of its share but two come at once, these after 400 ms.
        while host.log.requests(to: origin).count < share {
            let next = host.log.requests(to: origin).count - 2
            host.deliver(host.log.requests(to: origin)[next], from: origin)
        }
        host.wait(.milliseconds(400))
        #expect(deliverShare(&host, but: 0, from: share - 2) == share)
        #expect(host.wait(.milliseconds(49)).requests.isEmpty)
        #expect(!host.wait(.milliseconds(2)).requests(to: origin).isEmpty)
    }

    @Test("hosts that know nobody begin with what will still be theirs when others come")
    func foremost() {
        let peers = (0..<10).map { LoneScheduler.peer(100 + $0) }
        let all = Bitfield.full(pieceCount: 24)
        var firstChoices: [PieceIndex] = []
        var keptCount = 0
        for peer in peers {
            var duty = OriginDuty(of: peer, pieceCount: 24)
            guard let first = duty.foremost(of: all.indices) else { continue }
            firstChoices.append(first)
            for other in peers where other != peer { duty.add(other) }
            if duty.pieces.contains(first) { keptCount += 1 }
        }
        // At random, 10 of 24 would give 8 different ones, of which one would be kept.
        #expect(Set(firstChoices).count >= 8)
        #expect(keptCount >= 7)
    }
}
