// SPDX-License-Identifier: Apache-2.0

package import Content
import Telemetry

/// One row for each blob that any swarm knows.
struct BlobRows: Sendable {
    /// What a row was made from; while it stays the row's shares do.
    private struct Fingerprint: Hashable, Sendable {
        var held: Int
        var peers: Int
    }
    private var rows: [Digest: (row: BlobRow, fingerprint: Fingerprint)] = [:]

    /// The rows for what `context` knows, by digest.
    mutating func update(_ context: SwarmContext, labels: [Digest: String]) -> [BlobRow] {
        var members: [Digest: [(component: ComponentSnapshot, swarm: SwarmStatus)]] = [:]
        for component in context.snapshot.components {
            for swarm in component.swarms ?? [] {
                members[swarm.digest, default: []].append((component, swarm))
            }
        }
        var updated: [Digest: (row: BlobRow, fingerprint: Fingerprint)] = [:]
        for (digest, swarms) in members {
            let fingerprint = Fingerprint(
                held: swarms.reduce(0) { $0 &+ $1.swarm.pieces.bitfield.heldCount },
                peers: swarms.count
            )
            let old = rows[digest]
            var row = old?.row ?? BlobRow(digest: digest)
            Self.describe(&row, swarms, context, labels)
            if old?.fingerprint != fingerprint || old == nil { Self.share(&row, swarms) }
            updated[digest] = (row, fingerprint)
        }
        rows = updated
        return updated.values.map(\.row).sorted { $0.digest < $1.digest }
    }

    private static func describe(
        _ row: inout BlobRow,
        _ swarms: [(component: ComponentSnapshot, swarm: SwarmStatus)],
        _ context: SwarmContext,
        _ labels: [Digest: String]
    ) {
        guard let first = swarms.first?.swarm else { return }
        row.infoHash = first.infoHash
        (row.blobBytes, row.pieceBytes) = (first.blobBytes, first.pieceBytes)
        row.pieceCount = first.pieces.bitfield.pieceCount
        row.label = labels[row.digest] ?? namespace(swarms)
        row.seederCount = swarms.count { $0.swarm.phase == .seeding }
        row.leecherCount = swarms.count - row.seederCount
        row.rate = 0
        var missing = 0
        for (component, swarm) in swarms where component.kind == .agent {
            row.rate += context.rate(component.id, swarm)
            missing = max(missing, swarm.pieces.bitfield.missingCount * swarm.pieceBytes)
        }
        let leechers = swarms.count { $0.component.kind == .agent && $0.swarm.phase != .seeding }
        let perLeecher = row.rate / Double(max(1, leechers))
        // What trickles says nothing of how long the rest takes.
        row.secondsLeft =
            missing > 0 && perLeecher >= Self.rateMin ? Double(missing) / perLeecher : nil
    }

    /// Bytes per second for each peer that lacks something, below which no time is told.
    private static let rateMin = 1024.0

    /// The first namespace that says something: that of all which comes through a proxy does not.
    private static func namespace(
        _ swarms: [(component: ComponentSnapshot, swarm: SwarmStatus)]
    ) -> String {
        let nameless = Namespace.proxyUploads.name
        return swarms.lazy.compactMap(\.swarm.namespace).first {
            !$0.isEmpty && $0 != nameless
        } ?? ""
    }

    /// Computes who holds how much of what.
    private static func share(
        _ row: inout BlobRow,
        _ swarms: [(component: ComponentSnapshot, swarm: SwarmStatus)]
    ) {
        let copies = Copies.count(
            swarms.map(\.swarm.pieces.bitfield),
            pieceCount: row.pieceCount
        )
        row.copies = Copies.distributed(copies)
        row.shares = Copies.shares(copies, peers: swarms.count, bins: BlobRow.shareCount)
        let agents = swarms.filter { $0.component.kind == .agent }
        let held = agents.reduce(0) { $0 &+ $1.swarm.pieces.bitfield.heldCount }
        let all = agents.count * row.pieceCount
        row.done = all == 0 ? 1 : Double(held) / Double(all)
    }
}

/// How many peers hold each piece, and what follows from that.
package enum Copies {
    /// The holders of each of `pieceCount` pieces.
    package static func count(_ bitfields: [Bitfield], pieceCount: Int) -> [UInt16] {
        var copies = [UInt16](repeating: 0, count: max(0, pieceCount))
        for bitfield in bitfields where bitfield.pieceCount == pieceCount {
            for (index, word) in bitfield.words.enumerated() {
                var rest = word
                while rest != 0 {
                    let piece = index * 64 + rest.trailingZeroBitCount
                    if piece < pieceCount, copies[piece] < .max { copies[piece] += 1 }
                    rest &= rest - 1
                }
            }
        }
        return copies
    }

    /// Those of the rarest piece, plus the share of pieces that have more.
    package static func distributed(_ copies: [UInt16]) -> Double {
        guard let least = copies.min() else { return 0 }
        return Double(least) + Double(copies.count { $0 > least }) / Double(copies.count)
    }

    /// The mean share of `peers` that hold a piece, over at most `bins` runs of pieces.
    package static func shares(_ copies: [UInt16], peers: Int, bins: Int) -> [Float] {
        let count = min(bins, copies.count)
        guard count > 0, peers > 0 else { return [] }
        return (0..<count).map { bin in
            let range = bin * copies.count / count..<(bin + 1) * copies.count / count
            let sum = copies[range].reduce(0) { $0 + Int($1) }
            return Float(sum) / Float(max(1, range.count) * peers)
        }
    }
}
