// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TUI
import Telemetry

/// Swarms for tests: the same for the same seed, and like those that real clusters make.
struct SampleSwarm {
    var seed: UInt64 = 1
    var originCount = 3
    var agentCount = 24
    var pieceCount = 48
    /// Positions among the agents of those that are down.
    var down: Set<Int> = []
    /// How much of the download is behind, 0 … 1.
    var progress = 0.5

    private static let connectionsMax = 10
    private static let pieceBytes = 4 << 20
    /// 2026-08-14 14:03:27.412 UTC.
    static let time = Timestamp(unixNanoseconds: 1_786_716_207_412_000_000)

    /// A cluster picture that shows the swarm and nothing else.
    var picture: ClusterPicture {
        var picture = ClusterPicture()
        picture.name = "devcluster"
        picture.takenAt = Self.time
        let swarm = swarm
        picture.swarm = swarm
        var row = BlobRow(digest: swarm.digest)
        row.label = swarm.label
        row.secondsLeft = 4
        picture.blobs = [row]
        picture.totals.agentShare = 0.91
        return picture
    }

    var swarm: SwarmPicture {
        var random = Generator(seed: seed)
        var swarm = SwarmPicture(digest: Digest(hashing: Array("blob \(seed)".utf8)))
        swarm.infoHash = InfoHash(hashing: Array("blob \(seed)".utf8))
        swarm.label = "demo/web:v42"
        swarm.pieceCount = pieceCount
        swarm.pieceBytes = Self.pieceBytes
        swarm.blobBytes = pieceCount * Self.pieceBytes
        swarm.peers = peers(&random)
        swarm.connections = connections(swarm.peers, &random)
        for index in swarm.connections.indices { flow(index, in: &swarm, &random) }
        count(&swarm)
        return swarm
    }

    private func peers(_ random: inout Generator) -> [PeerRow] {
        let digits = max(2, String(max(0, agentCount - 1)).count)
        let full = Bitfield.full(pieceCount: pieceCount)
        var peers = (0..<originCount).map { index in
            var peer = PeerRow(peerID: PeerID(randomFrom: &random), name: "o\(index)", bits: full)
            peer.isOrigin = true
            return peer
        }
        // Pieces that came late out of the origins are rare.
        let popularity = (0..<pieceCount).map { _ in 20 + random.below(80) }
        for index in 0..<agentCount {
            let number = String(index)
            let name = "a" + String(repeating: "0", count: digits - number.count) + number
            var bits = Bitfield(pieceCount: pieceCount)
            let held = share(of: index, &random)
            if held >= 1 { bits.fill() }
            for piece in 0..<pieceCount
            where random.below(10_000) < Int(held * 150 * Double(popularity[piece])) {
                bits.insert(PieceIndex(piece))
            }
            var peer = PeerRow(peerID: PeerID(randomFrom: &random), name: name, bits: bits)
            peer.address = "127.0.0.1:\(16_000 + index)"
            peer.connectionsMax = Self.connectionsMax
            peer.ageSeconds = 14
            peer.isDown = down.contains(index)
            peers.append(peer)
        }
        return peers
    }

    /// Early agents hold more.
    private func share(of index: Int, _ random: inout Generator) -> Double {
        let early = 1.7 * (1 - Double(index) / Double(max(1, agentCount)))
        return max(0.02, progress * early + Double(random.below(100)) / 300 - 0.15)
    }

    private func connections(_ peers: [PeerRow], _ random: inout Generator) -> [ConnectionRow] {
        var rows: [ConnectionRow] = []
        var degrees = Array(repeating: 0, count: peers.count)
        var taken = Set<Int>()
        guard peers.count > 1 else { return [] }
        for index in originCount..<peers.count where !peers[index].isDown {
            for _ in 0..<7 {
                // Late agents find the origins full.
                let other =
                    random.below(4) == 0 && originCount > 0
                    ? random.below(originCount) : random.below(peers.count)
                let (first, second) = (min(index, other), max(index, other))
                guard first != second, !peers[other].isDown, degrees[index] < Self.connectionsMax,
                    degrees[other] < Self.connectionsMax,
                    taken.insert(first * peers.count + second).inserted
                else { continue }
                degrees[index] += 1
                degrees[other] += 1
                rows.append(ConnectionRow(first: first, second: second))
            }
        }
        return rows
    }

    private func flow(_ index: Int, in swarm: inout SwarmPicture, _ random: inout Generator) {
        let row = swarm.connections[index]
        for (supplier, receiver) in [(row.first, row.second), (row.second, row.first)] {
            let (have, want) = (swarm.peers[supplier].bits, swarm.peers[receiver].bits)
            let new = have.indices.filter { !want.contains($0) }
            guard !new.isEmpty, !swarm.peers[receiver].isOrigin, random.below(10) < 4 else {
                continue
            }
            let rate = Double(1 << (17 + random.below(8))) * (1 + Double(random.below(100)) / 100)
            let pieces = (0..<1 + random.below(2)).map { _ in new[random.below(new.count)].value }
            if supplier == row.first {
                swarm.connections[index].forwardRate = rate
                swarm.connections[index].askedOfFirst = Array(Set(pieces)).sorted()
            } else {
                swarm.connections[index].backwardRate = rate
                swarm.connections[index].askedOfSecond = Array(Set(pieces)).sorted()
            }
            swarm.peers[supplier].uploadRate += rate
            swarm.peers[receiver].downloadRate += rate
            swarm.peers[receiver].arriving += pieces
        }
        swarm.peers[row.first].connectionCount += 1
        swarm.peers[row.second].connectionCount += 1
    }

    private func count(_ swarm: inout SwarmPicture) {
        swarm.copies = Array(repeating: 0, count: pieceCount)
        for peer in swarm.peers {
            for piece in peer.bits.indices { swarm.copies[piece.value] += 1 }
        }
    }
}
