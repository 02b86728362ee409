// SPDX-License-Identifier: Apache-2.0

import Content
import OrderedCollections
import Primitives

/// Asking for pieces.
extension Swarm {
    /// Fills the free request slots of one peer.
    mutating func requestMore(from connection: ConnectionID, _ context: inout SwarmContext) {
        guard phase == .leeching, var peer = peers[connection] else { return }
        let slots = slots(of: peer, context.policy)
        while peer.asked.count < slots {
            guard let pick = choose(for: peer, context) else { break }
            let scene = RequestScene(
                offered: picker.availability.offered(by: peer.bits),
                holders: picker.availability.count(of: pick.piece),
                connections: peers.count,
                slot: peer.asked.count + 1,
                slots: slots
            )
            picker.unwant(pick.piece)
            requests.add(pick.piece, of: connection, at: context.now)
            peer.asked.append(pick.piece)
            peer.late.remove(pick.piece)
            context.emit(
                .note(.requestPiece(infoHash, peer.peerID, pick.piece, pick.reason, scene))
            )
            context.emit(.send(connection, .pieceRequest(PieceSpan(pick.piece, in: layout))))
        }
        peers[connection] = peer
    }

    /// Requests under way below which origins are asked for what agents hold, too.
    static let idleRequests = 2

    /// Fills the free request slots of every peer when few requests are left.
    mutating func requestWhenIdle(_ context: inout SwarmContext) {
        let asked = peers.values.reduce(0) { $0 + $1.asked.count }
        if asked < Self.idleRequests { requestFromAll(&context) }
    }

    /// Fills the free request slots of every peer.
    mutating func requestFromAll(_ context: inout SwarmContext) {
        guard phase == .leeching else { return }
        for connection in peers.keys { requestMore(from: connection, &context) }
    }

    /// How many pieces may be asked of `peer` at a time; one after it left a request unanswered.
    private func slots(of peer: SwarmPeer, _ policy: SwarmPolicy) -> Int {
        if peer.expiries > 0 { return 1 }
        return peer.isOrigin ? policy.requestsPerOrigin : policy.requestsPerAgent
    }

    private mutating func choose(for peer: SwarmPeer, _ context: SwarmContext) -> PiecePicker.Pick?
    {
        if peer.isOrigin, let budget = context.policy.originRequestsMax(for: layout) {
            let asked = peers.values.reduce(into: (origins: 0, all: 0)) { sums, other in
                // The peer's own list is ahead of the table while its slots are being filled.
                let count =
                    other.connection == peer.connection ? peer.asked.count : other.asked.count
                sums.all += count
                if other.isOrigin { sums.origins += count }
            }
            if asked.origins < budget,
                let pick = picker.originPick(from: peer.bits, using: &generator)
            {
                return pick
            }
            // What agents hold comes from agents, unless they keep us waiting.
            guard asked.all < Self.idleRequests else { return endgamePick(for: peer, context) }
        }
        if let pick = picker.pick(from: peer.bits, using: &generator) { return pick }
        return endgamePick(for: peer, context)
    }

    /// When few pieces are missing, the one that another peer has owed for longest, unless it is young.
    private func endgamePick(for peer: SwarmPeer, _ context: SwarmContext) -> PiecePicker.Pick? {
        guard isEndgame(context.policy) else { return nil }
        var oldest: PieceRequests.Request?
        for piece in missingPieces where peer.bits.contains(piece) && !peer.asked.contains(piece) {
            let others = requests.requests(for: piece)
            guard let first = others.first, others.count == 1, first.connection != peer.connection,
                first.askedAt.advanced(by: context.policy.endgameDelay) <= context.now
            else { continue }
            if first.askedAt < oldest?.askedAt ?? .distantFuture { oldest = first }
        }
        return oldest.map { PiecePicker.Pick(piece: $0.piece, reason: .endgame) }
    }

    func isEndgame(_ policy: SwarmPolicy) -> Bool {
        phase == .leeching && !policy.isEndgameDisabled && held.missingCount <= policy.endgamePieces
    }

    /// The missing pieces; called in endgame only, when they are few.
    /// - Complexity: O(pieces / 64 + missing).
    private var missingPieces: [PieceIndex] {
        var missing: [PieceIndex] = []
        for (position, word) in held.words.enumerated() {
            var rest = ~word
            while rest != 0 {
                let piece = PieceIndex(position * 64 + rest.trailingZeroBitCount)
                guard layout.contains(piece) else { break }
                missing.append(piece)
                rest &= rest - 1
            }
        }
        return missing
    }

    /// When endgame may ask a second peer; nil when it is not near.
    func nextEndgame(_ policy: SwarmPolicy) -> Instant? {
        guard isEndgame(policy), peers.count > 1 else { return nil }
        return missingPieces.compactMap { piece -> Instant? in
            let others = requests.requests(for: piece)
            guard others.count == 1, let first = others.first else { return nil }
            let hasOther = peers.values.contains { peer in
                peer.connection != first.connection && peer.bits.contains(piece)
                    && peer.asked.count < slots(of: peer, policy)
            }
            return hasOther ? first.askedAt.advanced(by: policy.endgameDelay) : nil
        }.min()
    }

    // MARK: - Requests that end otherwise than by their piece

    /// `peer` no longer owes `piece`; nobody does, so it is wanted again.
    mutating func forget(_ piece: PieceIndex, of peer: inout SwarmPeer) {
        requests.remove(piece, of: peer.connection)
        peer.asked.removeAll { $0 == piece }
        wantAgain(piece)
    }

    /// Lets `piece` be asked for, unless it is held, under way or being received.
    mutating func wantAgain(_ piece: PieceIndex) {
        guard !held.contains(piece), receivers[piece] == nil, requests.requests(for: piece).isEmpty
        else { return }
        picker.want(piece)
    }

    /// `piece` is here: nobody else needs to send it.
    mutating func cancelOthers(
        asking piece: PieceIndex,
        except connection: ConnectionID,
        _ context: inout SwarmContext
    ) {
        for request in requests.requests(for: piece) where request.connection != connection {
            guard var peer = peers[request.connection] else { continue }
            requests.remove(piece, of: request.connection)
            peer.asked.removeAll { $0 == piece }
            peer.late.insert(piece)
            peers[request.connection] = peer
            context.emit(.send(request.connection, .cancelPiece(Int32(clamping: piece.value))))
            requestMore(from: request.connection, &context)
        }
    }

    /// When the oldest payload that is arriving takes too long; nil when none is.
    ///
    /// A slow payload has twice the time of a request from its head on: asking anew would only slow it further.
    var nextStall: Instant? {
        peers.values.lazy.filter { $0.receiving != nil }
            .map { $0.receivingSince.advanced(by: requests.timeout * 2) }.min()
    }

    /// Drops peers whose payload began and does not end; their silence may be a death nobody noticed.
    mutating func dropStalled(_ context: inout SwarmContext) {
        guard let stall = nextStall, stall <= context.now else { return }
        for peer in peers.values where peer.receiving != nil {
            guard peer.receivingSince.advanced(by: requests.timeout * 2) <= context.now else {
                continue
            }
            drop(peer.connection, .unanswered, &context)
        }
        requestFromAll(&context)
        dialMore(&context)
    }

    /// Requests whose time is over: others may be asked, and a peer that never answers is dropped.
    mutating func expireRequests(_ context: inout SwarmContext) {
        let expired = requests.expire(at: context.now)
        guard !expired.isEmpty else { return }
        for request in expired {
            guard var peer = peers[request.connection] else { continue }
            // A payload that is arriving is late, not lost.
            let isArriving = peer.receiving == request.piece
            peer.asked.removeAll { $0 == request.piece }
            peer.late.insert(request.piece)
            if !isArriving { peer.expiries += 1 }
            peers[request.connection] = peer
            context.emit(.note(.requestExpired(infoHash, peer.peerID, request.piece)))
            wantAgain(request.piece)
            if peer.expiries >= context.policy.expiriesMax {
                drop(request.connection, .unanswered, &context)
            }
        }
        // Others first: the peer that was silent may be asked again only for what is left.
        for peer in peers.values.sorted(by: {
            ($0.expiries, $0.connection) < ($1.expiries, $1.connection)
        }) {
            requestMore(from: peer.connection, &context)
        }
        dialMore(&context)
    }
}
