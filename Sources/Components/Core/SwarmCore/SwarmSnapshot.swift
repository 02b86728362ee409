// SPDX-License-Identifier: Apache-2.0

package import Content
import OrderedCollections
import Primitives

/// One swarm at one instant, for people to look at.
package struct SwarmSnapshot: Hashable, Sendable {
    /// One connected peer.
    package struct Peer: Hashable, Sendable {
        /// Who it is.
        package let peerID: PeerID
        /// Whether a tracker said that it is an origin; unknown, so false, for incoming connections.
        package let isOrigin: Bool
        /// Whether this host opened the connection.
        package let isOutgoing: Bool
        /// What it holds.
        package let bits: Bitfield
        /// Pieces asked of it and not yet here.
        package let requestedPieces: [PieceIndex]
        /// Pieces that it asked for and that are not yet sent.
        package let sendingPieces: [PieceIndex]
        /// Payload bytes received from it on this connection.
        package let bytesReceived: Int
        /// Payload bytes sent to it on this connection.
        package let bytesSent: Int
    }

    /// One banned peer.
    package struct Ban: Hashable, Sendable {
        /// Who is not dialled.
        package let peerID: PeerID
        /// For how much longer.
        package let remaining: Duration
        /// Why.
        package let reason: BanReason
    }

    /// The blob.
    package let digest: Digest
    /// The swarm.
    package let infoHash: InfoHash
    /// The blob's pieces.
    package let layout: PieceLayout
    /// Kraken's storage scope.
    package let namespace: String
    /// Where the download stands.
    package let phase: Swarm.Phase
    /// The pieces on disk.
    package let held: Bitfield
    /// The connected peers, oldest first.
    package let peers: [Peer]
    /// Who is not dialled for now.
    package let bans: [Ban]
    /// Outgoing connections that are not open yet.
    package let dialCount: Int
    /// How many connections it may have, as long as its peers take as they do.
    package let connectionsMax: Int

    init(_ swarm: Swarm, _ policy: SwarmPolicy, at now: Instant) {
        (digest, infoHash, layout) = (swarm.metaInfo.digest, swarm.infoHash, swarm.layout)
        (namespace, phase, held) = (swarm.namespace, swarm.phase, swarm.held)
        peers = swarm.peers.values.map { peer in
            Peer(
                peerID: peer.peerID,
                isOrigin: peer.isOrigin,
                isOutgoing: peer.isOutgoing,
                bits: peer.bits,
                requestedPieces: peer.asked,
                sendingPieces: peer.sending,
                bytesReceived: peer.bytesReceived,
                bytesSent: peer.bytesSent
            )
        }
        bans = swarm.bans.banned(at: now).map {
            Ban(peerID: $0.peer, remaining: now.duration(to: $0.until), reason: $0.reason)
        }
        dialCount = swarm.dials.count
        connectionsMax = swarm.connectionsMax(policy)
    }
}
