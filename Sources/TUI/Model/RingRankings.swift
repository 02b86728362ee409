// SPDX-License-Identifier: Apache-2.0

/// For each shard of a ring its members, best first: what any of them would own if others were down, exactly.
package struct RingRankings: Equatable, Sendable {
    /// What a ring does without some of its members.
    package struct Outcome: Equatable, Sendable {
        /// Shards that each member owns first; none where it is down.
        package var shards: [Int]
        /// Shards whose first owner is another one than before.
        package var movedCount = 0
        /// Shards all of whose owners are down: their blobs can be had from backends only.
        package var lostCount = 0
    }

    /// Members that a ring may have to be ranked.
    package static let membersMax = 64

    private let memberCount: Int
    /// Positions of members, as many a shard as there are members.
    private let ranks: [UInt8]

    /// The rankings of `memberCount` members, one shard after the other; nil unless each shard ranks each of them once.
    package init?(memberCount: Int, ranks: [UInt8]) {
        guard (1...Self.membersMax).contains(memberCount),
            ranks.count == memberCount * RingPicture.shardCount
        else { return nil }
        let everybody = memberCount == 64 ? UInt64.max : (1 << UInt64(memberCount)) - 1
        for start in stride(from: 0, to: ranks.count, by: memberCount) {
            let seen = ranks[start..<start + memberCount].reduce(UInt64(0)) { seen, member in
                member < memberCount ? seen | 1 << UInt64(member) : 0
            }
            guard seen == everybody else { return nil }
        }
        (self.memberCount, self.ranks) = (memberCount, ranks)
    }

    /// What becomes of the shards without the members that are `down`, where each blob has `replicasMax` owners; nil when these are
    /// not the members that were ranked.
    package func outcome(without down: [Bool], replicasMax: Int) -> Outcome? {
        guard down.count == memberCount else { return nil }
        var outcome = Outcome(shards: Array(repeating: 0, count: memberCount))
        for start in stride(from: 0, to: ranks.count, by: memberCount) {
            var place = 0
            while place < memberCount, down[Int(ranks[start + place])] { place += 1 }
            if place > 0 { outcome.movedCount += 1 }
            if place >= min(replicasMax, memberCount) { outcome.lostCount += 1 }
            if place < memberCount { outcome.shards[Int(ranks[start + place])] += 1 }
        }
        return outcome
    }
}
