// SPDX-License-Identifier: Apache-2.0

import Placement
import Synchronization
import TUI

/// Ranks the members of a ring for every shard, beside whoever asks, once for each membership.
final class RankingDesk: Sendable {
    private struct Work {
        var members: [String] = []
        var rankings: RingRankings?
        var isUnderWay = false
        var task: Task<Void, Never>?
    }

    private let work = Mutex(Work())

    /// The rankings of `members`; nil until they are there, or when there are too many members.
    func rankings(of members: [String]) -> RingRankings? {
        guard !members.isEmpty, members.count <= RingRankings.membersMax else { return nil }
        let begins = work.withLock { work in
            guard work.members != members, !work.isUnderWay else { return false }
            work = Work(members: members, isUnderWay: true)
            return true
        }
        if begins {
            // Beside the picture, which is drawn without them meanwhile.
            let task = Task.detached(priority: .low) { [self] in
                let rankings = RingRankings(memberCount: members.count, ranks: Self.rank(members))
                work.withLock { ($0.rankings, $0.isUnderWay) = (rankings, false) }
            }
            work.withLock { $0.task = task }
        }
        return work.withLock { $0.members == members ? $0.rankings : nil }
    }

    /// Returns when nothing is being ranked.
    func settle() async { await work.withLock { $0.task }?.value }

    /// The positions of `members` from best to worst, for one shard after the other.
    static func rank(_ members: [String]) -> [UInt8] {
        var ranks: [UInt8] = []
        ranks.reserveCapacity(members.count * Ring.shardCount)
        for shard in 0..<Ring.shardCount {
            let key = [UInt8(shard >> 8), UInt8(shard & 0xff)]
            let scores = members.map { RendezvousHash.score(of: $0, keyBytes: key) }
            ranks += members.indices.sorted {
                scores[$0] != scores[$1] ? scores[$0] > scores[$1] : members[$0] < members[$1]
            }.map(UInt8.init)
        }
        return ranks
    }
}
