// SPDX-License-Identifier: Apache-2.0

import Content
import OrderedCollections
import Primitives

/// What peers say. Everything in a message is checked here; nothing in it can trap.
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

    // MARK: - Serving

    private mutating func serve(
        _ span: PieceSpan,
        to slot: Int,
        _ context: inout SwarmContext
    ) {
        let connection = peers.values[slot].connection
        guard let piece = span.wholePiece(in: layout) else {
            return sendError(span.index, "not a whole piece", connection, &context)
        }
        guard held.contains(piece) else {
            return sendError(span.index, "piece not complete", connection, &context)
        }
        guard !peers.values[slot].sending.contains(piece) else {
            // What is on its way answers this request, too, even if it was cancelled meanwhile.
            return peers.values[slot].cancelled.removeAll { $0 == piece }
        }
        guard peers.values[slot].sending.count < context.limits.requestsFromPeerMax else {
            return drop(connection, .tooManyRequests, &context)
        }
        if peers.values[slot].sending.isEmpty { peers.values[slot].sendingSince = context.now }
        peers.values[slot].sending.append(piece)
        lastRead = context.now
        context.emit(.sendPiece(connection, infoHash, piece))
    }

    private func sendError(
        _ index: Int32,
        _ text: String,
        _ connection: ConnectionID,
        _ context: inout SwarmContext
    ) {
        // Go peers trust the index they get back, so a nonsensical one is not echoed.
        let safe = layout.contains(PieceIndex(Int(index))) ? index : 0
        let message = PeerMessage.error(
            index: safe,
            code: PeerMessage.pieceRequestFailed,
            text: text
        )
        context.emit(.send(connection, message))
    }

    private mutating func cancelled(
        _ piece: PieceIndex,
        by slot: Int,
        _ context: inout SwarmContext
    ) {
        guard peers.values[slot].sending.contains(piece),
            !peers.values[slot].cancelled.contains(piece)
        else { return }
        peers.values[slot].cancelled.append(piece)
        context.emit(.cancelSend(peers.values[slot].connection, piece))
    }

    /// A payload went out: the peer holds the piece, unless it says otherwise.
    mutating func pieceSent(
        _ piece: PieceIndex,
        to connection: ConnectionID,
        bytes: Int,
        _ context: inout SwarmContext
    ) {
        lastRead = context.now
        guard let slot = peers.index(forKey: connection) else { return }
        peers.values[slot].endSending(piece)
        peers.values[slot].sendingSince = context.now
        peers.values[slot].progressAt = context.now
        peers.values[slot].bytesSent += bytes
        if peers.values[slot].bits.insert(piece) { count(piece, as: .gained, of: slot) }
        let peerID = peers.values[slot].peerID
        context.emit(.note(.sentPiece(infoHash, peerID, piece, bytes: bytes)))
    }

    /// A payload did not go out; the peer learns of it, unless it did not want it any more.
    mutating func sendFailed(
        _ piece: PieceIndex,
        to connection: ConnectionID,
        _ context: inout SwarmContext
    ) {
        guard let slot = peers.index(forKey: connection),
            peers.values[slot].sending.contains(piece)
        else { return }
        let isWanted = !peers.values[slot].cancelled.contains(piece)
        peers.values[slot].endSending(piece)
        guard isWanted else { return }
        sendError(Int32(clamping: piece.value), "piece not readable", connection, &context)
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

extension SwarmPeer {
    /// `piece` is out, or will not go out.
    mutating func endSending(_ piece: PieceIndex) {
        sending.removeAll { $0 == piece }
        if !cancelled.isEmpty { cancelled.removeAll { $0 == piece } }
    }
}
