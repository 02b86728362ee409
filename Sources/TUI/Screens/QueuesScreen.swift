// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// The screen Queues: work that must finish, what failed of it and when it is tried again.
package enum QueuesScreen: ScreenContent {
    package static func draw(_ scene: Scene, into frame: inout Frame, area: Rect) {
        let panes = QueuesState.Pane.allCases
        let heights = PaneParts.heights(panes.map { wish(scene, $0) }, total: area.height)
        var rest = area
        for (pane, height) in zip(panes, heights) where height > 0 {
            let parts = rest.splitTop(height)
            rest = parts.rest
            if pane == .tasks {
                QueueTasks.draw(scene, into: &frame, area: parts.top)
            } else {
                list(scene, pane, into: &frame, area: parts.top)
            }
        }
    }

    package static func crumbs(_ scene: Scene) -> [String] { ["queues"] }

    package static func summary(_ scene: Scene) -> [String] {
        if scene.picture.isEmpty { return [] }
        return [QueuesState.Pane.writeBack, .replication].map { pane in
            let rows = scene.picture.queues.filter { $0.isReplication == (pane == .replication) }
            let pending = PaneParts.sum(rows.map(\.status.pendingCount))
            let failed = PaneParts.sum(rows.map(\.status.failedCount))
            guard scene.width >= .wide else {
                let name = pane == .writeBack ? "wb" : "tags"
                return "\(name) \(pending)p \(failed)f" + (failed > 0 ? " ▲" : "")
            }
            let name = pane == .writeBack ? "write-back" : "tags"
            return "\(name) \(Units.count(pending)) pending, \(Units.count(failed)) failed"
        }
    }

    /// How high each pane would like to be. The pane with the focus stays longest.
    private static func wish(_ scene: Scene, _ pane: QueuesState.Pane) -> PaneParts.Wish {
        let isFocused = scene.view.queues.pane == pane
        switch pane {
        case .writeBack, .replication:
            let rows = max(1, Lists.queues(scene, pane).count)
            let extras = pane == .writeBack ? 4 : 2 + min(rows, graphsMax)
            let priority = isFocused ? 0 : pane == .writeBack ? 1 : 3
            return .init(least: 4, plain: 3 + rows, full: 3 + rows + extras, priority: priority)
        case .tasks:
            let rows = max(1, Lists.tasks(scene).count)
            return .init(
                least: 4,
                plain: 3 + rows,
                full: 3 + rows + QueueTasks.extraRows(scene),
                priority: isFocused ? 0 : 2
            )
        }
    }

    /// The most graphs of single queues in a pane.
    private static let graphsMax = 3

    // MARK: - Lists

    private static func list(
        _ scene: Scene,
        _ pane: QueuesState.Pane,
        into frame: inout Frame,
        area: Rect
    ) {
        let rows = Lists.queues(scene, pane)
        let done = PaneParts.sum(rows.map(\.doneLastMinute))
        let inner = frame.box(
            area,
            title: pane == .writeBack
                ? "Write-back  origin → backend" : "Tag replication  build-index → remotes",
            trailing: rows.isEmpty ? "" : "\(Units.count(done)) done in the last minute",
            isFocused: scene.view.queues.pane == pane
        )
        guard !rows.isEmpty else {
            let what =
                pane == .writeBack
                ? "no origin has a queue yet" : "no tags are copied to other clusters"
            PaneParts.remark(PaneParts.emptiness(scene, what), into: &frame, area: inner)
            return
        }
        let extras = max(0, inner.height - 1 - rows.count)
        let parts = inner.splitBottom(extras)
        let selected = Lists.selectedQueue(scene)?.id
        Table(columns: columns(scene, pane)).draw(
            into: &frame,
            area: parts.rest,
            count: rows.count,
            selected: rows.firstIndex { $0.id == selected },
            isFocused: scene.view.queues.pane == pane,
            row: { cells(rows[$0]) },
            select: { .select(.queue(rows[$0].id)) }
        )
        if pane == .writeBack {
            writeBackExtras(rows, scene, into: &frame, area: parts.bottom)
        } else {
            replicationExtras(rows, scene, into: &frame, area: parts.bottom)
        }
    }

    private static func columns(_ scene: Scene, _ pane: QueuesState.Pane) -> [TableColumn] {
        let isWide = scene.width >= .wide
        var columns = [
            TableColumn(pane == .writeBack ? "ORIGIN" : "FROM", width: isWide ? 14 : 11),
            TableColumn(
                pane == .writeBack ? "NAMESPACE" : "REMOTE",
                width: isWide ? 18 : 11,
                priority: pane == .writeBack ? 4 : 0
            ),
            TableColumn("PEND", width: 5, align: .trailing),
            TableColumn("FAIL", width: 5, align: .trailing),
            TableColumn("OLDEST", width: 8, align: .trailing, priority: 1),
            TableColumn("NEXT", width: 9, priority: 2),
        ]
        columns.append(TableColumn("LAST ERROR", width: 0, priority: 3))
        if isWide {
            columns.append(TableColumn("DONE/min", width: 8, align: .trailing, priority: 5))
            columns.append(TableColumn("FULL", width: 5, align: .trailing, priority: 6))
        }
        return columns
    }

    private static func cells(_ row: QueueRow) -> [TableCell] {
        let status = row.status
        let isTroubled = row.isTroubled
        let oldest = status.oldestSeconds.map(Units.duration) ?? Units.unknown
        let share = status.capacity.flatMap { capacity in
            capacity > 0 ? Units.percent(Double(status.pendingCount) / Double(capacity)) : nil
        }
        return [
            TableCell(row.component),
            TableCell(status.target ?? Units.unknown, status.target == nil ? .hint : .text),
            TableCell(Units.count(status.pendingCount), status.pendingCount > 0 ? .text : .hint),
            TableCell(
                Units.count(status.failedCount + (status.deadCount ?? 0)),
                isTroubled ? .down : .hint
            ),
            TableCell(
                isTroubled ? oldest + " ▲" : oldest,
                isTroubled ? .warning : status.oldestSeconds == nil ? .hint : .text
            ),
            TableCell(nextAttempt(status) ?? Units.unknown, isTroubled ? .warning : .hint),
            TableCell(isTroubled ? status.lastError ?? Units.unknown : "", .warning),
            TableCell(Units.count(row.doneLastMinute)),
            TableCell(share ?? Units.unknown, .hint),
        ]
    }

    /// When something of the queue is tried next; nil when nothing waits, or it is not known.
    static func nextAttempt(_ status: QueueStatus) -> String? {
        if let seconds = status.nextAttemptSeconds { return inTime(seconds) }
        guard let tasks = status.tasks, !tasks.isEmpty else { return nil }
        return inTime(tasks.map { $0.nextAttemptSeconds ?? 0 }.min() ?? 0)
    }

    /// `now`, `in 12s`.
    static func inTime(_ seconds: Double) -> String {
        guard seconds.isFinite else { return Units.unknown }
        return seconds < 0.5 ? "now" : "in " + Units.duration(seconds)
    }

    // MARK: - Below the lists

    private static func writeBackExtras(
        _ rows: [QueueRow],
        _ scene: Scene,
        into frame: inout Frame,
        area: Rect
    ) {
        var lines = rowsBelowGap(area, wanted: 3)
        guard !lines.isEmpty else { return }
        let pending = sum(rows.map(\.pendingHistory))
        let failed = sum(rows.map(\.failedHistory))
        if lines.count == 1 || scene.width < .wide && lines.count < 3 {
            let halves = lines[0].splitLeft(lines[0].width / 2)
            PaneParts.history(
                "pend",
                labelWidth: 5,
                pending,
                scene,
                into: &frame,
                line: halves.left,
                .agentEdge
            )
            PaneParts.history(
                "fail",
                labelWidth: 5,
                failed,
                scene,
                into: &frame,
                line: halves.rest,
                .down
            )
            lines.removeFirst()
        } else {
            PaneParts.history(
                "pending",
                labelWidth: 9,
                pending,
                scene,
                into: &frame,
                line: lines[0],
                .agentEdge
            )
            PaneParts.history(
                "failed",
                labelWidth: 9,
                failed,
                scene,
                into: &frame,
                line: lines[1],
                .down
            )
            lines.removeFirst(2)
        }
        if let line = lines.first { ageHistogram(rows, into: &frame, line: line) }
    }

    private static func replicationExtras(
        _ rows: [QueueRow],
        _ scene: Scene,
        into frame: inout Frame,
        area: Rect
    ) {
        let lines = rowsBelowGap(area, wanted: min(rows.count, graphsMax) + 1)
        for (row, line) in zip(rows.prefix(graphsMax), lines) {
            PaneParts.history(
                row.status.target ?? row.component,
                labelWidth: 12,
                row.pendingHistory.map(Double.init),
                scene,
                into: &frame,
                line: line,
                .agentEdge
            )
        }
        guard let line = lines.last, lines.count > min(rows.count, graphsMax) else { return }
        let note = "a tag waits until every blob it needs is on the remote"
        frame.write(note.fitted(to: line.width), x: line.x, y: line.y, in: line, .hint)
    }

    /// Up to `wanted` rows at the bottom of `area`, with one left free above them where there is room.
    private static func rowsBelowGap(_ area: Rect, wanted: Int) -> [Rect] {
        let count = min(wanted, area.height > 1 ? area.height - 1 : area.height)
        let inner = Rect(x: area.x + 1, y: area.y, width: area.width - 2, height: area.height)
        let first = area.height > count ? area.y + 1 : area.y
        return (0..<max(0, count)).map {
            Rect(x: inner.x, y: first + $0, width: inner.width, height: 1)
        }
    }

    /// The sum of histories that end at the same second.
    private static func sum(_ histories: [[Int]]) -> [Double] {
        let count = histories.map(\.count).max() ?? 0
        var total = Array(repeating: 0, count: count)
        for history in histories {
            for (index, value) in history.enumerated() {
                total[count - history.count + index] &+= value
            }
        }
        return total.map(Double.init)
    }

    private static func ageHistogram(_ rows: [QueueRow], into frame: inout Frame, line: Rect) {
        let ages = rows.flatMap { $0.status.tasks ?? [] }.map(\.ageSeconds)
        let all = PaneParts.sum(rows.map { max(0, $0.status.pendingCount) })
        let classes: [(String, Range<Double>)] = [
            ("<1s", -.infinity..<1), ("<10s", 1..<10), ("<1m", 10..<60), ("<10m", 60..<600),
            ("≥10m", 600..<Double.infinity),
        ]
        var x = frame.write("ages  ", x: line.x, y: line.y, in: line, .hint)
        for (name, range) in classes {
            let count = ages.count { range.contains($0) }
            let share = ages.isEmpty ? 0 : Double(count) / Double(ages.count)
            let bar = Graph.horizontal(share, width: 4)
            x = frame.write("\(name) ", x: x, y: line.y, in: line, .hint)
            x = frame.write(bar + (bar.isEmpty ? "" : " "), x: x, y: line.y, in: line, .agentEdge)
            x = frame.write("\(count)   ", x: x, y: line.y, in: line, count > 0 ? .text : .hint)
        }
        if all > ages.count {
            frame.write("of the \(ages.count) oldest", x: x, y: line.y, in: line, .hint)
        }
    }
}
