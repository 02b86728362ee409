// SPDX-License-Identifier: Apache-2.0

import Content
import OrderedCollections
import Primitives

/// Slots: who is dialled, who is let in, who is dropped.
extension Swarm {
    // MARK: - Outgoing

    /// Peers from a tracker, in the order in which it wants them dialled.
    mutating func handout(_ handout: [PeerInfo], interval: Duration, _ context: inout SwarmContext)
    {
        if interval > .zero, interval <= .minutes(1) { announcing.interval = interval }
        guard phase == .leeching else { return }
        let localPeer = context.localPeer
        let others = handout.filter { $0.peerID != localPeer }
        candidates = Array(others.prefix(context.limits.handoutPeersMax))
        dialMore(&context)
        announcing.plan(at: context.now, isStarved: isStarved, using: &generator)
    }

    /// Nobody could be asked for peers.
    mutating func announceFailed(_ context: inout SwarmContext) {
        guard phase == .leeching else { return announcing.isUnderWay = false }
        announcing.plan(at: context.now, isStarved: isStarved, using: &generator)
    }

    /// Whether nothing can arrive: no request waits, nothing is received, nobody is being dialled.
    var isStarved: Bool { requests.isEmpty && receivers.isEmpty && dials.isEmpty }

    /// Dials candidates while slots are free.
    mutating func dialMore(_ context: inout SwarmContext) {
        guard phase == .leeching, context.role == .agent else { return }
        for candidate in candidates {
            guard connectionCount < context.policy.connectionsMax else { return }
            guard !bans.isBanned(candidate.peerID, at: context.now), !knows(candidate.peerID) else {
                continue
            }
            let connection = context.makeConnection()
            dials[connection] = candidate
            let handshake = handshake(context: context, isAnswer: false)
            context.emit(.dial(connection, candidate, handshake))
        }
    }

    private func knows(_ peer: PeerID) -> Bool {
        peers.values.contains { $0.peerID == peer } || dials.values.contains { $0.peerID == peer }
    }

    /// An outgoing connection is open; the peer must be who the tracker said, in this swarm.
    mutating func dialSucceeded(
        _ connection: ConnectionID,
        _ handshake: PeerHandshake,
        _ context: inout SwarmContext
    ) {
        guard let expected = dials.removeValue(forKey: connection) else { return }
        guard handshake.peerID == expected.peerID else {
            return refuse(connection, expected.peerID, .wrongPeerID, &context)
        }
        guard handshake.infoHash == infoHash, handshake.digest == metaInfo.digest else {
            return refuse(connection, expected.peerID, .wrongInfoHash, &context)
        }
        guard let bits = parse(handshake.bitfieldBytes) else {
            return refuse(connection, expected.peerID, .malformedBitfield, &context)
        }
        let peer = SwarmPeer(
            connection: connection,
            peerID: expected.peerID,
            isOrigin: expected.isOrigin,
            isOutgoing: true,
            bits: bits,
            at: context.now
        )
        add(peer, &context)
    }

    /// An outgoing connection did not come about.
    mutating func dialFailed(
        _ connection: ConnectionID,
        _ fault: DialFault,
        _ context: inout SwarmContext
    ) {
        guard let peer = dials.removeValue(forKey: connection) else { return }
        switch fault {
        case .refused: postpone(peer.peerID, &context)
        case .unreachable, .misbehaved: ban(peer.peerID, isHostile: false, &context)
        }
        dialMore(&context)
        hurryIfStarved(context)
    }

    /// It has no slot for us now: try again soon, at a random moment, rather than with everybody else.
    private mutating func postpone(_ peer: PeerID, _ context: inout SwarmContext) {
        let base = context.policy.refusalRetry
        let wait = base + .nanoseconds(base.nanoseconds / 1000 * Int64(generator.below(1000)))
        bans.postpone(peer, until: context.now.advanced(by: wait))
    }

    // MARK: - Incoming

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
        guard !bans.isHostile(peerID, at: context.now) else {
            return refuse(connection, peerID, .banned, &context)
        }
        guard let bits = parse(handshake.bitfieldBytes) else {
            return refuse(connection, peerID, .malformedBitfield, &context)
        }
        guard settleDuplicate(of: connection, from: peerID, &context) else { return }
        guard connectionCount < context.policy.connectionsMax else {
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

    /// Two connections to one peer: keeps one, the same one on both sides; answers whether the new one may go on.
    private mutating func settleDuplicate(
        of connection: ConnectionID,
        from peerID: PeerID,
        _ context: inout SwarmContext
    ) -> Bool {
        if let old = peers.values.first(where: { $0.peerID == peerID }) {
            // A peer that connects anew has lost the old connection, unless bytes flow on it.
            guard !old.isBusy else {
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
        dials[dial.key] = nil
        context.emit(.close(dial.key, .simultaneousOpen))
        return true
    }

    private func parse(_ bytes: [UInt8]) -> Bitfield? {
        // A bitfield of another length belongs to another blob; the peer is told by the closing alone.
        try? Bitfield(wireBytes: bytes, expectedPieceCount: layout.pieceCount)
    }

    private mutating func refuse(
        _ connection: ConnectionID,
        _ peer: PeerID,
        _ reason: CloseReason,
        _ context: inout SwarmContext
    ) {
        context.emit(.note(.connectionRejected(infoHash, peer, reason)))
        context.emit(.close(connection, reason))
        if reason.isFault { ban(peer, isHostile: false, &context) }
    }

    // MARK: - Coming and going

    private mutating func add(_ peer: SwarmPeer, _ context: inout SwarmContext) {
        peers[peer.connection] = peer
        for piece in peer.bits.indices { picker.peerGained(piece, isOrigin: peer.isOrigin) }
        context.emit(
            .note(.addActiveConnection(infoHash, peer.peerID, isOutgoing: peer.isOutgoing))
        )
        if phase == .seeding, peer.bits.isComplete {
            return drop(peer.connection, .bothComplete, &context)
        }
        requestMore(from: peer.connection, &context)
        hurryIfStarved(context)
    }

    /// Whether more peers would be of use; when every slot is taken by peers with nothing to give, some make room.
    ///
    /// Hosts that begin together otherwise fill each other's slots before any of them has a piece, and wait.
    mutating func makeUseOfAnnounce(_ context: inout SwarmContext) -> Bool {
        guard peers.count >= context.policy.connectionsMax else { return true }
        guard isStarved else { return false }
        let useless = peers.values.filter {
            !$0.isBusy && picker.availability.offered(by: $0.bits) == 0
        }
        for peer in useless.prefix(Self.makeRoomCount) { drop(peer.connection, .useless, &context) }
        return !useless.isEmpty
    }

    /// Peers that make room at a time.
    private static let makeRoomCount = 3

    /// Closes an active connection for `reason`.
    mutating func drop(
        _ connection: ConnectionID,
        _ reason: CloseReason,
        _ context: inout SwarmContext
    ) {
        guard let peer = remove(connection, reason: "\(reason)", &context) else { return }
        context.emit(.close(connection, reason))
        if reason.isFault {
            ban(peer.peerID, isHostile: reason == .badPiece, &context)
        } else if reason == .idle || reason == .useless {
            let policy = context.policy
            let wait = reason == .idle ? policy.banDuration : policy.announceInterval
            bans.postpone(peer.peerID, until: context.now.advanced(by: wait))
        }
    }

    /// A connection is gone.
    mutating func closed(
        _ connection: ConnectionID,
        reason: String,
        _ context: inout SwarmContext
    ) {
        if dials[connection] != nil { return dialFailed(connection, .unreachable, &context) }
        guard let peer = remove(connection, reason: reason, &context) else { return }
        if phase == .leeching {
            postpone(peer.peerID, &context)
            requestFromAll(&context)
            dialMore(&context)
            hurryIfStarved(context)
        }
    }

    /// Takes a peer off the books; what it was asked for may be asked of others.
    private mutating func remove(
        _ connection: ConnectionID,
        reason: String,
        _ context: inout SwarmContext
    ) -> SwarmPeer? {
        guard var peer = peers.removeValue(forKey: connection) else { return nil }
        for piece in peer.bits.indices { picker.peerLost(piece, isOrigin: peer.isOrigin) }
        if let piece = peer.receiving, receivers[piece] == connection { receivers[piece] = nil }
        for piece in peer.asked { forget(piece, of: &peer) }
        if let piece = peer.receiving { wantAgain(piece) }
        context.emit(.note(.dropActiveConnection(infoHash, peer.peerID, reason: reason)))
        return peer
    }

    private mutating func ban(_ peer: PeerID, isHostile: Bool, _ context: inout SwarmContext) {
        guard !context.policy.isBanningDisabled else { return }
        let duration = bans.ban(
            peer,
            base: context.policy.banDuration,
            longest: context.policy.banDurationMax,
            isHostile: isHostile,
            at: context.now
        )
        context.emit(.note(.banned(infoHash, peer, duration)))
    }

    /// Announces soon when nobody is left to ask.
    mutating func hurryIfStarved(_ context: SwarmContext) {
        if phase == .leeching, isStarved { announcing.hurry(at: context.now) }
    }

    /// Closes everything before the swarm is forgotten.
    mutating func end(_ reason: ForgetReason, _ context: inout SwarmContext) {
        let closing: CloseReason = reason == .stopped ? .stopping : .swarmForgotten
        for dial in dials.keys { context.emit(.close(dial, closing)) }
        dials.removeAll()
        for connection in peers.keys { drop(connection, closing, &context) }
        if phase != .seeding { context.emit(.note(.torrentCancelled(infoHash, reason))) }
        context.emit(.forgotten(infoHash, reason))
    }
}
