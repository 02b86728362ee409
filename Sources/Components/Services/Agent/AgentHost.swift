// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import Logging
import Primitives
import SwarmIO
import Telemetry

/// What an agent does for its swarms: it asks the trackers.
struct AgentHost: SwarmHost {
    let trackers: TrackerRing
    let joins: JoinDesk
    /// The address that others dial.
    let ip: String
    /// Who we are, and the port that others dial.
    let local: LocalPeer
    let log: Logger

    func announce(
        _ announce: SwarmAnnounce
    ) async throws -> (peers: [PeerInfo], interval: Duration) {
        if announce.isComplete {
            let swarm = SwarmReference(digest: announce.digest, infoHash: announce.infoHash)
            if await joins.tellOnTheWay(swarm) { return ([], .zero) }
        } else if let handout = joins.takeHandout(for: announce.infoHash) {
            return (handout.peers, handout.interval)
        }
        let peer = PeerInfo(
            peerID: announce.peerID,
            ip: ip,
            port: local.port,
            isComplete: announce.isComplete
        )
        let handout = try await trackers.announce(
            announce.infoHash,
            digest: announce.digest,
            peer: peer
        )
        return (handout.peers, handout.interval)
    }

    /// How `digest`, whose download is about to begin, is cut.
    func metaInfo(of digest: Digest, namespace: Namespace) async throws -> MetaInfo {
        guard let peerID = local.peerID else {
            return try await trackers.metaInfo(of: digest, namespace: namespace)
        }
        let peer = PeerInfo(peerID: peerID, ip: ip, port: local.port)
        return try await joins.metaInfo(of: digest, namespace: namespace, joining: peer)
    }

    /// Tells the trackers that the peer is in none of `swarms` any more, as far as that can be done within `bound`, so that
    /// nobody is sent to it. A tracker that does not hear of it forgets the peer later.
    func leave(_ swarms: [SwarmStatus], as peerID: PeerID, within bound: Duration) async {
        // A task of its own: ours may be cancelled, which is one way to ask for a stop.
        let work = Task {
            await withTaskGroup(of: Void.self) { group in
                for (index, swarm) in swarms.enumerated() {
                    if index >= Self.leavesInFlightMax { _ = await group.next() }
                    group.addTask { await leave(swarm, as: peerID) }
                }
            }
        }
        let alarm = Task {
            // A deadline. Cut short when all is said.
            try? await Task.sleep(for: bound)
            work.cancel()
        }
        await work.value
        alarm.cancel()
    }

    /// Trackers told at a time.
    private static let leavesInFlightMax = 64

    private func leave(_ swarm: SwarmStatus, as peerID: PeerID) async {
        do {
            // Complete, so that a tracker of Kraken's, which knows no leaving, looks nobody up for us.
            _ = try await trackers.announce(
                swarm.infoHash,
                digest: swarm.digest,
                peer: PeerInfo(peerID: peerID, ip: ip, port: local.port, isComplete: true),
                isLeaving: true
            )
        } catch {
            log.debug(
                "could not tell a tracker that we leave",
                metadata: [LogKey.blobDigest: "\(swarm.digest)", LogKey.error: "\(error)"]
            )
        }
    }

    /// Peers that ask for what is not here go elsewhere.
    func blobMissing(_ digest: Digest, namespace: String) async {}
}
