// SPDX-License-Identifier: Apache-2.0

import Content
import Placement
import Primitives
import TestSupport
import Testing

@Suite("Ring") struct RingTests {
    private let members = (1...5).map { "origin\($0):15002" }

    @Test("the next healthy member takes the place of an unhealthy owner, and gives it back")
    func unhealthyReplica() throws {
        var ring = Ring(members: members, replicasMax: 3)
        let digest = try digest(shard: "abcd")
        let ranking = ring.ranking(of: digest)
        #expect(ring.owners(of: digest) == Array(ranking.prefix(3)))
        let isNews = ring.replaceHealthy(Set(members).subtracting([ranking[1]]))
        #expect(isNews)
        #expect(ring.owners(of: digest) == [ranking[0], ranking[2], ranking[3]])
        let isNewsAgain = ring.replaceHealthy(Set(members).subtracting([ranking[1]]))
        #expect(!isNewsAgain)
        ring.replaceHealthy(Set(members))
        #expect(ring.owners(of: digest) == Array(ranking.prefix(3)))
    }

    @Test("goes on to the first healthy member when no replica is healthy")
    func beyondReplicas() throws {
        var ring = Ring(members: members, replicasMax: 3)
        let digest = try digest(shard: "abcd")
        let ranking = ring.ranking(of: digest)
        ring.replaceHealthy([ranking[3], ranking[4]])
        #expect(ring.owners(of: digest) == [ranking[3], ranking[4]])
        ring.replaceHealthy([ranking[4]])
        #expect(ring.owners(of: digest) == [ranking[4]])
    }

    @Test("names the best member when none is healthy")
    func noneHealthy() throws {
        var ring = Ring(members: members, replicasMax: 3)
        let digest = try digest(shard: "abcd")
        ring.replaceHealthy([])
        #expect(ring.owners(of: digest) == [ring.ranking(of: digest)[0]])
    }

    @Test("keeps the health of members that stay")
    func membership() {
        var ring = Ring(members: members)
        ring.replaceHealthy(["origin2:15002"])
        let isNews = ring.replaceMembers(["origin1:15002", "origin2:15002", "origin6:15002"])
        #expect(isNews)
        #expect(ring.unhealthyMembers == ["origin1:15002"])
        let isNewsAgain = ring.replaceMembers(["origin6:15002", "origin2:15002", "origin1:15002"])
        #expect(!isNewsAgain)
    }

    @Test("moves only the shards of a member that leaves")
    func minimalDisruption() {
        let ring = Ring(members: members, replicasMax: 1)
        let smaller = Ring(members: Array(members.dropLast()), replicasMax: 1)
        for shard in stride(from: 0, to: Ring.shardCount, by: 97) {
            let key = [UInt8(shard >> 8), UInt8(shard & 255)]
            let before = RendezvousHash.ranking(of: ring.members, keyBytes: key)
            let after = RendezvousHash.ranking(of: smaller.members, keyBytes: key)
            #expect(before.filter { $0 != members[4] } == after)
        }
    }

    @Test("shares the shards about evenly")
    func shares() {
        let counts = Ring(members: Array(members.prefix(3))).shardCounts()
        #expect(counts.reduce(0, +) == Ring.shardCount)
        for count in counts { #expect((20_000...24_000).contains(count)) }
    }

    @Test(
        "owns every digest under any health, in the order of the ranking",
        arguments: Seeds.fresh(8)
    )
    func owners(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        for _ in 0..<200 {
            let names = (0...generator.below(7)).map { "host\($0):1" }
            var ring = Ring(members: names, replicasMax: 1 + generator.below(4))
            ring.replaceHealthy(Set(names.filter { _ in generator.chance(Ratio(1, in: 2)) }))
            let digest = Digest.random(&generator)
            let owners = ring.owners(of: digest)
            try #require(!owners.isEmpty)
            let healthyCount = names.count { ring.isHealthy($0) }
            #expect(owners.count == max(1, min(ring.replicasMax, healthyCount)))
            let ranking = ring.ranking(of: digest)
            let positions = owners.compactMap { ranking.firstIndex(of: $0) }
            #expect(positions == positions.sorted())
            #expect(owners.allSatisfy(ring.isHealthy) || names.allSatisfy { !ring.isHealthy($0) })
        }
    }
}
