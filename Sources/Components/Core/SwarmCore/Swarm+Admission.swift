// SPDX-License-Identifier: Apache-2.0

import Content
import OrderedCollections
import Primitives

/// Incoming connections: who is let in.
extension Swarm {
    /// A peer wants in.
    mutating func admit(
        _ connection: ConnectionID,
        _ handshake: PeerHandshake,
        _ context: inout SwarmContext
    ) {
        let peerID = handshake.peerID
        guard handshake.infoHash == infoHash, handshake.digest == metaInfo.digest else {
            return refuse(connection, peerID, .wrongInfoHash, &context)
        }
        guard !bans.isShutOut(peerID, at: context.now) else {
            return refuse(connection, peerID, .banned, &context)
        }
        guard !isOrigin(peerID) else { return refuse(connection, peerID, .impostor, &context) }
        guard let bits = parse(handshake.bitfieldBytes) else {
            return refuse(connection, peerID, .malformedBitfield, &context)
        }
        guard settleDuplicate(of: connection, from: peerID, &context) else { return }
        guard connectionCount < slotsForGuests(context.policy) || makeSlot(&context) else {
            return refuse(connection, peerID, .noSlot, &context)
        }
        if let mutualMax = context.policy.mutualConnectionsMax {
            let mutual = handshake.neighbours.count { knows($0) }
            guard mutual <= mutualMax else {
                return refuse(connection, peerID, .tooManyNeighboursInCommon, &context)
            }
        }
        context.emit(.accept(connection, self.handshake(context: context, isAnswer: true)))
        // Whether an incoming peer is an origin is unknown, as in Kraken: the wire does not say.
        let peer = SwarmPeer(
            connection: connection,
            peerID: peerID,
            isOrigin: false,
            isOutgoing: false,
            bits: bits,
            at: context.now
        )
        add(peer, &context)
    }

    /// Whether a tracker said that `peer` is an origin. Origins never dial, so whoever connects by that name lies, and shall not
    /// take the slot in which the origin would be dialled.
    private func isOrigin(_ peer: PeerID) -> Bool {
        candidates.contains { $0.isOrigin && $0.peerID == peer }
            || dials.values.contains { $0.isOrigin && $0.peerID == peer }
            || peers.values.contains { $0.isOrigin && $0.peerID == peer }
    }

    /// Two connections to one peer: keeps one, the same one on both sides; answers whether the new one may go on.
    private mutating func settleDuplicate(
        of connection: ConnectionID,
        from peerID: PeerID,
        _ context: inout SwarmContext
    ) -> Bool {
        if let slot = slot(of: peerID) {
            let old = peers.values[slot]
            // It dialled while we did, and has given that up for ours.
            if old.isOutgoing, peerID < context.localPeer,
                old.connectedAt.advanced(by: context.policy.handshakeTimeout) > context.now
            {
                refuse(connection, peerID, .simultaneousOpen, &context)
                return false
            }
            // A peer that connects anew has lost the old connection, unless bytes flow on it.
            guard !old.isBusy || old.progressAt.advanced(by: requests.timeout) <= context.now else {
                refuse(connection, peerID, .duplicate, &context)
                return false
            }
            drop(old.connection, .duplicate, &context)
        }
        guard let dial = dials.first(where: { $0.value.peerID == peerID }) else { return true }
        // Both sides dialled at once: the one opened by the greater id stays.
        guard peerID > context.localPeer else {
            refuse(connection, peerID, .simultaneousOpen, &context)
            return false
        }
        endDial(dial.key)
        context.emit(.close(dial.key, .simultaneousOpen))
        return true
    }

    /// Takes the slot of the peer that has been idle for longest, if this host has nothing to gain from it.
    private mutating func makeSlot(_ context: inout SwarmContext) -> Bool {
        guard phase == .seeding else { return false }
        let idle = peers.values.filter { !$0.isBusy }.min { $0.progressAt < $1.progressAt }
        let patience = context.policy.crowdedIdleMax
        guard let idle, idle.progressAt.advanced(by: patience) <= context.now else { return false }
        drop(idle.connection, .idle, &context)
        return true
    }
}
