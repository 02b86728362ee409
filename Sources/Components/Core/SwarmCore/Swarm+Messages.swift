// SPDX-License-Identifier: Apache-2.0

import Content
import OrderedCollections
import Primitives

/// What peers say. Everything in a message is checked here, or where it is served; nothing in it can trap.
extension Swarm {
    /// One message, or the head of a payload, from an active connection.
    mutating func received(
        _ message: PeerMessage,
        from connection: ConnectionID,
        _ context: inout SwarmContext
    ) {
        guard let slot = peers.index(forKey: connection) else {
            // The driver may not know yet that we closed it; a payload's head needs an answer.
            context.emit(.close(connection, .protocolViolation("no handshake")))
            return dialFailed(connection, .misbehaved, &context)
        }
        guard isWelcome(message, from: slot, context) else {
            drop(connection, .flooding, &context)
            return makeUpForLoss(&context)
        }
        switch message {
        case .bitfield, .unknown: break  // Kraken logs and ignores both
        case .pieceRequest(let span): serve(span, to: slot, &context)
        case .piecePayload(let span): payload(span, from: slot, &context)
        case .announcePiece(let index): announced(index, by: slot, &context)
        case .cancelPiece(let index): cancelled(PieceIndex(Int(index)), by: slot, &context)
        case .error(let index, let code, _):
            if code == PeerMessage.pieceRequestFailed { failed(index, at: connection, &context) }
        case .complete: completed(slot, &context)
        }
        if peers.index(forKey: connection) == nil { makeUpForLoss(&context) }
    }

    // MARK: - Idle talk

    /// Counts `message` if it changes nothing; answers whether the peer may go on. Talk costs the speaker next to nothing, and
    /// us a little: no honest peer says much that we know already.
    private mutating func isWelcome(
        _ message: PeerMessage,
        from slot: Int,
        _ context: SwarmContext
    ) -> Bool {
        guard isIdle(message, from: slot) else { return true }
        peers.values[slot].idleMessages += 1
        return peers.values[slot].idleMessages
            <= context.limits.idleMessagesMax + Self.idleMessagesPerPiece * layout.pieceCount
    }

    /// An announce of what it got from us, a request that it took back, and a rest.
    private static let idleMessagesPerPiece = 4

    private func isIdle(_ message: PeerMessage, from slot: Int) -> Bool {
        switch message {
        case .piecePayload: return false
        case .announcePiece(let index):
            let piece = PieceIndex(Int(index))
            return !layout.contains(piece) || peers.values[slot].bits.contains(piece)
        case .pieceRequest(let span):
            guard let piece = span.wholePiece(in: layout) else { return true }
            return !held.contains(piece) || peers.values[slot].sending.contains(piece)
        case .error(let index, _, _):
            return !peers.values[slot].asked.contains(PieceIndex(Int(index)))
        case .complete: return phase != .seeding && peers.values[slot].bits.isComplete
        case .bitfield, .unknown, .cancelPiece: return true
        }
    }

    // MARK: - Receiving

    /// The head of a payload: answered by exactly one of receive, discard, close.
    private mutating func payload(
        _ span: PieceSpan,
        from slot: Int,
        _ context: inout SwarmContext
    ) {
        let connection = peers.values[slot].connection
        guard let piece = span.wholePiece(in: layout) else {
            return drop(connection, .protocolViolation("not a whole piece"), &context)
        }
        let isAsked = peers.values[slot].asked.contains(piece)
        let isTakenBack =
            !isAsked && !peers.values[slot].isSlow
            && peers.values[slot].late[piece]?.isCancelled == true
        guard peers.values[slot].receiving == nil,
            isAsked || peers.values[slot].settleLate(piece)
        else {
            return drop(connection, .protocolViolation("a payload nobody asked for"), &context)
        }
        (peers.values[slot].progressAt, peers.values[slot].answeredAt) = (context.now, context.now)
        peers.values[slot].silences = 0
        guard phase == .leeching, !held.contains(piece), receivers[piece] == nil else {
            let (peerID, bytes) = (peers.values[slot].peerID, layout.bytes(of: piece))
            if isAsked { release(piece, of: slot) }
            context.emit(.note(.duplicatePiece(infoHash, peerID, piece, bytes: bytes)))
            context.emit(.discardPayload(connection, piece, bytes: bytes))
            requestMore(from: connection, &context)
            if requests.count < Self.idleRequests { requestFromAll(&context) }
            return
        }
        receivers[piece] = connection
        peers.values[slot].receiving = piece
        peers.values[slot].receivingSince = context.now
        // A late payload: nobody else shall be asked while it arrives.
        picker.unwant(piece)
        context.emit(.receivePayload(connection, infoHash, piece))
        // It began before it knew; whoever was asked instead has hardly begun yet. Who is slow may take for ever.
        if isTakenBack { takeBack(piece, except: connection, &context) }
    }

    // MARK: - What peers hold

    private mutating func announced(
        _ index: Int32,
        by slot: Int,
        _ context: inout SwarmContext
    ) {
        let piece = PieceIndex(Int(index))
        guard peers.values[slot].bits.insert(piece) else { return }
        count(piece, as: .gained, of: slot)
        if !peers.values[slot].isOrigin, !held.contains(piece) { agentsGaveAt = context.now }
        let connection = peers.values[slot].connection
        if phase == .seeding, peers.values[slot].bits.isComplete {
            return drop(connection, .bothComplete, &context)
        }
        let effectCount = context.effects.count
        if !peers.values[slot].isOrigin {
            reroute(piece, to: slot, &context)
            spareOrigins(&context)
        }
        requestMore(from: connection, &context)
        // Endgame may have found somebody else to ask, and patience with agents begins anew.
        isDeadlineKept =
            context.effects.count == effectCount && requests.count >= Self.idleRequests
            && !isEndgame(context.policy)
    }

    private mutating func completed(_ slot: Int, _ context: inout SwarmContext) {
        let connection = peers.values[slot].connection
        guard phase != .seeding else { return drop(connection, .bothComplete, &context) }
        guard !peers.values[slot].bits.isComplete else { return }
        for index in 0..<layout.pieceCount where peers.values[slot].bits.insert(PieceIndex(index)) {
            count(PieceIndex(index), as: .gained, of: slot)
        }
        requestMore(from: connection, &context)
    }
}
