// SPDX-License-Identifier: Apache-2.0

package import Content

/// One blob in a component's swarm scheduler: its pieces, its peers, what flowed.
package struct SwarmStatus: Codable, Hashable, Sendable {
    /// Where a blob stands.
    package enum Phase: String, Codable, Hashable, Sendable {
        /// Pieces are missing.
        case leeching
        /// Every piece is held; the whole blob is being checked and moved into the cache.
        case committing
        /// Complete, and serving.
        case seeding
    }

    /// The blob.
    package var digest: Digest
    /// The swarm.
    package var infoHash: InfoHash
    /// The namespace it was asked for under, if that is known.
    package var namespace: String?
    /// Where it stands.
    package var phase: Phase
    /// The blob's size.
    package var blobBytes: Int
    /// The length of a piece.
    package var pieceBytes: Int
    /// The pieces held.
    package var pieces: PieceMap
    /// Pieces that are arriving now.
    package var arrivingPieces: [Int]?
    /// Seconds since the swarm came into memory.
    package var ageSeconds: Double
    /// Payload bytes received from agents.
    package var bytesDownloadedFromAgents: Int
    /// Payload bytes received from origins.
    package var bytesDownloadedFromOrigins: Int
    /// Payload bytes sent.
    package var bytesUploaded: Int
    /// Its connections, pending and active.
    package var peers: [PeerStatus]
    /// The peers it refuses for a while.
    package var bans: [BanStatus]?
    /// How many connections it may have now; nil where that is not told.
    package var connectionsMax: Int?

    /// A swarm without peers.
    package init(
        digest: Digest,
        infoHash: InfoHash,
        namespace: String? = nil,
        phase: Phase,
        blobBytes: Int,
        pieceBytes: Int,
        pieces: PieceMap,
        ageSeconds: Double = 0,
        bytesDownloadedFromAgents: Int = 0,
        bytesDownloadedFromOrigins: Int = 0,
        bytesUploaded: Int = 0,
        peers: [PeerStatus] = []
    ) {
        (self.digest, self.infoHash, self.namespace) = (digest, infoHash, namespace)
        (self.phase, self.blobBytes, self.pieceBytes) = (phase, blobBytes, pieceBytes)
        (self.pieces, self.ageSeconds, self.peers) = (pieces, ageSeconds, peers)
        self.bytesDownloadedFromAgents = bytesDownloadedFromAgents
        self.bytesDownloadedFromOrigins = bytesDownloadedFromOrigins
        self.bytesUploaded = bytesUploaded
    }

    private enum CodingKeys: String, CodingKey {
        case digest, namespace, phase, pieces, peers, bans
        case connectionsMax = "connections_max"
        case infoHash = "info_hash"
        case blobBytes = "blob_bytes"
        case pieceBytes = "piece_bytes"
        case arrivingPieces = "arriving_pieces"
        case ageSeconds = "age_seconds"
        case bytesDownloadedFromAgents = "bytes_downloaded_from_agents"
        case bytesDownloadedFromOrigins = "bytes_downloaded_from_origins"
        case bytesUploaded = "bytes_uploaded"
    }
}

/// One connection of a swarm and the peer at its other end.
package struct PeerStatus: Codable, Hashable, Sendable {
    /// Whether a connection still shakes hands or carries pieces.
    package enum State: String, Codable, Hashable, Sendable { case pending, active }
    /// Who opened it.
    package enum Direction: String, Codable, Hashable, Sendable { case incoming, outgoing }

    /// The peer.
    package var peerID: PeerID
    /// Its address, if it is known.
    package var address: String?
    /// Whether the connection still shakes hands.
    package var state: State
    /// Who opened the connection.
    package var direction: Direction
    /// Whether the peer is an origin; false for incoming connections, which do not say.
    package var isOrigin: Bool
    /// The pieces it says it holds; nil while pending.
    package var pieces: PieceMap?
    /// The pieces asked of it and not yet answered.
    package var requestedPieces: [Int]
    /// The most pieces that may be asked of it at a time.
    package var requestsMax: Int?
    /// Payload bytes received from it.
    package var bytesDownloaded: Int
    /// Payload bytes sent to it.
    package var bytesUploaded: Int
    /// Seconds since the connection began.
    package var ageSeconds: Double

    /// A connection to `peerID`.
    package init(
        peerID: PeerID,
        address: String? = nil,
        state: State,
        direction: Direction,
        isOrigin: Bool = false,
        pieces: PieceMap? = nil,
        requestedPieces: [Int] = [],
        requestsMax: Int? = nil,
        bytesDownloaded: Int = 0,
        bytesUploaded: Int = 0,
        ageSeconds: Double = 0
    ) {
        (self.peerID, self.address, self.state) = (peerID, address, state)
        (self.direction, self.isOrigin, self.pieces) = (direction, isOrigin, pieces)
        (self.requestedPieces, self.requestsMax) = (requestedPieces, requestsMax)
        (self.bytesDownloaded, self.bytesUploaded) = (bytesDownloaded, bytesUploaded)
        self.ageSeconds = ageSeconds
    }

    private enum CodingKeys: String, CodingKey {
        case address, state, direction, pieces
        case peerID = "peer_id"
        case isOrigin = "is_origin"
        case requestedPieces = "requested_pieces"
        case requestsMax = "requests_max"
        case bytesDownloaded = "bytes_downloaded"
        case bytesUploaded = "bytes_uploaded"
        case ageSeconds = "age_seconds"
    }
}

/// A peer that one swarm refuses for a while (Kraken: blacklisted).
package struct BanStatus: Codable, Hashable, Sendable {
    /// The peer.
    package var peerID: PeerID
    /// Why.
    package var reason: String
    /// How much longer.
    package var remainingSeconds: Double

    /// `peerID` is refused for `remainingSeconds` because of `reason`.
    package init(peerID: PeerID, reason: String, remainingSeconds: Double) {
        (self.peerID, self.reason, self.remainingSeconds) = (peerID, reason, remainingSeconds)
    }

    private enum CodingKeys: String, CodingKey {
        case reason
        case peerID = "peer_id"
        case remainingSeconds = "remaining_seconds"
    }
}
