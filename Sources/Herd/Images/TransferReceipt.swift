// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives

/// What a transfer of an image came to, for people and for programs.
struct TransferReceipt: Sendable {
    /// The image in the registry.
    let reference: ImageReference
    /// Its manifest or index.
    let digest: ContentDigest
    /// Its blobs, each verified.
    let rows: [TransferRow]
    /// How long all of it took.
    let took: Duration
    /// Where an agent had the blobs from, if it was asked and has told. It knows them by their SHA-256.
    var sources: [Digest: LayerSource]?

    /// `{"reference","digest","took_ms","bytes","blobs":[{…}]}`, each blob with its `source` where that was asked for.
    var json: JSON {
        let blobs = rows.map { row -> JSON in
            var members = row.members
            members.append(.init("verified", .bool(true)))
            if let sources {
                members.append(.init("source", (sources[row.blob.digest] ?? .unknown).json))
            }
            return .object(members)
        }
        let moved = rows.filter { !$0.wasThere }
        return .object([
            .init("reference", .string("\(reference.title)")),
            .init("digest", .string(digest.description)),
            .init("took_ms", .integer(Int(took.nanoseconds / 1_000_000))),
            .init("bytes", .integer(moved.reduce(0) { $0 + $1.blob.bytes })),
            .init("blobs", .array(blobs)),
        ])
    }

    /// The receipt that `--explain` prints, a line for each blob and the sums.
    var lines: [String] {
        var table = [["BLOB", "BYTES", "TIME", "RETRIES", "VERIFIED", "FROM"]]
        var sums = (agents: 0, origins: 0, unknown: 0)
        for row in rows {
            let source =
                row.wasThere ? LayerSource.destination : sources?[row.blob.digest] ?? .unknown
            if case .fetched(let agents, let origins, isEarlier: false) = source {
                sums.agents += agents
                sums.origins += origins
            } else if case .unknown = source {
                sums.unknown += row.blob.bytes
            }
            table.append([
                String(row.blob.name.description.prefix(19)), "\(ByteCount(row.blob.bytes))",
                "\(row.took.nanoseconds / 1_000_000) ms", "\(max(0, row.attemptCount - 1))",
                row.blob.name.algorithm, source.description,
            ])
        }
        let widths = (0..<5).map { column in table.map { $0[column].count }.max() ?? 0 }
        var lines = table.map { row in
            let cells = zip(row, widths).map { $0.padded(to: $1) } + [row[5]]
            return cells.joined(separator: "  ").printable
        }
        var summary = "for this pull: \(ByteCount(sums.agents)) from agents, "
        summary += "\(ByteCount(sums.origins)) from origins"
        if sums.unknown > 0 { summary += ", \(ByteCount(sums.unknown)) from where is not told" }
        lines.append(summary)
        return lines
    }
}

/// Where an agent had a blob from, as it says itself.
enum LayerSource: Hashable, Sendable, CustomStringConvertible {
    /// It fetched so much from agents and from origins; `isEarlier`: at least in part before this pull.
    case fetched(agents: Int, origins: Int, isEarlier: Bool)
    /// It had the blob on its disk.
    case held
    /// The destination of the pull had it.
    case destination
    /// Nobody has told.
    case unknown

    var description: String {
        switch self {
        case .fetched(let agents, let origins, let isEarlier):
            "agents \(ByteCount(agents)), origins \(ByteCount(origins))"
                + (isEarlier ? " (begun before this pull)" : "")
        case .held: "the agent's disk"
        case .destination: "already there"
        case .unknown: "not told"
        }
    }

    /// `{"kind":"fetched","bytes_from_agents":N,"bytes_from_origins":N,"earlier":B}` or `{"kind":"held"}`.
    var json: JSON {
        switch self {
        case .fetched(let agents, let origins, let isEarlier):
            .object([
                .init("kind", .string("fetched")), .init("bytes_from_agents", .integer(agents)),
                .init("bytes_from_origins", .integer(origins)), .init("earlier", .bool(isEarlier)),
            ])
        case .held: .object([.init("kind", .string("held"))])
        case .destination: .object([.init("kind", .string("destination"))])
        case .unknown: .object([.init("kind", .string("unknown"))])
        }
    }
}
