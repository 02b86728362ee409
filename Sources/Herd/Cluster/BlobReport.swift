// SPDX-License-Identifier: Apache-2.0

import Content
import Logging
import Primitives
import TUI
import Telemetry

/// What a herd without a picture says of its blobs while they move: a line for each, once a second.
struct BlobReport: Sendable {
    private let lines: LineSink
    /// Blobs told of at a time: those that move fastest.
    private static let blobsMax = 8

    /// A report on `lines`.
    init(lines: LineSink) { self.lines = lines }

    /// Tells what `sampler` finds until the task is cancelled.
    func follow(_ sampler: HerdSampler) async {
        var builder = PictureBuilder(name: "herd", source: .herd)
        var second: Int64 = 0
        await sampler.run { sample in
            let picture = builder.take(sample, interest: Interest())
            let now = picture.takenAt.unixNanoseconds / 1_000_000_000
            guard now != second else { return }
            second = now
            for record in Self.records(picture) {
                lines.tell("\(LineTime.now) \(record.message)", record)
            }
        }
    }

    /// A record for each blob that moves in `picture`, the fastest first.
    static func records(_ picture: ClusterPicture) -> [LogRecord] {
        let moving = picture.blobs.filter { $0.rate > 0 }
            .sorted { ($1.rate, $0.digest) < ($0.rate, $1.digest) }
        let agents = picture.agents.count
        return moving.prefix(blobsMax).map { blob in
            let share = picture.totals.agentShare
            var parts = [
                "blob \(blob.digest.hex.prefix(8))", Units.percent(blob.done),
                "\(blob.leecherCount)/\(agents)", "↓\(Units.rate(blob.rate))",
            ]
            if let share { parts.append("p2p \(Units.percent(share))") }
            parts.append("copies \(Units.decimal(blob.copies, 2))")
            var record = LogRecord(parts.joined(separator: " "))
            record.level = .info
            record.data = [
                .init("blob", .string(blob.digest.description)),
                .init("done_percent", .integer(Int((blob.done * 100).rounded(.down)))),
                .init("pulling", .integer(blob.leecherCount)), .init("agents", .integer(agents)),
                .init("download_bytes_per_second", .integer(Int(blob.rate))),
            ]
            if let share {
                let percent = Int((share * 100).rounded())
                record.data.append(.init("from_agents_percent", .integer(percent)))
            }
            return record
        }
    }
}
