// SPDX-License-Identifier: Apache-2.0

package import Content

/// Members that share blobs: each digest has its owners, best first, the same for everyone who knows the same members.
/// - Source: uber/kraken lib/hashring.
package struct Ring: Hashable, Sendable {
    /// The members' labels, `host:port`, sorted and without repetition; never empty.
    package private(set) var members: [String]
    /// The most owners a blob has; positive.
    package let replicasMax: Int
    /// The members whose place others take.
    package private(set) var unhealthyMembers: Set<String> = []

    /// How many shards there are: only the first two bytes of a digest place it.
    package static let shardCount = 65_536

    /// A ring of `members`, all of them healthy.
    /// - Precondition: there is a member, and `replicasMax` is positive.
    package init(members: [String], replicasMax: Int = 3) {
        precondition(replicasMax > 0, "blobs that nobody owns")
        self.members = Self.distinct(members)
        self.replicasMax = replicasMax
    }

    private static func distinct(_ members: [String]) -> [String] {
        precondition(!members.isEmpty, "a ring without members")
        return Set(members).sorted()
    }

    /// The owners of `digest`, best first: the best `replicasMax` healthy members, or the best one when no member is healthy.
    /// Never empty.
    ///
    /// The next member takes an unhealthy owner's place, so that a blob keeps its number of copies. Kraken leaves the place
    /// empty; the owners that it names come first here, too, in the same order.
    /// - Complexity: O(members × log members).
    /// - Source: uber/kraken lib/hashring/ring.go, `Locations`.
    package func owners(of digest: Digest) -> [String] {
        let ranking = ranking(of: digest)
        let owners = ranking.lazy.filter(isHealthy).prefix(replicasMax)
        return owners.isEmpty ? [ranking[0]] : Array(owners)
    }

    /// Whether every healthy member owns every blob, so that nobody need be asked who owns one.
    package var everyoneOwnsAll: Bool {
        let healthyCount = members.count - unhealthyMembers.count
        return (1...replicasMax).contains(healthyCount)
    }

    /// What a member that holds a blob has to do so that all owners have it.
    package struct HealingDuty: Hashable, Sendable {
        /// The healthy members that come before it: if one of these holds the blob, the duty is theirs.
        package let before: [String]
        /// The owners but itself, best first.
        package let owners: [String]
    }

    /// The duty of `member` for `digest`.
    package func healingDuty(of member: String, for digest: Digest) -> HealingDuty {
        let healthy = ranking(of: digest).filter { isHealthy($0) || $0 == member }
        return HealingDuty(
            before: Array(healthy.prefix { $0 != member }),
            owners: owners(of: digest).filter { $0 != member }
        )
    }

    /// Every member from best to worst for `digest`, whatever its health.
    package func ranking(of digest: Digest) -> [String] {
        RendezvousHash.ranking(of: members, keyBytes: RendezvousHash.keyBytes(of: digest))
    }

    /// Whether `member` is not known to be unhealthy.
    package func isHealthy(_ member: String) -> Bool { !unhealthyMembers.contains(member) }

    /// Whether `member` is one of the owners that `digest` has when everyone is healthy.
    package func isReplica(_ member: String, of digest: Digest) -> Bool {
        ranking(of: digest).prefix(replicasMax).contains(member)
    }

    /// Makes exactly `members` the ring's members; the health of those that stay is kept. Answers whether that is news.
    /// - Precondition: there is a member.
    @discardableResult package mutating func replaceMembers(_ members: [String]) -> Bool {
        let distinct = Self.distinct(members)
        guard distinct != self.members else { return false }
        self.members = distinct
        unhealthyMembers.formIntersection(distinct)
        return true
    }

    /// Makes exactly the members in `healthy` the healthy ones. Answers whether that is news.
    @discardableResult package mutating func replaceHealthy(_ healthy: Set<String>) -> Bool {
        let unhealthy = Set(members).subtracting(healthy)
        guard unhealthy != unhealthyMembers else { return false }
        unhealthyMembers = unhealthy
        return true
    }

    /// How many of the 65,536 shards each member has first, whatever its health; in order of ``members``.
    /// - Complexity: O(65,536 × members), some 50 ms for three: compute it once a change of membership.
    package func shardCounts() -> [Int] {
        var counts = Array(repeating: 0, count: members.count)
        for shard in 0..<Self.shardCount {
            let key = [UInt8(shard >> 8), UInt8(shard & 255)]
            var best = (index: 0, score: -Double.infinity)
            for (index, member) in members.enumerated() {
                let score = RendezvousHash.score(of: member, keyBytes: key)
                if score > best.score { best = (index, score) }
            }
            counts[best.index] += 1
        }
        return counts
    }
}
