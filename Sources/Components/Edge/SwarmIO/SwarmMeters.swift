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

    /// The driver itself let nobody in who said `handshake`.
    func refused(_ handshake: PeerHandshake, localPeer: PeerID, because reason: String) {
        events.record(
            ClusterEvent(
                .connectionRejected,
                torrent: handshake.infoHash,
                localPeer: localPeer,
                peer: handshake.peerID,
                reason: reason
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
        guard var event = SwarmEvents.event(for: note) else { return }
        event.localPeer = localPeer
        if let completion {
            (event.blob, event.bytes) = (completion.blob, completion.bytes)
            event.tookMilliseconds = completion.took.wholeMilliseconds
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
        case .addTorrent, .connectionRejected, .banned, .requestPiece, .requestWithdrawn: break
        }
    }
}
