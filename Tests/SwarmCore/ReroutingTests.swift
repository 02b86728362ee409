// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import Testing

@testable import SwarmCore

/// Requests that wait in one peer's queue while another could answer them.
@Suite("Rerouting") struct ReroutingTests {
    /// Peers 1 to 4; the first has piece 0, for which the host waits there. Each of the others has taken `pause` over a piece.
    private func hostThatWaits(
        seed: Int,
        pause: Duration
    ) throws -> (host: LoneScheduler, peers: [ConnectionID]) {
        var host = try LoneScheduler(pieces: 8, seed: UInt64(seed))
        host.open(holding: [5, 6, 7])
        var peers: [ConnectionID] = []
        for number in 1...4 {
            let peer = try host.connect(to: number, holding: number == 1 ? [0, 1] : [number])
            #expect(host.log.requests(to: peer) == (number == 1 ? [0, 1] : [number]))
            if number > 1 { host.wait(pause) }
            host.deliver(number, from: peer)
            peers.append(peer)
        }
        return (host, peers)
    }

    @Test("of those who wait for a piece, one in k moves to the k-th holder if that one is slower")
    func shares() throws {
        // Thirty hosts wait for one piece at one agent; then three more agents come to hold it, one after the other.
        var waiting = [30, 0, 0, 0]
        for number in 0..<30 {
            var (host, connections) = try hostThatWaits(seed: number, pause: .milliseconds(1))
            var asked = 0
            for next in 1...3 {
                let effects = host.receive(.announcePiece(0), from: connections[next])
                guard effects.requests(to: connections[next]) == [0] else {
                    #expect(effects.requests.isEmpty)
                    continue
                }
                #expect(effects.cancels(to: connections[asked]) == [0])
                #expect(effects.withdrawals == [.moved])
                waiting[asked] -= 1
                waiting[next] += 1
                asked = next
                // Those who took as long are as good.
                if asked > 0 { break }
            }
        }
        // 7.5 at the first, were it not for chance.
        #expect((2...15).contains(waiting[0]), "\(waiting)")
        #expect(waiting[1] > waiting[3], "\(waiting)")
    }

    @Test("who comes to hold a piece and delivers no later than who was asked is asked instead")
    func prompter() throws {
        for number in 0..<10 {
            var (host, connections) = try hostThatWaits(seed: number, pause: .zero)
            for next in 1...3 {
                let effects = host.receive(.announcePiece(0), from: connections[next])
                #expect(effects.requests(to: connections[next]) == [0])
                #expect(effects.cancels(to: connections[next - 1]) == [0])
            }
        }
    }

    @Test("when a piece is here, the next is asked of who owes least and delivers soonest")
    func promptFirst() throws {
        var policy = LoneScheduler.policy
        policy.requestsOfAgentsMax = 1
        var host = try LoneScheduler(pieces: 9, policy: policy)
        host.open()
        let slow = try host.connect(to: 1, holding: [0, 3, 4, 5, 6, 7, 8])
        host.wait(.milliseconds(30))
        let prompt = try host.connect(to: 2, holding: [1, 3, 4, 5, 6, 7, 8])
        #expect(host.log.requests(to: prompt).isEmpty)
        host.deliver(0, from: slow)
        // Nothing is known of the other yet.
        #expect(host.log.requests(to: prompt) == [1])
        host.wait(.milliseconds(10))
        let next = host.deliver(1, from: prompt)
        #expect(next.requests(to: prompt) == [3])
        #expect(next.requests(to: slow).isEmpty)
    }

    @Test("a piece that is arriving stays where it is, and so does one whose new holder is busy")
    func stays() throws {
        var policy = LoneScheduler.policy
        policy.requestsPerAgent = 1
        var host = try LoneScheduler(pieces: 4, policy: policy)
        host.open(holding: [2, 3])
        let first = try host.connect(to: 1, holding: [0])
        let busy = try host.connect(to: 2, holding: [1])
        #expect(host.log.requests(to: busy) == [1])
        #expect(host.receive(.announcePiece(0), from: busy).requests.isEmpty)
        host.begin(0, from: first)
        for peer in 3..<20 {
            let other = host.knock(peer, holding: []).connection
            #expect(host.receive(.announcePiece(0), from: other).requests.isEmpty)
        }
    }

    @Test("by Kraken's rules nothing moves")
    func kraken() throws {
        var policy = SwarmPolicy.kraken
        policy.endgameDelay = .seconds(60)
        var host = try LoneScheduler(pieces: 8, policy: policy)
        host.open()
        _ = try host.connect(to: 1, holding: [0])
        for peer in 2..<10 {
            let other = try host.connect(to: peer, holding: [])
            #expect(host.receive(.announcePiece(0), from: other).requests.isEmpty)
        }
    }

    @Test(
        "a swarm has twice as many slots where a piece takes long, and by Kraken's rules never",
        arguments: [true, false]
    )
    func widens(isKraken: Bool) throws {
        var policy = isKraken ? SwarmPolicy.kraken : LoneScheduler.policy
        policy.leavesSlots = true
        var host = try LoneScheduler(pieces: 40, policy: policy)
        host.open()
        let first = try host.connect(to: 1, holding: [0, 1])
        host.introduce(Array(2...40))
        #expect(host.dials.count == 5)
        host.deliver(0, from: first)
        #expect(host.dials.count == 5)
        host.wait(.milliseconds(300))
        host.deliver(1, from: first)
        host.introduce(Array(2...40))
        #expect(host.dials.count == (isKraken ? 5 : 11))
    }

    @Test("a payload that was taken back too late is taken all the same, once")
    func crossing() throws {
        var host = try LoneScheduler(pieces: 4)
        host.open(holding: [1, 2, 3])
        let first = try host.connect(to: 1, holding: [0])
        var second: ConnectionID?
        for peer in 2..<40 where second == nil {
            let other = host.knock(peer, holding: []).connection
            let effects = host.receive(.announcePiece(0), from: other)
            if effects.requests(to: other) == [0] { second = other }
        }
        let new = try #require(second)
        // It went out before the cancel came: the request at the new holder is taken back in its turn.
        let delivery = host.deliver(0, from: first)
        #expect(delivery.cancels(to: new) == [0] && delivery.withdrawals == [.received])
        #expect(host.snapshot?.held.isComplete == true)
    }

    // MARK: - Origins

    @Test("what an origin was asked for is taken back when it turns out to be another agent's duty")
    func duties() throws {
        var host = try LoneScheduler(pieces: 64)
        host.open()
        let origin = try host.connect(to: 1, isOrigin: true)
        let first = host.log.requests(to: origin)
        #expect(first.count > 2)
        for rival in 101...109 { _ = host.knock(rival, holding: []) }
        let asked = host.log.requests(to: origin)
        let cancelled = host.log.cancels(to: origin)
        #expect(cancelled.filter(first.contains).count >= 2)
        // What is left is its own: nobody outweighs it there.
        var duty = OriginDuty(of: LoneScheduler.peer(100), pieceCount: 64)
        for rival in 101...109 { duty.add(LoneScheduler.peer(rival)) }
        for piece in asked where !cancelled.contains(piece) {
            #expect(duty.pieces.contains(PieceIndex(piece)))
        }
    }

    @Test("what waits at an origin for a while is taken back when an agent has it")
    func announced() throws {
        var host = try LoneScheduler(pieces: 16)
        host.open()
        let agent = host.knock(101, holding: []).connection
        let origin = try host.connect(to: 1, isOrigin: true)
        let asked = host.log.requests(to: origin)
        #expect(asked.count == 2)
        // At once it would cross the payload.
        let early = host.receive(.announcePiece(Int32(asked[0])), from: agent)
        #expect(early.cancels(to: origin).isEmpty)
        host.wait(.milliseconds(41))
        let late = host.receive(.announcePiece(Int32(asked[1])), from: agent)
        #expect(late.cancels(to: origin) == asked)
        #expect(Set(late.requests(to: agent)) == Set(asked))
    }

    // MARK: - Enough

    @Test("six pieces are asked of agents at a time, and silent ones are not counted for long")
    func enough() throws {
        var host = try LoneScheduler(pieces: 40)
        host.open()
        for peer in 1...4 { _ = try host.connect(to: peer, holding: Array(0..<20)) }
        #expect(host.log.requests.count == 6)
        let other = try host.connect(to: 5, holding: Array(20..<40))
        #expect(host.log.requests.count == 6)
        // Nobody answers. The fifth peer is asked long before the four time out.
        #expect(!host.wait(.milliseconds(60)).requests(to: other).isEmpty)
    }
}
