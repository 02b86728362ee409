// SPDX-License-Identifier: Apache-2.0

import Content
import Placement
import TUI
import Testing

@testable import Herd

@Suite("Ranking the members of a ring")
struct RankingDeskTests {
    private static let members = ["10.0.0.1:15002", "10.0.0.2:15002", "10.0.0.3:15002"]

    @Test("ranks every shard as the ring does, whatever the order of the members")
    func ranks() throws {
        let members = Array(Self.members.reversed())
        let ranks = RankingDesk.rank(members)
        #expect(ranks.count == members.count * Ring.shardCount)
        let ring = Ring(members: members)
        for shard in stride(from: 0, to: Ring.shardCount, by: 251) {
            let bytes = [UInt8(shard >> 8), UInt8(shard & 0xff)] + [UInt8](repeating: 7, count: 30)
            let digest = try #require(Digest(bytes: bytes))
            let own = ranks[shard * 3..<shard * 3 + 3].map { members[Int($0)] }
            #expect(own == ring.ranking(of: digest), "shard \(shard)")
        }
    }

    @Test("has them a while after it was asked for the first time, and for a new membership anew")
    func beside() async throws {
        let desk = RankingDesk()
        #expect(desk.rankings(of: []) == nil)
        #expect(desk.rankings(of: Self.members) == nil)
        for members in [Self.members, Array(Self.members.prefix(2))] {
            _ = desk.rankings(of: members)
            await desk.settle()
            let rankings = try #require(desk.rankings(of: members))
            let down = members.map { _ in false }
            let outcome = try #require(rankings.outcome(without: down, replicasMax: 2))
            #expect(outcome.shards.reduce(0, +) == Ring.shardCount && outcome.movedCount == 0)
        }
    }
}
