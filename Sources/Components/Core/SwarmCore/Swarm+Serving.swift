// SPDX-License-Identifier: Apache-2.0

import Content
import OrderedCollections
import Primitives

/// Giving pieces to peers.
extension Swarm {
    mutating func serve(
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
        guard !savesCopies(context) || firstCopies.admit(piece, to: connection, at: context.now)
        else { return }
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

    mutating func cancelled(
        _ piece: PieceIndex,
        by slot: Int,
        _ context: inout SwarmContext
    ) {
        guard peers.values[slot].sending.contains(piece),
            !peers.values[slot].cancelled.contains(piece)
        else { return }
        let connection = peers.values[slot].connection
        guard !firstCopies.cancel(piece, at: connection) else {
            return peers.values[slot].endSending(piece)
        }
        peers.values[slot].cancelled.append(piece)
        context.emit(.cancelSend(connection, piece))
    }

    /// A payload went out: the peer holds the piece, unless it says otherwise.
    mutating func pieceSent(
        _ piece: PieceIndex,
        to connection: ConnectionID,
        bytes: Int,
        _ context: inout SwarmContext
    ) {
        lastRead = context.now
        endSend(piece, to: connection, isSent: true, &context)
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
        endSend(piece, to: connection, isSent: false, &context)
        guard let slot = peers.index(forKey: connection),
            peers.values[slot].sending.contains(piece)
        else { return }
        let isWanted = !peers.values[slot].cancelled.contains(piece)
        peers.values[slot].endSending(piece)
        guard isWanted else { return }
        sendError(Int32(clamping: piece.value), "piece not readable", connection, &context)
    }

    // MARK: - Copies

    /// Whether pieces that were never sent go before those that were.
    private func savesCopies(_ context: SwarmContext) -> Bool {
        context.role == .origin && context.policy.sparesOrigins
    }

    private mutating func endSend(
        _ piece: PieceIndex,
        to connection: ConnectionID,
        isSent: Bool,
        _ context: inout SwarmContext
    ) {
        guard savesCopies(context) else { return }
        firstCopies.ended(piece, to: connection, isSent: isSent)
        sendWaiting(&context)
    }

    /// Sends further copies when no first one is under way, or when they have waited for long.
    mutating func sendWaiting(_ context: inout SwarmContext) {
        while let next = firstCopies.next(copyPatience, at: context.now) {
            context.emit(.sendPiece(next.connection, infoHash, next.piece))
        }
    }

    /// How long a request for a further copy waits at most: so long that its sender, of whatever make, does not give up.
    var copyPatience: Duration { requests.timeout / 4 }
}

extension SwarmPeer {
    /// `piece` is out, or will not go out.
    mutating func endSending(_ piece: PieceIndex) {
        sending.removeAll { $0 == piece }
        if !cancelled.isEmpty { cancelled.removeAll { $0 == piece } }
    }
}
