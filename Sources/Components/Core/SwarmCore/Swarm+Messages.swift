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
        guard peers[connection] != nil else {
            // The driver may not know yet that we closed it; a payload's head needs an answer.
            return context.emit(.close(connection, .protocolViolation("no handshake")))
        }
        switch message {
        case .bitfield, .unknown: break  // Kraken logs and ignores both
        case .pieceRequest(let span): serve(span, to: connection, &context)
        case .piecePayload(let span): payload(span, from: connection, &context)
        case .announcePiece(let index): announced(index, by: connection, &context)
        case .cancelPiece(let index):
            context.emit(.cancelSend(connection, PieceIndex(Int(index))))
        case .error(let index, let code, _):
            if code == PeerMessage.pieceRequestFailed { failed(index, at: connection, &context) }
        case .complete: completed(connection, &context)
        }
    }

    // MARK: - Serving

    private mutating func serve(
        _ span: PieceSpan,
        to connection: ConnectionID,
        _ context: inout SwarmContext
    ) {
        guard let piece = span.wholePiece(in: layout) else {
            return sendError(span.index, "not a whole piece", connection, &context)
        }
        guard held.contains(piece) else {
            return sendError(span.index, "piece not complete", connection, &context)
        }
        guard var peer = peers[connection], !peer.sending.contains(piece) else { return }
        guard peer.sending.count < context.limits.requestsFromPeerMax else {
            return drop(connection, .tooManyRequests, &context)
        }
        peer.sending.append(piece)
        peers[connection] = peer
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

    /// A payload went out: the peer holds the piece, unless it says otherwise.
    mutating func pieceSent(
        _ piece: PieceIndex,
        to connection: ConnectionID,
        bytes: Int,
        _ context: inout SwarmContext
    ) {
        lastRead = context.now
        guard var peer = peers[connection] else { return }
        peer.sending.removeAll { $0 == piece }
        peer.progressAt = context.now
        peer.bytesSent += bytes
        if peer.bits.insert(piece) { picker.peerGained(piece, isOrigin: peer.isOrigin) }
        peers[connection] = peer
        context.emit(.note(.sentPiece(infoHash, peer.peerID, piece, bytes: bytes)))
    }

    /// A payload did not go out.
    mutating func sendFailed(_ piece: PieceIndex, to connection: ConnectionID) {
        peers[connection]?.sending.removeAll { $0 == piece }
    }

    // MARK: - Receiving

    /// The head of a payload: answered by exactly one of receive, discard, close.
    private mutating func payload(
        _ span: PieceSpan,
        from connection: ConnectionID,
        _ context: inout SwarmContext
    ) {
        guard var peer = peers[connection] else { return }
        guard let piece = span.wholePiece(in: layout) else {
            return drop(connection, .protocolViolation("not a whole piece"), &context)
        }
        let isAsked = peer.asked.contains(piece)
        guard isAsked || peer.late.remove(piece) != nil else {
            return drop(connection, .protocolViolation("a payload nobody asked for"), &context)
        }
        peer.progressAt = context.now
        guard phase == .leeching, !held.contains(piece), receivers[piece] == nil,
            peer.receiving == nil
        else {
            let bytes = layout.bytes(of: piece)
            if isAsked { forget(piece, of: &peer) }
            peers[connection] = peer
            context.emit(.note(.duplicatePiece(infoHash, peer.peerID, piece, bytes: bytes)))
            context.emit(.discardPayload(connection, piece, bytes: bytes))
            return requestMore(from: connection, &context)
        }
        receivers[piece] = connection
        peer.receiving = piece
        peer.receivingSince = context.now
        peers[connection] = peer
        // A late payload: nobody else shall be asked while it arrives.
        picker.unwant(piece)
        context.emit(.receivePayload(connection, infoHash, piece))
    }

    // MARK: - What peers hold

    private mutating func announced(
        _ index: Int32,
        by connection: ConnectionID,
        _ context: inout SwarmContext
    ) {
        let piece = PieceIndex(Int(index))
        guard layout.contains(piece), var peer = peers[connection], peer.bits.insert(piece) else {
            return
        }
        peers[connection] = peer
        picker.peerGained(piece, isOrigin: peer.isOrigin)
        if phase == .seeding, peers[connection]?.bits.isComplete == true {
            return drop(connection, .bothComplete, &context)
        }
        requestMore(from: connection, &context)
    }

    private mutating func completed(_ connection: ConnectionID, _ context: inout SwarmContext) {
        guard phase != .seeding else { return drop(connection, .bothComplete, &context) }
        guard var peer = peers[connection] else { return }
        for index in 0..<layout.pieceCount where peer.bits.insert(PieceIndex(index)) {
            picker.peerGained(PieceIndex(index), isOrigin: peer.isOrigin)
        }
        peers[connection] = peer
        requestMore(from: connection, &context)
    }

    /// The peer cannot serve a request: it does not hold the piece, whatever it said.
    private mutating func failed(
        _ index: Int32,
        at connection: ConnectionID,
        _ context: inout SwarmContext
    ) {
        let piece = PieceIndex(Int(index))
        guard var peer = peers[connection], peer.asked.contains(piece) else { return }
        if peer.bits.remove(piece) { picker.peerLost(piece, isOrigin: peer.isOrigin) }
        forget(piece, of: &peer)
        peers[connection] = peer
        context.emit(.note(.requestFailed(infoHash, peer.peerID, piece)))
        requestFromAll(&context)
        hurryIfStarved(context)
    }
}
