// SPDX-License-Identifier: Apache-2.0

import Primitives
import Simulator
import Telemetry

/// What came of a simulation, for people and for programs.
struct SimulationReport {
    let result: SimulationResult
    let wallSeconds: Double
    let residentBytes: Int

    /// Kraken's published times of its own benchmark: docs/BENCHMARKS.md there.
    private static let kraken = (p50: 10, p99: 18, p999: 22)

    var violationLines: [String] {
        result.violations.map { "\($0.invariant.rawValue): \($0.text)" }
    }

    // MARK: - For people

    func lines(hasTimeline: Bool) -> [String] {
        let plan = result.plan
        var lines = [
            "\(plan.agents) agents, \(plan.origins) origins, \(plan.trackers) trackers, seed \(plan.seed); "
                + plan.blobBytes.map { "\(ByteCount($0))" }.joined(separator: " + ")
                + " in pieces of \(ByteCount(plan.pieceBytes)), \(plan.bandwidth) a host; faults: \(plan.faults.text)",
            "",
        ]
        lines += timeTable
        lines += ["", "uplinks of agents and origins, in host-seconds:"]
        lines += uplinkTable
        if hasTimeline {
            lines += ["", "share of agents' uplinks, second by second:"] + timelineTable
        }
        lines += ["", "origins sent, in copies of the image: \(copies)", controlLine, counterLine]
        let broken = result.invariants.filter { $0.violations > 0 }
        lines.append(
            broken.isEmpty
                ? "invariants: all \(result.invariants.count) held in \(result.audits) audits"
                : "VIOLATED: "
                    + broken.map { "\($0.invariant.rawValue) \($0.violations)" }
                    .joined(separator: ", ")
        )
        lines.append(
            "trace \(result.trace), \(wallSeconds.fixed(1)) s on the wall, peak \(ByteCount(residentBytes)) resident"
        )
        return lines
    }

    private var timeTable: [String] {
        var rows = [["seconds", "p50", "p90", "p99", "p99.9", "makespan", "done", "bound", "T*"]]
        rows.append(row("image", result.image))
        for (index, blob) in result.blobs.enumerated() { rows.append(row("blob \(index)", blob)) }
        let kraken = Self.kraken
        rows.append([
            "Kraken's benchmark", "\(kraken.p50)", "", "\(kraken.p99)", "\(kraken.p999)", "", "",
            "", "",
        ])
        return Self.table(rows)
    }

    private func row(_ name: String, _ times: DownloadTimes) -> [String] {
        let numbers = [times.p50, times.p90, times.p99, times.p999, times.makespan]
        return [name] + numbers.map { $0.fixed(2) } + [
            "\(times.count)/\(result.survivors)",
            "\(times.bound.tMin.fixed(2)) (\(times.bound.binding.rawValue))",
            times.bound.tStar.fixed(2),
        ]
    }

    private var uplinkTable: [String] {
        var rows = [["", "busy", "no requests", "no pieces", "no announce", "no peers", "lost"]]
        let stages: [(String, [UplinkLedger.Stage])] = [
            ("leeching agents", [.leeching]), ("seeding agents", [.seeding]),
            ("origins", [.origin]), ("all", UplinkLedger.Stage.allCases),
        ]
        for (name, stages) in stages {
            let parts = Self.activities.map { result.ledger.total($0, in: stages).fixed(1) }
            rows.append([name] + parts + [result.ledger.lost(in: stages).fixed(1)])
        }
        return Self.table(rows)
    }

    private static let activities: [UplinkLedger.Activity] = [
        .busy, .awaitingRequests, .awaitingPieces, .awaitingAnnounce, .awaitingConnections,
    ]

    private var timelineTable: [String] {
        let series = Self.activities.map { activity in
            timeline(activity)
        }
        let count = series.map(\.count).max() ?? 0
        var rows = [["second", "busy", "no requests", "no pieces", "no announce", "no peers"]]
        for second in 0..<count {
            let values = series.map { $0.indices.contains(second) ? $0[second] : 0 }
            let sum = max(1e-9, values.reduce(0, +))
            rows.append(["\(second)"] + values.map { "\((100 * $0 / sum).fixed(1)) %" })
        }
        return Self.table(rows)
    }

    /// Host-seconds of agents in each second.
    func timeline(_ activity: UplinkLedger.Activity) -> [Double] {
        let leeching = result.ledger.timeline(activity, .leeching)
        let seeding = result.ledger.timeline(activity, .seeding)
        return (0..<max(leeching.count, seeding.count)).map { second in
            (leeching.indices.contains(second) ? leeching[second] : 0)
                + (seeding.indices.contains(second) ? seeding[second] : 0)
        }
    }

    private var copies: String {
        let total = result.originCopies.reduce(0, +)
        return
            "\(total.fixed(2)) (\(result.originCopies.map { $0.fixed(2) }.joined(separator: " ")))"
    }

    private var controlLine: String {
        let payload = Double(max(1, result.payloadBytes))
        let perPiece = Double(result.controlMessages) / Double(max(1, result.payloads))
        let share = Double(result.controlBytes) / payload * 100
        return
            "control: \(perPiece.fixed(1)) messages a piece, \(share.fixed(4)) % of the payload's bytes"
    }

    private var counterLine: String {
        result.counters.filter { $0.value > 0 }.map { "\($0.name) \($0.value)" }
            .joined(separator: ", ")
    }

    private static func table(_ rows: [[String]]) -> [String] {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            var line = row[0].padded(to: widths[0])
            for column in 1..<columns {
                let gap = widths[column] - row[column].count
                line += "  " + String(repeating: " ", count: gap) + row[column]
            }
            return line
        }
    }
}
