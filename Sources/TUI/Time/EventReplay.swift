// SPDX-License-Identifier: Apache-2.0

import Content
package import Telemetry

/// Makes snapshots of nothing but events, for logs that have no others, such as Kraken's network-event logs.
///
/// It knows what events say and no more: a peer that was never told of is not there, and sizes of pieces are not known
/// before the first piece whose bytes are told.
package struct EventReplay: Sendable {
    private struct Host: Sendable {
        var id: String
        var swarms: [InfoHash: Torrent] = [:]
    }

    private struct Torrent: Sendable {
        var bits: Bitfield
        var peers: Set<PeerID> = []
        var asked: [PeerID: Set<Int>] = [:]
        var isComplete: Bool
        /// Payload bytes by who sent them, and how many of them came from origins.
        var received: [PeerID: Int] = [:]
        var fromAgents = 0
        var fromOrigins = 0
        var pieceBytes = 0
    }

    private var hosts: [PeerID: Host] = [:]
    private var digests: [InfoHash: Digest] = [:]
    private var order: [PeerID] = []

    /// More hosts than this are not told apart.
    private static let hostsMax = 20_000
    /// A piece of a number beyond this is not believed.
    private static let piecesMax = 1 << 20

    /// How hosts are called whose events name no component.
    package enum Naming: Sendable {
        /// `agent-0` and so on, in the order of their first events.
        case numbers
        /// By the beginning of their peer ids, which nobody else is called by.
        case peers
    }
    private let naming: Naming

    /// A replay before its first event.
    package init(naming: Naming = .numbers) { self.naming = naming }

    /// Whether anything is known.
    package var isEmpty: Bool { hosts.isEmpty }

    /// Gives an event without a component the name of its peer's, and takes what it says.
    package mutating func take(_ event: ClusterEvent) -> ClusterEvent {
        guard let own = event.localPeer, let torrent = event.torrent else { return event }
        guard let id = name(of: own, event) else { return event }
        var named = event
        if named.component.isEmpty { named.component = id }
        if let blob = event.blob { digests[torrent] = blob }
        apply(event, torrent, own)
        return named
    }

    private mutating func name(of peer: PeerID, _ event: ClusterEvent) -> String? {
        if let known = hosts[peer]?.id { return known }
        guard hosts.count < Self.hostsMax else { return nil }
        let made =
            switch naming {
            case .numbers: "agent-\(hosts.count)"
            case .peers: "p\(peer.hex.prefix(7))"
            }
        let id = event.component.isEmpty ? made : event.component
        hosts[peer] = Host(id: id)
        order.append(peer)
        return id
    }

    private mutating func apply(_ event: ClusterEvent, _ hash: InfoHash, _ own: PeerID) {
        var torrent =
            hosts[own]?.swarms[hash] ?? Torrent(bits: Bitfield(pieceCount: 0), isComplete: false)
        switch event.kind {
        case .addTorrent: torrent.bits = Self.bits(event) ?? torrent.bits
        case .addActiveConnection: if let peer = event.peer { torrent.peers.insert(peer) }
        case .dropActiveConnection:
            if let peer = event.peer {
                torrent.peers.remove(peer)
                torrent.asked[peer] = nil
            }
        case .requestPiece:
            if let peer = event.peer, let piece = event.piece {
                torrent.asked[peer, default: []].insert(piece)
            }
        case .requestExpired, .requestWithdrawn:
            if let peer = event.peer, let piece = event.piece {
                torrent.asked[peer]?.remove(piece)
            }
        case .receivePiece: receive(event, &torrent)
        case .torrentComplete:
            torrent.bits.fill()
            torrent.isComplete = true
        case .torrentCancelled:
            hosts[own]?.swarms[hash] = nil
            return
        default: break
        }
        hosts[own]?.swarms[hash] = torrent
    }

    private func receive(_ event: ClusterEvent, _ torrent: inout Torrent) {
        guard let piece = event.piece, piece >= 0, piece < Self.piecesMax else { return }
        if piece >= torrent.bits.pieceCount {
            // The log began later than the torrent: it has at least so many pieces.
            var wider = Bitfield(pieceCount: piece + 1)
            for held in torrent.bits.indices { wider.insert(held) }
            torrent.bits = wider
        }
        torrent.bits.insert(PieceIndex(piece))
        let bytes = max(0, event.bytes ?? 0)
        torrent.pieceBytes = max(torrent.pieceBytes, bytes)
        if let peer = event.peer {
            torrent.asked[peer]?.remove(piece)
            torrent.received[peer, default: 0] &+= bytes
        }
        let isFromOrigin = event.detail?["origin"] == "true"
        if isFromOrigin { torrent.fromOrigins &+= bytes } else { torrent.fromAgents &+= bytes }
    }

    private static func bits(_ event: ClusterEvent) -> Bitfield? {
        guard let detail = event.detail, let text = detail["pieces"], let count = Int(text),
            count >= 0, count <= piecesMax
        else { return nil }
        var bits = Bitfield(pieceCount: count)
        if let map = detail["bitfield"] {
            for (index, mark) in map.utf8.enumerated()
            where mark == UInt8(ascii: "#") && index < count {
                bits.insert(PieceIndex(index))
            }
        } else if detail["held"] == text {
            bits.fill()
        }
        return bits
    }

    /// What the cluster looks like after the events so far.
    package func snapshot(at time: Timestamp) -> ClusterSnapshot {
        let components = order.compactMap { peer -> ComponentSnapshot? in
            guard let host = hosts[peer] else { return nil }
            let swarms = host.swarms.values
            var snapshot = ComponentSnapshot(
                kind: host.id.hasPrefix("origin") ? .origin : .agent,
                id: host.id,
                takenAt: time,
                health: .ok,
                counters: [
                    "bytes_downloaded_from_agents": swarms.reduce(0) { $0 &+ $1.fromAgents },
                    "bytes_downloaded_from_origins": swarms.reduce(0) { $0 &+ $1.fromOrigins },
                ]
            )
            snapshot.peerID = peer
            snapshot.swarms = host.swarms.sorted { $0.key < $1.key }.compactMap {
                status($0.key, $0.value)
            }
            return snapshot
        }
        return ClusterSnapshot(takenAt: time, components: components)
    }

    private func status(_ hash: InfoHash, _ torrent: Torrent) -> SwarmStatus? {
        // Kraken's events name no blob: its place is taken by a digest that begins like the swarm's name.
        let stand = Digest(hex: hash.hex + String(repeating: "0", count: 24))
        guard let digest = digests[hash] ?? stand else { return nil }
        var status = SwarmStatus(
            digest: digest,
            infoHash: hash,
            phase: torrent.bits.isComplete || torrent.isComplete ? .seeding : .leeching,
            blobBytes: torrent.pieceBytes * torrent.bits.pieceCount,
            pieceBytes: torrent.pieceBytes,
            pieces: PieceMap(torrent.bits),
            bytesDownloadedFromAgents: torrent.fromAgents,
            bytesDownloadedFromOrigins: torrent.fromOrigins
        )
        status.peers = torrent.peers.sorted().map { peer in
            PeerStatus(
                peerID: peer,
                state: .active,
                direction: .outgoing,
                requestedPieces: (torrent.asked[peer] ?? []).sorted(),
                bytesDownloaded: torrent.received[peer] ?? 0
            )
        }
        return status
    }
}
