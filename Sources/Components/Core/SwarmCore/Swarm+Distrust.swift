// SPDX-License-Identifier: Apache-2.0

import Content
import OrderedCollections
import Primitives

/// What a swarm does when its peers are of no use, or lie.
extension Swarm {
    // MARK: - Wrong wholes

    /// Whether only origins are asked and dialled: all pieces had the right checksums and the whole was wrong, so one of those
    /// who gave them forges, and nobody knows which. Only meta info without proofs lets that happen.
    var isWary: Bool {
        guard mismatches > 0 else { return false }
        return candidates.contains(where: \.isOrigin) || peers.values.contains(where: \.isOrigin)
    }

    // MARK: - Slots taken by the useless

    /// No piece came for long: peers that never gave one make room for some that may.
    ///
    /// Whoever connects to us takes a slot and need not do anything for it. Without this, ten who do nothing would keep a
    /// host from its blob for ever.
    mutating func rescue(_ context: inout SwarmContext) {
        isBarren = true
        nextRescue = context.now.advanced(by: context.policy.barrenPatience)
        guard candidates.contains(where: { isWorthDialling($0, context) }) else {
            // Somebody else may be known by now.
            return announcing.demand(at: context.now)
        }
        let free = max(0, connectionsMax(context.policy) - connectionCount)
        let useless = peers.values.filter { peer in
            peer.bytesReceived == 0 && peer.receiving == nil && !peer.isOrigin
        }
        // Those we chose ourselves go last.
        let order = useless.filter { !$0.isOutgoing } + useless.filter(\.isOutgoing)
        for peer in order.prefix(max(0, Self.rescueSlots - free)) {
            drop(peer.connection, .useless, &context)
        }
    }

    private func isWorthDialling(_ candidate: PeerInfo, _ context: SwarmContext) -> Bool {
        !bans.isBanned(candidate.peerID, at: context.now) && !knows(candidate.peerID)
    }

    /// Slots that are kept for those whom we dial while nobody gives us anything.
    private static let rescueSlots = 3

    /// Connections up to which others are let in.
    func slotsForGuests(_ policy: SwarmPolicy) -> Int {
        guard isBarren, phase == .leeching else { return connectionsMax(policy) }
        return max(1, connectionsMax(policy) - Self.rescueSlots)
    }
}
