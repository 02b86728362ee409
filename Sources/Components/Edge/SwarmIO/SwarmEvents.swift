// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
package import SwarmCore
package import Telemetry

/// The scheduler's notes in the words of the event stream.
package enum SwarmEvents {
    /// The event that tells of `note`; nil for notes that only count.
    package static func event(for note: SwarmNote) -> ClusterEvent? {
        switch note {
        case .addTorrent(let hash, let held):
            let detail = ["held": "\(held.heldCount)", "pieces": "\(held.pieceCount)"]
            return ClusterEvent(.addTorrent, torrent: hash, detail: detail)
        case .addActiveConnection(let hash, let peer, let isOutgoing):
            let detail = ["direction": isOutgoing ? "outgoing" : "incoming"]
            return ClusterEvent(.addActiveConnection, torrent: hash, peer: peer, detail: detail)
        case .dropActiveConnection(let hash, let peer, let reason):
            return ClusterEvent(.dropActiveConnection, torrent: hash, peer: peer, reason: reason)
        case .connectionRejected(let hash, let peer, let reason):
            return ClusterEvent(
                .connectionRejected,
                torrent: hash,
                peer: peer,
                reason: "\(reason)"
            )
        case .banned(let hash, let peer, let duration, let reason):
            return ClusterEvent(
                .banConnection,
                torrent: hash,
                peer: peer,
                durationMilliseconds: duration.wholeMilliseconds,
                reason: reason.text
            )
        case .torrentComplete(let hash): return ClusterEvent(.torrentComplete, torrent: hash)
        case .torrentCancelled(let hash, let reason):
            return ClusterEvent(.torrentCancelled, torrent: hash, reason: "\(reason)")
        default: return pieceEvent(for: note)
        }
    }

    private static func pieceEvent(for note: SwarmNote) -> ClusterEvent? {
        func event(
            _ kind: EventKind,
            _ hash: InfoHash,
            _ peer: PeerID,
            _ piece: PieceIndex,
            bytes: Int? = nil
        ) -> ClusterEvent {
            ClusterEvent(kind, torrent: hash, peer: peer, piece: piece.value, bytes: bytes)
        }
        switch note {
        case .requestPiece(let hash, let peer, let piece, let reason, let scene):
            var request = event(.requestPiece, hash, peer, piece)
            request.reason = Self.text(reason)
            request.detail = [
                "offered": "\(scene.offered)", "holders": "\(scene.holders)",
                "conns": "\(scene.connections)", "slot": "\(scene.slot)",
                "slots": "\(scene.slots)",
            ]
            return request
        case .receivePiece(let hash, let peer, let piece, let bytes, let took, let fromOrigin):
            var receipt = event(.receivePiece, hash, peer, piece, bytes: bytes)
            receipt.tookMilliseconds = took.wholeMilliseconds
            if fromOrigin { receipt.detail = ["origin": "true"] }
            return receipt
        case .duplicatePiece(let hash, let peer, let piece, let bytes):
            return event(.duplicatePiece, hash, peer, piece, bytes: bytes)
        case .badPiece(let hash, let peer, let piece):
            return event(.hashFailed, hash, peer, piece)
        case .sentPiece(let hash, let peer, let piece, let bytes):
            return event(.sendPiece, hash, peer, piece, bytes: bytes)
        case .requestExpired(let hash, let peer, let piece):
            return event(.requestExpired, hash, peer, piece)
        case .requestFailed(let hash, let peer, let piece):
            var failure = event(.requestExpired, hash, peer, piece)
            failure.reason = "refused"
            return failure
        case .requestWithdrawn(let hash, let peer, let piece, let reason):
            var withdrawal = event(.requestWithdrawn, hash, peer, piece)
            withdrawal.reason = "\(reason)"
            return withdrawal
        default: return nil
        }
    }

    private static func text(_ reason: RequestReason) -> String {
        switch reason {
        case .reader: "reader"
        case .rarest(let availability): "rarest(availability: \(availability))"
        case .random: "random"
        case .onlySource: "onlySource"
        case .endgame: "endgame"
        }
    }
}

extension Duration {
    /// The duration in milliseconds, cut.
    var wholeMilliseconds: Int { Int(clamping: nanoseconds / 1_000_000) }
}
