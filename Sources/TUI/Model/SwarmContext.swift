// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry

/// A sample as swarms are read from it.
struct SwarmContext {
    let snapshot: ClusterSnapshot
    let names: [PeerID: String]
    /// Components by name, also those that are gone.
    let rows: [String: ComponentRow]
    /// What rates are measured from.
    let reference: PastSample?
    let now: Timestamp
    let flows: PieceFlows
    /// The rules by which the swarm goes; nil when nobody told them.
    let rules: SwarmRules?

    private var seconds: Double {
        guard let reference else { return 0 }
        return Double(now.unixNanoseconds - reference.at.unixNanoseconds) / 1e9
    }

    private func before(_ component: String, _ digest: Digest) -> SwarmStatus? {
        reference?.components[component]?.swarms?.first { $0.digest == digest }
    }

    private func rate(_ bytes: Int, since before: Int?) -> Double {
        let span = seconds
        guard let before, span > 0, bytes > before else { return 0 }
        return Double(bytes - before) / span
    }

    /// Bytes per second that `component` receives of `swarm`.
    func rate(_ component: String, _ swarm: SwarmStatus) -> Double {
        // A swarm that was not there a second ago started from nothing.
        let before = before(component, swarm.digest)
        let old = before.map { $0.bytesDownloadedFromAgents &+ $0.bytesDownloadedFromOrigins } ?? 0
        guard reference?.components[component] != nil else { return 0 }
        return rate(swarm.bytesDownloadedFromAgents &+ swarm.bytesDownloadedFromOrigins, since: old)
    }

    // MARK: - One swarm in detail

    /// The swarm of `digest`; nil when nobody knows it.
    func swarm(of digest: Digest, label: String) -> SwarmPicture? {
        let members = snapshot.components.compactMap { component in
            component.swarms?.first { $0.digest == digest }.map { (component, $0) }
        }
        guard let first = members.first?.1 else { return nil }
        var picture = SwarmPicture(digest: digest)
        (picture.infoHash, picture.label) = (first.infoHash, label)
        (picture.blobBytes, picture.pieceBytes) = (first.blobBytes, first.pieceBytes)
        picture.pieceCount = first.pieces.bitfield.pieceCount
        picture.policy = rules?.requestOrder ?? picture.policy
        picture.peers = members.map { peer($0, $1) }.sorted(by: Self.precedes)
        addStrangers(members, to: &picture)
        picture.connections = connections(members, picture.peers)
        picture.copies = Copies.count(picture.peers.map(\.bits), pieceCount: picture.pieceCount)
        return picture
    }

    private static func precedes(_ left: PeerRow, _ right: PeerRow) -> Bool {
        if left.isOrigin != right.isOrigin { return left.isOrigin }
        if left.name.count != right.name.count { return left.name.count < right.name.count }
        return left.name < right.name
    }

    private func peer(_ component: ComponentSnapshot, _ swarm: SwarmStatus) -> PeerRow {
        let row = rows[component.id]
        let bits = swarm.pieces.bitfield
        let identifier = component.peerID ?? PeerID.standIn(for: component.id)
        var peer = PeerRow(peerID: identifier, name: row?.shortName ?? component.id, bits: bits)
        (peer.componentID, peer.address) = (component.id, component.addresses["peer"])
        (peer.isOrigin, peer.isDown) = (component.kind == .origin, row?.light == .down)
        peer.arriving = swarm.arrivingPieces ?? []
        peer.connectionCount = swarm.peers.count
        // What it has now may be more than its rules gave it room for.
        peer.connectionsMax = swarm.connectionsMax ?? rules?.connectionsMax
        peer.ageSeconds = swarm.ageSeconds
        peer.downloadRate = rate(component.id, swarm)
        peer.uploadRate = rate(
            swarm.bytesUploaded,
            since: before(component.id, swarm.digest)?.bytesUploaded
        )
        peer.bans = (swarm.bans ?? []).map {
            PeerRow.Ban(
                name: names[$0.peerID] ?? String($0.peerID.hex.prefix(6)),
                reason: $0.reason,
                remainingSeconds: $0.remainingSeconds
            )
        }
        peer.revision = UInt64(bits.heldCount)
        return peer
    }

    /// Peers that no component of ours is, as their neighbours see them.
    private func addStrangers(
        _ members: [(ComponentSnapshot, SwarmStatus)],
        to picture: inout SwarmPicture
    ) {
        var known = Set(picture.peers.map(\.peerID))
        for (_, swarm) in members {
            for status in swarm.peers where known.insert(status.peerID).inserted {
                let name = names[status.peerID] ?? String(status.peerID.hex.prefix(6))
                var peer = PeerRow(
                    peerID: status.peerID,
                    name: name,
                    bits: status.pieces?.bitfield ?? Bitfield(pieceCount: picture.pieceCount)
                )
                (peer.address, peer.isOrigin) = (status.address, status.isOrigin)
                picture.peers.append(peer)
            }
        }
    }

    private struct Pair: Hashable {
        let first, second: Int
    }

    private func connections(
        _ members: [(ComponentSnapshot, SwarmStatus)],
        _ peers: [PeerRow]
    ) -> [ConnectionRow] {
        var positions: [PeerID: Int] = [:]
        for (index, peer) in peers.enumerated() { positions[peer.peerID] = index }
        var table: [Pair: ConnectionRow] = [:]
        for (component, swarm) in members {
            let identifier = component.peerID ?? PeerID.standIn(for: component.id)
            guard let own = positions[identifier] else { continue }
            var old: [PeerID: Int] = [:]
            for status in before(component.id, swarm.digest)?.peers ?? [] {
                old[status.peerID] = status.bytesDownloaded
            }
            for status in swarm.peers {
                guard let other = positions[status.peerID], other != own else { continue }
                let pair = Pair(first: min(own, other), second: max(own, other))
                var row = table[pair] ?? ConnectionRow(first: pair.first, second: pair.second)
                let rate = rate(status.bytesDownloaded, since: old[status.peerID] ?? 0)
                let last = flows.last(swarm.infoHash, from: status.peerID, to: identifier)
                if own == pair.second {
                    (row.forwardRate, row.askedOfFirst) = (rate, status.requestedPieces)
                    row.slotsAtFirst = status.requestsMax
                    row.forwardPieceAt = last
                } else {
                    (row.backwardRate, row.askedOfSecond) = (rate, status.requestedPieces)
                    row.slotsAtSecond = status.requestsMax
                    row.backwardPieceAt = last
                }
                table[pair] = row
            }
        }
        return table.values.sorted { ($0.first, $0.second) < ($1.first, $1.second) }
    }
}

extension PeerID {
    /// A stable identifier for a component that does not tell its own: a hash of its name.
    fileprivate static func standIn(for name: String) -> PeerID {
        PeerID(hashOfAddress: name, port: 0)
    }
}
