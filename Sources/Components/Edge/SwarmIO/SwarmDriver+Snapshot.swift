// SPDX-License-Identifier: Apache-2.0

package import Content
import Primitives
import SwarmCore
package import Telemetry

/// What a driver does at one moment, for people to look at.
package struct SwarmDriverSnapshot: Hashable, Sendable {
    /// Who this host is to its peers.
    package var peerID: PeerID
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
            peerID: scheduler.localPeer,
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
            (scheduler.snapshot(of: hash, at: now)?.bans ?? []).filter(\.reason.isBan)
                .map { (hash, BanStatus($0)) }
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
        var status = SwarmStatus(swarm, policy: configuration.policy) { peer in
            addresses[PeerKey(peerID: peer, infoHash: swarm.infoHash)]
        }
        status.ageSeconds = hosted?.openedAt.duration(to: now).seconds ?? 0
        status.bytesDownloadedFromAgents = hosted?.bytesFromAgents ?? 0
        status.bytesDownloadedFromOrigins = hosted?.bytesFromOrigins ?? 0
        status.bytesUploaded = hosted?.bytesUploaded ?? 0
        status.arrivingPieces = connections.values.compactMap { connection in
            guard let arrival = connection.arrival, arrival.target?.infoHash == swarm.infoHash
            else { return nil }
            return arrival.piece.value
        }.sorted()
        return status
    }
}
