// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// The Overview's pane of queues.
enum OverviewQueues {
    static func draw(_ scene: Scene, into frame: inout Frame, area: Rect) {
        let totals = scene.picture.totals
        let inside = frame.box(
            area,
            title: "Queues",
            trailing: totals.oldestTaskSeconds.map { "oldest \(Units.duration($0))" } ?? "empty",
            isFocused: scene.view.overview.pane == .queues
        )
        let rows = scene.picture.queues
        let (list, depth) = inside.splitBottom(inside.height > 3 ? 1 : 0)
        guard !rows.isEmpty else {
            frame.write("nothing waits", x: list.x + 1, y: list.y, in: list, .hint)
            return
        }
        let table = Table(columns: [
            TableColumn("QUEUE", width: 0), TableColumn("PEND", width: 5, align: .trailing),
            TableColumn("FAIL", width: 4, align: .trailing),
            TableColumn("OLDEST", width: 7, align: .trailing, priority: 2),
            TableColumn("NEXT RETRY", width: 11, priority: 1),
        ])
        table.draw(
            into: &frame,
            area: list,
            count: rows.count,
            selected: scene.view.overview.pane == .queues
                ? rows.firstIndex { $0.id == scene.view.queue } ?? 0 : nil,
            row: { cells(rows[$0]) },
            select: { .select(.queue(rows[$0].id)) }
        )
        let end = frame.write("depth 60s ", x: depth.x + 1, y: depth.y, in: depth, .hint)
        let plot = Rect(x: end, y: depth.y, width: depth.right - end, height: depth.height)
        let series = scene.picture.series
        Graph.draw(
            series.queued,
            lastIndex: series.lastIndex,
            span: RateSeries.samplesMax,
            scale: max(4, series.queued.max() ?? 4),
            into: &frame,
            area: plot,
            role: .warning
        )
    }

    /// `wb origin-0`, `tags → zone-b`.
    static func name(_ row: QueueRow) -> String {
        let target = row.status.target.map { " → \($0)" } ?? ""
        switch row.status.name {
        case "write-back": return "wb \(row.component)"
        case "replication": return "tags\(target)"
        default: return "\(row.status.name) \(row.component)\(target)"
        }
    }

    private static func cells(_ row: QueueRow) -> [TableCell] {
        let status = row.status
        let next =
            QueuesScreen.nextAttempt(status) ?? (status.pendingCount > 0 ? "now" : Units.unknown)
        return [
            TableCell(name(row)), TableCell("\(status.pendingCount)"),
            TableCell("\(status.failedCount)", status.failedCount > 0 ? .down : .text),
            TableCell(status.oldestSeconds.map(Units.duration) ?? Units.unknown),
            TableCell(row.isTroubled ? next + " ▲" : next, row.isTroubled ? .warning : .text),
        ]
    }
}
