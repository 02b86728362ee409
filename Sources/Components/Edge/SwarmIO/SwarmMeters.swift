// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore
import Telemetry

/// Turns the scheduler's notes into events and counters.
struct SwarmMeters: Sendable {
    private let events: EventLog
    private let bytesFromAgents, bytesFromOrigins, bytesUploaded: Counter
    private let piecesReceived, piecesDuplicate, piecesBad, piecesSent: Counter
    private let blobsCompleted, blobsFailed, requestFailures, connectionsActive: Counter
    private let announces, announcesFailed: Counter

    init(events: EventLog, counters: Counters) {
        self.events = events
        bytesFromAgents = counters.counter("bytes_downloaded_from_agents")
        bytesFromOrigins = counters.counter("bytes_downloaded_from_origins")
        bytesUploaded = counters.counter("bytes_uploaded")
        piecesReceived = counters.counter("pieces_received")
        piecesDuplicate = counters.counter("pieces_duplicate")
        piecesBad = counters.counter("pieces_bad")
        piecesSent = counters.counter("pieces_sent")
        blobsCompleted = counters.counter("blobs_completed")
        blobsFailed = counters.counter("blobs_failed")
        requestFailures = counters.counter("piece_request_failures")
        connectionsActive = counters.counter("connections_active")
        announces = counters.counter("announces")
        announcesFailed = counters.counter("announces_failed")
    }

    // MARK: - Announces

    func announced(_ announce: SwarmAnnounce) {
        announces.add()
        events.record(
            ClusterEvent(
                .announce,
                torrent: announce.infoHash,
                blob: announce.digest,
                localPeer: announce.peerID,
                reason: announce.isComplete ? "complete" : nil
            )
        )
    }

    func announceFailed(_ announce: SwarmAnnounce, _ error: any Error) {
        announcesFailed.add()
        events.record(
            ClusterEvent(
                .announceFailed,
                torrent: announce.infoHash,
                blob: announce.digest,
                localPeer: announce.peerID,
                reason: "\(error)"
            )
        )
    }

    // MARK: - Notes

    /// What a finished download was.
    struct Completion {
        let blob: Digest
        let bytes: Int
        let bytesFromAgents: Int
        let took: Duration
    }

    func take(_ note: SwarmNote, localPeer: PeerID, completion: Completion? = nil) {
        count(note)
        guard var event = event(for: note) else { return }
        event.localPeer = localPeer
        if let completion {
            (event.blob, event.bytes) = (completion.blob, completion.bytes)
            event.tookMilliseconds = completion.took.milliseconds
            event.detail = ["bytes_from_agents": "\(completion.bytesFromAgents)"]
        }
        events.record(event)
    }

    private func count(_ note: SwarmNote) {
        switch note {
        case .addActiveConnection: connectionsActive.add()
        case .dropActiveConnection: connectionsActive.add(-1)
        case .receivePiece(_, _, _, let bytes, _, let fromOrigin):
            piecesReceived.add()
            (fromOrigin ? bytesFromOrigins : bytesFromAgents).add(bytes)
        case .duplicatePiece: piecesDuplicate.add()
        case .badPiece: piecesBad.add()
        case .sentPiece(_, _, _, let bytes):
            piecesSent.add()
            bytesUploaded.add(bytes)
        case .requestExpired, .requestFailed: requestFailures.add()
        case .torrentComplete: blobsCompleted.add()
        case .torrentCancelled: blobsFailed.add()
        case .addTorrent, .connectionRejected, .banned, .requestPiece: break
        }
    }

    private func event(for note: SwarmNote) -> ClusterEvent? {
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
        case .banned(let hash, let peer, let duration):
            return ClusterEvent(
                .banConnection,
                torrent: hash,
                peer: peer,
                durationMilliseconds: duration.milliseconds
            )
        case .torrentComplete(let hash): return ClusterEvent(.torrentComplete, torrent: hash)
        case .torrentCancelled(let hash, let reason):
            return ClusterEvent(.torrentCancelled, torrent: hash, reason: "\(reason)")
        default: return pieceEvent(for: note)
        }
    }

    private func pieceEvent(for note: SwarmNote) -> ClusterEvent? {
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
            receipt.tookMilliseconds = took.milliseconds
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
    fileprivate var milliseconds: Int { Int(clamping: nanoseconds / 1_000_000) }
}
