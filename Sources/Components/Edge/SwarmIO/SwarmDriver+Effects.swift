// SPDX-License-Identifier: Apache-2.0

import Content
import Logging
import Primitives
import SwarmCore
import Telemetry

/// What the scheduler wants done, one case after the other.
extension SwarmDriver {
    func perform(_ effect: SwarmScheduler.Effect) {
        switch effect {
        case .announce(let hash, let digest, let isComplete): announce(hash, digest, isComplete)
        case .dial(let id, let peer, let handshake): dial(id, peer, handshake)
        case .lookUp(let id, let handshake): lookUp(id, handshake)
        case .accept(let id, let handshake): accept(id, handshake)
        case .send(let id, let message): send(message, to: id)
        case .sendPiece(let id, let hash, let piece): sendPiece(id, hash, piece)
        case .cancelSend(let id, let piece): cancelSend(id, piece)
        case .receivePayload(let id, let hash, let piece): receivePayload(id, hash, piece)
        case .discardPayload(let id, let piece, let bytes): discardPayload(id, piece, bytes: bytes)
        case .close(let id, let reason):
            if reason.isMalice { blame(id) }
            closeConnection(id)
        case .commit(let hash): commit(hash)
        case .pieceAvailable(let hash, let piece): swarms[hash]?.gain(piece)
        case .forgotten(let hash, let reason): endSwarm(hash, reason)
        case .note(let note): take(note)
        }
    }

    private func accept(_ id: ConnectionID, _ handshake: PeerHandshake) {
        connections[id]?.phase = .active
        send(.bitfield(handshake), to: id)
    }

    // MARK: - Trackers

    private func announce(_ infoHash: InfoHash, _ digest: Digest, _ isComplete: Bool) {
        let announce = SwarmAnnounce(
            digest: digest,
            infoHash: infoHash,
            peerID: scheduler.localPeer,
            isComplete: isComplete
        )
        meters.announced(announce)
        spawn { driver in
            do {
                let (peers, interval) = try await driver.host.announce(announce)
                guard !isComplete else { return }
                driver.deliver(.announceAnswered(infoHash, peers, interval: interval))
            } catch {
                driver.meters.announceFailed(announce, error)
                driver.log.debug(
                    "could not announce",
                    metadata: [LogKey.infoHash: "\(infoHash)", LogKey.error: "\(error)"]
                )
                driver.deliver(.announceFailed(infoHash))
            }
        }
    }

    // MARK: - Notes

    private func take(_ note: SwarmNote) {
        meters.take(note, localPeer: scheduler.localPeer, completion: completion(note))
        switch note {
        case .receivePiece(let hash, _, _, let bytes, _, let fromOrigin):
            if fromOrigin {
                swarms[hash]?.bytesFromOrigins += bytes
            } else {
                swarms[hash]?.bytesFromAgents += bytes
            }
        case .sentPiece(let hash, _, _, let bytes): swarms[hash]?.bytesUploaded += bytes
        case .torrentComplete(let hash): logCompletion(hash)
        case .connectionRejected(let hash, let peer, let reason):
            log.debug(
                "refused a connection",
                metadata: [
                    LogKey.infoHash: "\(hash)", LogKey.peerID: "\(peer)",
                    LogKey.reason: "\(reason)",
                ]
            )
        case .badPiece(let hash, let peer, let piece):
            log.warning(
                "received a bad piece",
                metadata: [
                    LogKey.infoHash: "\(hash)", LogKey.peerID: "\(peer)",
                    LogKey.pieceIndex: "\(piece)",
                ]
            )
        default: break
        }
    }

    private func completion(_ note: SwarmNote) -> SwarmMeters.Completion? {
        guard case .torrentComplete(let infoHash) = note, let swarm = swarms[infoHash] else {
            return nil
        }
        return SwarmMeters.Completion(
            blob: swarm.digest,
            bytes: swarm.layout.blobBytes,
            bytesFromAgents: swarm.bytesFromAgents,
            took: swarm.openedAt.duration(to: Self.now)
        )
    }

    private func logCompletion(_ infoHash: InfoHash) {
        guard let swarm = swarms[infoHash] else { return }
        log.info(
            "downloaded a blob",
            metadata: [
                LogKey.blobDigest: "\(swarm.digest)", LogKey.blobBytes: "\(swarm.layout.blobBytes)",
                LogKey.duration: "\(swarm.openedAt.duration(to: Self.now).seconds)",
            ]
        )
    }
}
