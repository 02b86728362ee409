// SPDX-License-Identifier: Apache-2.0

package import Content

/// In which order a handout names its peers. Order matters: agents dial from the front until their slots are taken.
/// - Source: uber/kraken tracker/peerhandoutpolicy.
package enum HandoutPolicy: Hashable, Sendable {
    /// As they come: agents in random order, then origins. Kraken's `default`.
    case unordered
    /// Agents with the whole blob, then origins, then the other agents: spares the origins. Kraken's `completeness`.
    case completeness

    /// `peers` in the policy's order; equals keep theirs.
    package func ordered(_ peers: [PeerInfo]) -> [PeerInfo] {
        switch self {
        case .unordered:
            return peers
        case .completeness:
            var ranks: [[PeerInfo]] = [[], [], []]
            for peer in peers { ranks[Self.rank(of: peer)].append(peer) }
            return ranks[0] + ranks[1] + ranks[2]
        }
    }

    private static func rank(of peer: PeerInfo) -> Int {
        if peer.isOrigin { return 1 }
        return peer.isComplete ? 0 : 2
    }
}

/// Who is handed out in one answer, and what they are.
package struct Handout: Hashable, Sendable {
    /// The peers in the order in which to dial them.
    package let peers: [PeerInfo]

    /// The handout of `agents` and `origins` under `policy`, without the requester.
    package init(
        agents: [PeerInfo],
        origins: [PeerInfo],
        requester: PeerID,
        policy: HandoutPolicy
    ) {
        let all = (agents + origins).filter { $0.peerID != requester }
        peers = policy.ordered(all)
    }

    /// Whether there is nobody to hand out.
    package var isEmpty: Bool { peers.isEmpty }
    /// The origins among the peers.
    package var originCount: Int { peers.count { $0.isOrigin } }
    /// The agents among the peers that have the whole blob.
    package var seederCount: Int { peers.count { !$0.isOrigin && $0.isComplete } }
    /// The agents among the peers that lack pieces.
    package var leecherCount: Int { peers.count { !$0.isOrigin && !$0.isComplete } }
}
