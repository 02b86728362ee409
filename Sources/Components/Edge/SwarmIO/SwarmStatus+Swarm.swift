// SPDX-License-Identifier: Apache-2.0

package import Content
import Primitives
package import SwarmCore
package import Telemetry

extension SwarmStatus {
    /// What a scheduler says of `swarm`; ages and byte counts are its driver's to add.
    ///
    /// - Parameter address: where a peer is, if that is known.
    package init(
        _ swarm: SwarmSnapshot,
        policy: SwarmPolicy,
        address: (PeerID) -> String?
    ) {
        self.init(
            digest: swarm.digest,
            infoHash: swarm.infoHash,
            namespace: swarm.namespace,
            phase: Self.phase(swarm.phase),
            blobBytes: swarm.layout.blobBytes,
            pieceBytes: swarm.layout.pieceBytes,
            pieces: PieceMap(swarm.held),
            peers: swarm.peers.map {
                PeerStatus($0, policy: policy, address: address($0.peerID))
            }
        )
        connectionsMax = swarm.connectionsMax
        bans = swarm.bans.filter(\.reason.isBan).map(BanStatus.init)
    }

    private static func phase(_ phase: Swarm.Phase) -> Phase {
        switch phase {
        case .leeching: .leeching
        case .committing: .committing
        case .seeding: .seeding
        }
    }
}

extension PeerStatus {
    fileprivate init(_ peer: SwarmSnapshot.Peer, policy: SwarmPolicy, address: String?) {
        self.init(
            peerID: peer.peerID,
            address: address,
            state: .active,
            direction: peer.isOutgoing ? .outgoing : .incoming,
            isOrigin: peer.isOrigin,
            pieces: PieceMap(peer.bits),
            requestedPieces: peer.requestedPieces.map(\.value),
            requestsMax: peer.isOrigin ? policy.requestsPerOrigin : policy.requestsPerAgent,
            bytesDownloaded: peer.bytesReceived,
            bytesUploaded: peer.bytesSent
        )
    }
}

extension BanStatus {
    init(_ ban: SwarmSnapshot.Ban) {
        self.init(
            peerID: ban.peerID,
            reason: ban.reason.text,
            remainingSeconds: ban.remaining.seconds
        )
    }
}
