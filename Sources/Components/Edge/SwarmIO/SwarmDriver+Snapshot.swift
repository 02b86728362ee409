// SPDX-License-Identifier: Apache-2.0

package import Content
import Primitives
import SwarmCore
package import Telemetry

/// What a driver does at one moment, for people to look at.
package struct SwarmDriverSnapshot: Hashable, Sendable {
    /// Its swarms, in the order in which they came into memory.
    package var swarms: [SwarmStatus]
    /// Open connections, those that still shake hands included.
    package var connectionCount: Int
}

extension SwarmDriver {
    /// The swarms with their pieces and peers. Cheap: bitfields are shared, not copied.
    package func snapshot() -> SwarmDriverSnapshot {
        let now = Self.now
        var addresses: [PeerKey: String] = [:]
        for connection in connections.values {
            guard let peer = connection.peer else { continue }
            addresses[PeerKey(peerID: peer.peerID, infoHash: peer.infoHash)] = connection.address
        }
        return SwarmDriverSnapshot(
            swarms: scheduler.infoHashes.compactMap { hash in
                scheduler.snapshot(of: hash, at: now).map { status($0, addresses, now) }
            },
            connectionCount: connections.count
        )
    }

    /// The peers that each blob's swarm refuses for a while (Kraken: the blacklist).
    package func blacklist() -> [(infoHash: InfoHash, ban: BanStatus)] {
        let now = Self.now
        return scheduler.infoHashes.flatMap { hash in
            (scheduler.snapshot(of: hash, at: now)?.bans ?? []).map { (hash, Self.status($0)) }
        }
    }

    private struct PeerKey: Hashable {
        let peerID: PeerID
        let infoHash: InfoHash
    }

    private func status(
        _ swarm: SwarmSnapshot,
        _ addresses: [PeerKey: String],
        _ now: Instant
    ) -> SwarmStatus {
        let hosted = swarms[swarm.infoHash]
        var status = SwarmStatus(
            digest: swarm.digest,
            infoHash: swarm.infoHash,
            namespace: swarm.namespace,
            phase: Self.phase(swarm.phase),
            blobBytes: swarm.layout.blobBytes,
            pieceBytes: swarm.layout.pieceBytes,
            pieces: PieceMap(swarm.held),
            ageSeconds: hosted?.openedAt.duration(to: now).seconds ?? 0,
            bytesDownloadedFromAgents: hosted?.bytesFromAgents ?? 0,
            bytesDownloadedFromOrigins: hosted?.bytesFromOrigins ?? 0,
            bytesUploaded: hosted?.bytesUploaded ?? 0,
            peers: swarm.peers.map { peer in
                let key = PeerKey(peerID: peer.peerID, infoHash: swarm.infoHash)
                return self.status(peer, address: addresses[key])
            }
        )
        status.arrivingPieces = connections.values.compactMap { connection in
            guard let arrival = connection.arrival, arrival.target?.infoHash == swarm.infoHash
            else { return nil }
            return arrival.piece.value
        }.sorted()
        status.bans = swarm.bans.map(Self.status)
        return status
    }

    private func status(_ peer: SwarmSnapshot.Peer, address: String?) -> PeerStatus {
        let policy = configuration.policy
        return PeerStatus(
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

    private static func phase(_ phase: Swarm.Phase) -> SwarmStatus.Phase {
        switch phase {
        case .leeching: .leeching
        case .committing: .committing
        case .seeding: .seeding
        }
    }

    private static func status(_ ban: SwarmSnapshot.Ban) -> BanStatus {
        BanStatus(
            peerID: ban.peerID,
            reason: "failed or misbehaved",
            remainingSeconds: ban.remaining.seconds
        )
    }
}
