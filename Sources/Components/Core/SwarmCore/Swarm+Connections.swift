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
        announcing.obey(interval)
        guard phase == .leeching else { return }
        let localPeer = context.localPeer
        let others = handout.filter { $0.peerID != localPeer }
        candidates = Array(others.prefix(context.limits.handoutPeersMax))
        if context.policy.sparesOrigins {
            let rivals = candidates.filter(isRival).map(\.peerID)
            if isSmall(context.policy) {
                fetching = picker.dutyHolders(among: rivals)
                dialFirst(fetching)
            } else {
                picker.share(withKnown: rivals)
            }
            spareOrigins(&context)
        }
        makeUpForLoss(&context)
        announcing.plan(at: context.now, isStarved: isStarved, using: &generator)
    }

    /// Whether the blob has so few pieces that two peers for each are enough from the start.
    private func isSmall(_ policy: SwarmPolicy) -> Bool {
        Self.peersPerMissingPiece * layout.pieceCount < connectionsSought(policy)
    }

    /// Puts `holders`, who fetch the pieces of a small blob from the origins, before everybody who lacks them: what is left to
    /// somebody to whom there is no connection is waited for in vain.
    private mutating func dialFirst(_ holders: Set<PeerID>) {
        guard !holders.isEmpty else { return }
        let sources = candidates.prefix { !$0.isOrigin && $0.isComplete }
        let others = candidates.dropFirst(sources.count)
        candidates =
            sources + others.filter { holders.contains($0.peerID) }
            + others.filter { !holders.contains($0.peerID) }
    }

    /// Nobody could be asked for peers.
    mutating func announceFailed(_ context: inout SwarmContext) {
        switch phase {
        case .leeching:
            announcing.plan(at: context.now, isStarved: isStarved, using: &generator)
        case .committing: break
        case .seeding: announcing.retryComplete(at: context.now)
        }
    }

    /// Whether more peers are needed: no request waits, nothing is received, nobody is being dialled, and the disk is well.
    var isStarved: Bool {
        requests.isEmpty && receivers.isEmpty && dials.isEmpty && diskFaults == 0
    }

    /// Dials candidates while slots are free and more peers are of use.
    mutating func dialMore(_ context: inout SwarmContext) {
        guard phase == .leeching, context.role == .agent else { return }
        var wanted = dialsWanted(context.policy, at: context.now)
        for candidate in candidates {
            guard wanted > 0 else { return }
            guard !bans.isBanned(candidate.peerID, at: context.now), !knows(candidate.peerID),
                candidate.isOrigin || !isWary
            else { continue }
            let connection = context.makeConnection()
            if !candidate.isOrigin, !isDiallingAgents { agentsDialledAt = context.now }
            if soleSourceUntil == nil {
                let patience = context.policy.originPatience(for: layout)
                soleSourceUntil = context.now.advanced(by: patience)
            }
            dials[connection] = candidate
            if isRival(candidate) { picker.share(with: candidate.peerID) }
            // One may be enough for now.
            wanted = min(wanted - 1, dialsWanted(context.policy, at: context.now))
            let handshake = handshake(context: context, isAnswer: false)
            context.emit(.dial(connection, candidate, handshake))
        }
    }

    /// How many more peers are worth a connection: all that have a slot left for them, but of a blob that lacks few pieces only two for each.
    ///
    /// A small blob is here before a tenth connection has shaken hands. Peers that are late or have failed do not count.
    private func dialsWanted(_ policy: SwarmPolicy, at now: Instant) -> Int {
        guard !isBarren else { return connectionsMax(policy) - connectionCount }
        let free = connectionsSought(policy) - connectionCount
        let enough = Self.peersPerMissingPiece * held.missingCount
        guard enough < connectionsSought(policy) else { return free }
        if let end = soleSourceEnd(policy), now < end { return 0 }
        let useful = peers.values.count { peer in
            !peer.isSlow && peer.failed.isEmpty
                && zip(peer.bits.words, held.words).contains { $0 & ~$1 != 0 }
        }
        return min(free, enough - useful - dials.count)
    }

    /// Until when no more peers than missing pieces are worth a connection, because as many have them, or are to fetch them, and
    /// have not had the time to send them yet; nil when they are not so many.
    func soleSourceEnd(_ policy: SwarmPolicy) -> Instant? {
        guard let soleSourceUntil, isSmall(policy) else { return nil }
        let dialled = dials.values.count {
            isSource($0.peerID, isOrigin: $0.isOrigin, isComplete: $0.isComplete)
        }
        let connected = peers.values.count { peer in
            !peer.isSlow
                && isSource(peer.peerID, isOrigin: peer.isOrigin, isComplete: peer.bits.isComplete)
        }
        return dialled + connected >= held.missingCount ? soleSourceUntil : nil
    }

    /// Whether a small blob comes from that peer: an origin's is only for the agents whose duty it is.
    private func isSource(_ peer: PeerID, isOrigin: Bool, isComplete: Bool) -> Bool {
        isOrigin ? fetching.isEmpty : isComplete || fetching.contains(peer)
    }

    /// Slots there are now: more where links turn out to be slow.
    func connectionsMax(_ policy: SwarmPolicy) -> Int {
        policy.connectionsMax(pieceTime: agentsTake, for: layout)
    }

    /// Slots taken below which more peers are dialled.
    func connectionsSought(_ policy: SwarmPolicy) -> Int {
        policy.connectionsSought(of: connectionsMax(policy))
    }

    /// One that sends the piece, and one to ask when it does not.
    private static let peersPerMissingPiece = 2

    /// Whether an agent is being dialled.
    var isDiallingAgents: Bool { dials.values.contains { !$0.isOrigin } }

    func knows(_ peer: PeerID) -> Bool {
        slot(of: peer) != nil || dials.values.contains { $0.peerID == peer }
    }

    /// The position of the active connection to `peer`; nil when there is none.
    func slot(of peer: PeerID) -> Int? {
        for slot in 0..<peers.count where peers.values[slot].peerID == peer { return slot }
        return nil
    }

    /// An outgoing connection is open; the peer must be who the tracker said, in this swarm.
    mutating func dialSucceeded(
        _ connection: ConnectionID,
        _ handshake: PeerHandshake,
        _ context: inout SwarmContext
    ) {
        guard let expected = endDial(connection) else { return }
        guard handshake.peerID == expected.peerID else {
            return reject(connection, expected.peerID, .wrongPeerID, &context)
        }
        guard handshake.infoHash == infoHash, handshake.digest == metaInfo.digest else {
            return reject(connection, expected.peerID, .wrongInfoHash, &context)
        }
        guard let bits = parse(handshake.bitfieldBytes) else {
            return reject(connection, expected.peerID, .malformedBitfield, &context)
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
        guard let peer = endDial(connection) else { return }
        soleSourceUntil = context.now
        switch fault {
        case .refused: postpone(peer.peerID, .refused, &context)
        case .unreachable: strike(peer.peerID, .unreachable, &context)
        case .misbehaved: strike(peer.peerID, .misbehaved, &context)
        }
        makeUpForLoss(&context)
    }

    /// Takes a dial off the books.
    @discardableResult
    mutating func endDial(_ connection: ConnectionID) -> PeerInfo? {
        guard let peer = dials.removeValue(forKey: connection) else { return nil }
        if isRival(peer) { picker.shareNoMore(with: peer.peerID) }
        return peer
    }

    /// It has no slot for us now: try again soon, at a random moment, rather than with everybody else.
    private mutating func postpone(
        _ peer: PeerID,
        _ reason: BanReason,
        _ context: inout SwarmContext
    ) {
        let policy = context.policy
        let surplus = bans.refused(by: peer) - policy.refusalsFree
        let base = policy.refusalRetry.doubled(
            surplus,
            atMost: max(policy.refusalRetry, policy.banDuration)
        )
        let wait = base + .nanoseconds(base.nanoseconds / 1000 * Int64(generator.below(1000)))
        bans.postpone(peer, reason, until: context.now.advanced(by: wait))
    }

    func parse(_ bytes: [UInt8]) -> Bitfield? {
        // A bitfield of another length belongs to another blob; the peer is told by the closing alone.
        try? Bitfield(wireBytes: bytes, expectedPieceCount: layout.pieceCount)
    }

    /// Closes a connection that we opened: its other end is not what the tracker said.
    private mutating func reject(
        _ connection: ConnectionID,
        _ peer: PeerID,
        _ reason: CloseReason,
        _ context: inout SwarmContext
    ) {
        refuse(connection, peer, reason, &context)
        strike(peer, .closed(reason), &context)
        makeUpForLoss(&context)
    }

    /// Closes a connection before it is active. Not a ban: an incoming peer may use any id.
    func refuse(
        _ connection: ConnectionID,
        _ peer: PeerID,
        _ reason: CloseReason,
        _ context: inout SwarmContext
    ) {
        context.emit(.note(.connectionRejected(infoHash, peer, reason)))
        context.emit(.close(connection, reason))
    }

    // MARK: - Coming and going

    mutating func add(_ peer: SwarmPeer, _ context: inout SwarmContext) {
        peers[peer.connection] = peer
        count(peer, as: .gained)
        if isRival(peer) {
            picker.share(with: peer.peerID)
            spareOrigins(&context)
        }
        context.emit(
            .note(.addActiveConnection(infoHash, peer.peerID, isOutgoing: peer.isOutgoing))
        )
        if phase == .seeding, peer.bits.isComplete {
            return drop(peer.connection, .bothComplete, &context)
        }
        // With the last of those that were dialled, origins may be asked, too.
        if isDiallingAgents {
            requestMore(from: peer.connection, &context)
        } else {
            requestFromAll(&context)
        }
        // It may have nothing that is missing here.
        dialMore(&context)
        hurryIfStarved(context)
    }

    /// Whether `peer` fetches a share of the pieces from the origins.
    private func isRival(_ peer: SwarmPeer) -> Bool {
        phase != .seeding && !peer.isOrigin && !peer.wasComplete
    }

    /// Whether `peer`, which is dialled, will.
    func isRival(_ peer: PeerInfo) -> Bool {
        phase != .seeding && !peer.isOrigin && !peer.isComplete
    }

    /// Whether more peers would be of use; when every slot is taken by peers with nothing to give, some make room.
    ///
    /// Hosts that begin together otherwise fill each other's slots before any of them has a piece, and wait.
    mutating func makeUseOfAnnounce(_ context: inout SwarmContext) -> Bool {
        guard !isBarren, peers.count >= connectionsSought(context.policy) else { return true }
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
        let policy = context.policy
        switch reason {
        case .badPiece: condemn(peer, &context)
        case .idle where phase == .leeching:
            let end = context.now.advanced(by: policy.banDuration)
            bans.postpone(peer.peerID, .closed(reason), until: end)
        case .useless:
            let end = context.now.advanced(by: policy.announceInterval)
            bans.postpone(peer.peerID, .closed(reason), until: end)
        default:
            if reason.isFault, peer.isOutgoing { strike(peer.peerID, .closed(reason), &context) }
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
        if phase == .leeching { postpone(peer.peerID, .lost, &context) }
        makeUpForLoss(&context)
    }

    /// The driver closed a connection, and the peer is to blame.
    mutating func misbehaved(
        _ connection: ConnectionID,
        reason: String,
        _ context: inout SwarmContext
    ) {
        if dials[connection] != nil { return dialFailed(connection, .misbehaved, &context) }
        guard let peer = remove(connection, reason: reason, &context) else { return }
        if peer.isOutgoing { strike(peer.peerID, .misbehaved, &context) }
        makeUpForLoss(&context)
    }

    /// Takes a peer off the books; what it was asked for may be asked of others.
    private mutating func remove(
        _ connection: ConnectionID,
        reason: String,
        _ context: inout SwarmContext
    ) -> SwarmPeer? {
        guard let peer = peers.removeValue(forKey: connection) else { return nil }
        count(peer, as: .lost)
        firstCopies.remove(connection)
        sendWaiting(&context)
        if isRival(peer) { picker.shareNoMore(with: peer.peerID) }
        if let piece = peer.receiving, receivers[piece] == connection { receivers[piece] = nil }
        for piece in peer.asked { requests.remove(piece, of: connection) }
        for piece in peer.asked { wantAgain(piece) }
        if let piece = peer.receiving { wantAgain(piece) }
        context.emit(.note(.dropActiveConnection(infoHash, peer.peerID, reason: reason)))
        return peer
    }

    /// A peer came to hold a piece, or no longer does.
    enum Change { case gained, lost }

    /// Counts `piece` of the peer at `slot` in or out; a complete swarm picks nothing, so it counts nothing either.
    mutating func count(_ piece: PieceIndex, as change: Change, of slot: Int) {
        guard phase != .seeding else { return }
        let isOrigin = peers.values[slot].isOrigin
        switch change {
        case .gained: picker.peerGained(piece, isOrigin: isOrigin)
        case .lost: picker.peerLost(piece, isOrigin: isOrigin)
        }
    }

    /// Counts all pieces of `peer` in or out.
    private mutating func count(_ peer: SwarmPeer, as change: Change) {
        guard phase != .seeding else { return }
        for piece in peer.bits.indices {
            switch change {
            case .gained: picker.peerGained(piece, isOrigin: peer.isOrigin)
            case .lost: picker.peerLost(piece, isOrigin: peer.isOrigin)
            }
        }
    }

    // MARK: - Bans

    /// `peer`, which we dialled, is of no use: it is left alone for a while.
    private mutating func strike(
        _ peer: PeerID,
        _ reason: BanReason,
        _ context: inout SwarmContext
    ) {
        guard !context.policy.isBanningDisabled else { return }
        let duration = bans.strike(peer, reason, context.policy.banTerms, at: context.now)
        context.emit(.note(.banned(infoHash, peer, duration, reason)))
    }

    /// `peer` sent wrong bytes.
    private mutating func condemn(_ peer: SwarmPeer, _ context: inout SwarmContext) {
        guard !context.policy.isBanningDisabled else { return }
        let duration = bans.condemn(
            peer.peerID,
            isProved: peer.isOutgoing,
            context.policy.banTerms,
            at: context.now
        )
        context.emit(.note(.banned(infoHash, peer.peerID, duration, .closed(.badPiece))))
    }

    /// A peer is lost, or gave us up: others are asked for what it owed, and dialled in its place.
    mutating func makeUpForLoss(_ context: inout SwarmContext) {
        guard phase == .leeching else { return }
        requestFromAll(&context)
        dialMore(&context)
        hurryIfStarved(context)
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
