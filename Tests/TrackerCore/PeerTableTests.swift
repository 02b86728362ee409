// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TestSupport
import Testing
import TrackerCore

/// The small world of these tests: peers and swarms by number.
func peer(_ number: Int, isComplete: Bool = false) -> PeerInfo {
    PeerInfo(
        peerID: PeerID(hashOfAddress: "10.0.0.1", port: number),
        ip: "10.0.0.1",
        port: number,
        isComplete: isComplete
    )
}

func swarm(_ number: Int) -> (infoHash: InfoHash, digest: Digest) {
    var generator = Generator(seed: UInt64(number))
    return (InfoHash(hashing: generator.bytes(8)), Digest.random(&generator))
}

func at(_ seconds: Int64) -> Instant { .origin.advanced(by: .seconds(seconds)) }

extension PeerTable {
    mutating func note(_ peer: PeerInfo, in number: Int, at now: Instant) {
        let swarm = swarm(number)
        note(peer, in: swarm.infoHash, of: swarm.digest, at: now)
    }

    mutating func ports(
        _ count: Int,
        of number: Int,
        excluding: Int? = nil,
        at now: Instant
    ) -> [Int] {
        sample(
            count,
            of: swarm(number).infoHash,
            excluding: excluding.map { peer($0).peerID },
            at: now
        ).map(\.port)
    }
}

@Suite("Peer table") struct PeerTableTests {
    @Test("hands out each peer once, never the requester")
    func sample() {
        var table = PeerTable(seed: 1)
        for port in 1...60 { table.note(peer(port), in: 1, at: at(0)) }
        for port in 1...60 { table.note(peer(port), in: 1, at: at(1)) }
        for requester in 1...60 {
            let ports = table.ports(50, of: 1, excluding: requester, at: at(2))
            #expect(ports.count == 50)
            #expect(Set(ports).count == 50)
            #expect(!ports.contains(requester))
        }
        #expect(Set(table.ports(100, of: 1, at: at(2))) == Set(1...60))
        #expect(table.ports(5, of: 2, at: at(2)).isEmpty)
        #expect(table.ports(0, of: 1, at: at(2)).isEmpty)
    }

    @Test("chooses every peer equally often")
    func uniform() {
        var table = PeerTable(seed: 7)
        for port in 1...20 { table.note(peer(port), in: 1, at: at(0)) }
        var counts: [Int: Int] = [:]
        for _ in 0..<4000 {
            for port in table.ports(5, of: 1, excluding: 1, at: at(1)) {
                counts[port, default: 0] += 1
            }
        }
        #expect(counts[1] == nil)
        // 4000 × 5 / 19 = 1053 expected, with a standard deviation of 28.
        for port in 2...20 { #expect((900...1200).contains(counts[port] ?? 0)) }
    }

    @Test("forgets a peer when its time is over, unless it announces again")
    func expiry() {
        var table = PeerTable(timeToLive: .hours(5), seed: 1)
        table.note(peer(1), in: 1, at: at(0))
        table.note(peer(2), in: 1, at: at(0))
        table.note(peer(1), in: 1, at: at(3600))
        let end: Int64 = 5 * 3600
        #expect(Set(table.ports(9, of: 1, at: at(end - 1))) == [1, 2])
        #expect(table.ports(9, of: 1, at: at(end)) == [1])
        #expect(table.peerCount == 1)
        #expect(table.ports(9, of: 1, at: at(end + 3600)).isEmpty)
    }

    @Test("drops swarms that nobody announces any more")
    func swarmExpiry() {
        var table = PeerTable(timeToLive: .seconds(10), seed: 1)
        for number in 1...3 { table.note(peer(number), in: number, at: at(Int64(number))) }
        table.note(peer(9), in: 9, at: at(12))
        #expect(table.swarmCount == 2)
        table.expireSwarms(at: at(13))
        #expect(table.latestSwarms(9).map(\.infoHash) == [swarm(9).infoHash])
        table.checkInvariants()
    }

    @Test("keeps what a peer said last")
    func update() throws {
        var table = PeerTable(seed: 1)
        table.note(peer(1), in: 1, at: at(0))
        var moved = peer(1, isComplete: true)
        moved.ip = "host.example"
        table.note(moved, in: 1, at: at(1))
        #expect(table.peers(of: swarm(1).infoHash) == [moved])
        #expect(table.latestSwarms(1).first?.completeCount == 1)
        table.note(peer(1), in: 1, at: at(2))
        #expect(table.latestSwarms(1).first?.completeCount == 0)
        table.checkInvariants()
    }

    @Test("hands out agents only, even if one says that it is an origin")
    func origins() {
        var table = PeerTable(seed: 1)
        var liar = peer(1)
        liar.isOrigin = true
        table.note(liar, in: 1, at: at(0))
        #expect(table.peers(of: swarm(1).infoHash).map(\.isOrigin) == [false])
    }

    @Test("makes room at each of its bounds for whoever announces")
    func bounds() {
        var limits = Limits()
        (limits.trackedSwarmsMax, limits.trackedPeersPerSwarmMax, limits.trackedPeersMax) = (
            3, 2, 5
        )
        var table = PeerTable(limits: limits, seed: 1)
        for port in 1...3 { table.note(peer(port), in: 1, at: at(0)) }
        #expect(Set(table.ports(9, of: 1, at: at(0))) == [2, 3])
        for port in 1...2 {
            for number in 2...3 { table.note(peer(port), in: number, at: at(1)) }
        }
        // Six peers are one too many: the swarm that is silent longest goes.
        #expect(table.ports(9, of: 1, at: at(1)).isEmpty)
        #expect(table.peerCount == 4)
        table.note(peer(1), in: 4, at: at(2))
        table.note(peer(1), in: 5, at: at(2))
        #expect(table.swarmCount == 3)
        table.checkInvariants()
    }

    @Test("forgets a peer that leaves, and its swarm with the last one")
    func leaving() {
        var table = PeerTable(seed: 1)
        table.note(peer(1, isComplete: true), in: 1, at: at(0))
        table.note(peer(2), in: 1, at: at(0))
        let (first, again) = (
            table.remove(peer(1).peerID, from: swarm(1).infoHash),
            table.remove(peer(1).peerID, from: swarm(1).infoHash)
        )
        #expect(first && !again)
        table.checkInvariants()
        table.remove(peer(2).peerID, from: swarm(1).infoHash)
        #expect(table.swarmCount == 0)
        #expect(table.peerCount == 0)
    }

    @Test("replays from a seed")
    func replay() {
        func run(_ seed: UInt64) -> [[Int]] {
            var table = PeerTable(seed: seed)
            for port in 1...100 { table.note(peer(port), in: 1, at: at(0)) }
            return (0..<20).map { _ in table.ports(10, of: 1, at: at(1)) }
        }
        #expect(run(5) == run(5))
        #expect(run(5) != run(6))
    }

    @Test("agrees with a plain model under any sequence of calls", arguments: Seeds.fresh(6))
    func model(seed: UInt64) {
        var generator = Generator(seed: seed)
        var table = PeerTable(timeToLive: .seconds(60), seed: seed)
        var model: [Int: [Int: Int64]] = [:]
        var now: Int64 = 0
        for _ in 0..<3000 {
            now += Int64(generator.below(4))
            let (number, port) = (generator.below(6), 1 + generator.below(12))
            switch generator.below(5) {
            case 0...2:
                table.note(peer(port, isComplete: port % 2 == 0), in: number, at: at(now))
                model[number, default: [:]][port] = now
            case 3:
                table.remove(peer(port).peerID, from: swarm(number).infoHash)
                model[number]?[port] = nil
            default:
                let alive = (model[number] ?? [:]).filter { $0.value + 60 > now }.keys
                let expected = Set(alive).subtracting([port])
                let count = 1 + generator.below(12)
                let ports = table.ports(count, of: number, excluding: port, at: at(now))
                #expect(Set(ports).isSubset(of: expected))
                #expect(ports.count == min(count, expected.count))
            }
            table.checkInvariants()
        }
    }
}

@Suite("Recency map") struct RecencyMapTests {
    @Test("keeps its order and its values under any sequence of calls", arguments: Seeds.fresh(6))
    func model(seed: UInt64) {
        var generator = Generator(seed: seed)
        var map = RecencyMap<Int, Int>()
        var order: [Int] = []
        var values: [Int: Int] = [:]
        for step in 0..<3000 {
            let key = generator.below(20)
            switch generator.below(4) {
            case 0, 1:
                map.touch(key, at: at(Int64(step)), initial: { 0 }, change: { $0 = step })
                order.removeAll { $0 == key }
                order.append(key)
                values[key] = step
            case 2:
                let removed = map.remove(key)
                #expect(removed == values.removeValue(forKey: key))
                order.removeAll { $0 == key }
            default:
                let removed = map.removeOldest()
                let expected = order.isEmpty ? nil : order.removeFirst()
                #expect(removed?.key == expected)
                if let expected { values[expected] = nil }
            }
            #expect(map.keysByAge == order)
            #expect(map.newest(3).map(\.key) == Array(order.reversed().prefix(3)))
            #expect(map.count == values.count)
            #expect(map[key] == values[key])
        }
    }
}
