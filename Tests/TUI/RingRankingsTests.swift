// SPDX-License-Identifier: Apache-2.0

import Primitives
import TUI
import TestSupport
import Testing

@Suite("What origins would own if others were down")
struct RingRankingsTests {
    private static func random(_ members: Int, _ generator: inout Generator) -> [[UInt8]] {
        (0..<RingPicture.shardCount).map { _ in
            (0..<UInt8(members)).shuffled(using: &generator)
        }
    }

    @Test("is what counting shard by shard gives", arguments: Seeds.fresh(4))
    func outcome(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        let count = 1 + generator.below(6)
        let shards = Self.random(count, &generator)
        let rankings = try #require(
            RingRankings(memberCount: count, ranks: shards.flatMap(\.self))
        )
        let down = (0..<count).map { _ in generator.below(2) == 0 }
        let replicas = 1 + generator.below(4)
        let outcome = try #require(rankings.outcome(without: down, replicasMax: replicas))
        for member in 0..<count {
            let owned = shards.count { shard in
                shard.first { !down[Int($0)] } == UInt8(member)
            }
            #expect(outcome.shards[member] == owned, "seed \(seed)")
        }
        #expect(outcome.movedCount == shards.count { down[Int($0[0])] }, "seed \(seed)")
        let lost = shards.count { $0.prefix(replicas).allSatisfy { down[Int($0)] } }
        #expect(outcome.lostCount == lost, "seed \(seed)")
        #expect(rankings.outcome(without: down + [true], replicasMax: replicas) == nil)
    }

    @Test("rankings that leave a member out, or name a stranger, are none")
    func malformed() {
        let shards = RingPicture.shardCount
        let good: [UInt8] = (0..<shards).flatMap { _ -> [UInt8] in [0, 1] }
        #expect(RingRankings(memberCount: 2, ranks: good) != nil)
        #expect(RingRankings(memberCount: 2, ranks: Array(good.dropLast())) == nil)
        #expect(RingRankings(memberCount: 2, ranks: good.dropLast() + [0]) == nil)
        #expect(RingRankings(memberCount: 2, ranks: good.dropLast() + [9]) == nil)
        #expect(RingRankings(memberCount: 0, ranks: []) == nil)
    }

    @Test("are said to be exact where they are, with the shards that nobody would own")
    func shown() {
        var picture = SamplePicture.make()
        let ranks = (0..<RingPicture.shardCount).flatMap { shard -> [UInt8] in
            shard % 4 == 0 ? [2, 0, 1] : [1, 0, 2]
        }
        picture.ring?.rankings = RingRankings(memberCount: 3, ranks: ranks)
        var view = SamplePicture.view(.components, 120, 36)
        view.components.whatIf = ["o2", "o0"]
        let text = render(picture, view).text
        #expect(text.contains("exact") && !text.contains("estimate"))
        #expect(text.contains("→ 100.0%"))
        #expect(text.contains("16 384 shards (25.0%) would move"))
        #expect(text.contains("16 384 shards (25.0%) would have"))
    }
}
