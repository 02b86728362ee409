// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry

/// The tasks of the selected queue, and what there is to know about the selected one.
enum QueueTasks {
    /// Rows below the list when there is room: a gap, the time line, a gap, why it waits, its error.
    static func extraRows(_ scene: Scene) -> Int {
        let waiting = Lists.tasks(scene).count { $0.nextAttemptSeconds != nil }
        let holders = Lists.selectedQueue(scene)?.otherHolders.isEmpty ?? true ? 0 : 1
        let isMissing = Lists.tasks(scene).contains { ($0.missingCount ?? 0) > 0 }
        return (waiting > 0 ? 6 + min(waiting, timelinesMax) : 5) + holders + (isMissing ? 1 : 0)
    }

    /// The most tasks on the time line.
    private static let timelinesMax = 4

    static func draw(_ scene: Scene, into frame: inout Frame, area: Rect) {
        let queue = Lists.selectedQueue(scene)
        let tasks = Lists.tasks(scene)
        let isFocused = scene.view.queues.pane == .tasks
        let inner = frame.box(
            area,
            title: title(queue, tasks.count),
            trailing: queue == nil ? "" : sortName(scene.view.queues.sorting),
            bottomTrailing: scene.picture.canControl && !tasks.isEmpty
                ? "r retry  A all failed  d drop…" : "",
            isFocused: isFocused
        )
        guard let queue, !tasks.isEmpty else {
            let text = queue == nil ? "no queue" : "nothing waits: all is done"
            PaneParts.remark(PaneParts.emptiness(scene, text), into: &frame, area: inner)
            return
        }
        let selected = Lists.selectedTask(scene)
        let parts = inner.splitBottom(max(0, inner.height - 1 - tasks.count))
        Table(columns: columns(scene)).draw(
            into: &frame,
            area: parts.rest,
            count: tasks.count,
            selected: tasks.firstIndex { $0.name == selected?.name },
            isFocused: isFocused,
            row: { cells(tasks[$0], scene) },
            select: { .select(.task(tasks[$0].name)) }
        )
        extras(queue, tasks, selected, scene, into: &frame, area: parts.bottom)
    }

    private static func title(_ queue: QueueRow?, _ count: Int) -> String {
        guard let queue else { return "Tasks" }
        let all = queue.status.pendingCount
        let number = all > count ? "\(count) oldest of \(Units.count(all))" : "\(count)"
        let target = queue.isReplication ? queue.status.target.map { " → \($0)" } ?? "" : ""
        return "Tasks  \(queue.component) \(queue.status.name)\(target) (\(number))"
    }

    private static func sortName(_ sorting: Sorting<QueuesState.Column>) -> String {
        let name =
            switch sorting.column {
            case .age: "age"
            case .failures: "failures"
            case .name: "name"
            }
        return "sort: \(name) \(sorting.isDescending ? "▼" : "▲")"
    }

    // MARK: - Rows

    private static func columns(_ scene: Scene) -> [TableColumn] {
        let isWide = scene.width >= .wide
        return [
            TableColumn("STATE", width: 8),
            TableColumn("BLOB / TAG", width: isWide ? 24 : 14),
            TableColumn("SIZE", width: 5, align: .trailing, priority: 3),
            TableColumn("FAILS", width: 5, align: .trailing, priority: 2),
            TableColumn("AGE", width: 7, align: .trailing, priority: 1),
            TableColumn("LAST TRY", width: 8, align: .trailing, priority: 5),
            TableColumn("NEXT", width: 9, priority: 1),
            TableColumn("LAST ERROR", width: 0, priority: 4),
        ]
    }

    private static func cells(_ task: QueueStatus.Task, _ scene: Scene) -> [TableCell] {
        let (state, role) = state(task)
        let bytes =
            task.bytes
            ?? digest(task).flatMap { digest in
                scene.picture.blobs.first { $0.digest == digest }?.blobBytes
            }
        return [
            TableCell(state, role),
            TableCell(name(task, width: scene.width >= .wide ? 24 : 14)),
            TableCell(
                bytes.map { Units.short(Double($0)) } ?? Units.unknown,
                bytes == nil ? .hint : .text
            ),
            TableCell("\(task.failureCount)", task.failureCount > 0 ? .down : .hint),
            TableCell(Units.duration(task.ageSeconds)),
            TableCell(task.lastAttemptSeconds.map(Units.duration) ?? Units.unknown, .hint),
            TableCell(next(task), .hint),
            TableCell(task.lastError ?? "", .warning),
        ]
    }

    private static func state(_ task: QueueStatus.Task) -> (String, Role) {
        if task.state == .dead { return ("given up", .down) }
        if task.state == .running { return ("running", .text) }
        return switch (task.failureCount > 0, task.nextAttemptSeconds == nil) {
        case (true, true): ("retrying", .warning)
        case (true, false): ("failed", .down)
        case (false, true): ("ready", .text)
        case (false, false): ("waits", .hint)
        }
    }

    /// What a task is about, in few columns: a digest by its beginning.
    static func brief(_ name: String) -> String {
        guard name.hasPrefix(Digest.prefix) else { return name }
        return String(name.dropFirst(Digest.prefix.count).prefix(12)) + "…"
    }

    private static func next(_ task: QueueStatus.Task) -> String {
        if task.state == .dead { return "r tries" }
        return task.nextAttemptSeconds.map(QueuesScreen.inTime) ?? "now"
    }

    private static func digest(_ task: QueueStatus.Task) -> Digest? {
        guard task.name.hasPrefix(Digest.prefix) else { return nil }
        return Digest(hex: task.name.dropFirst(Digest.prefix.count))
    }

    private static func name(_ task: QueueStatus.Task, width: Int) -> String {
        if let digest = digest(task) { return Scene.short(digest, min(12, width - 1)) + "…" }
        return task.name.fittedInMiddle(to: width)
    }

    // MARK: - Below the list

    private static func extras(
        _ queue: QueueRow,
        _ tasks: [QueueStatus.Task],
        _ selected: QueueStatus.Task?,
        _ scene: Scene,
        into frame: inout Frame,
        area: Rect
    ) {
        var lines: [(String, Role)] = []
        let width = area.width - 2
        if let error = selected?.lastError, !error.isEmpty {
            lines += PaneParts.wrapped("error: " + error, width: width, linesMax: 3)
                .map { ($0, .warning) }
        }
        let holders = holdersLine(queue, tasks, selected)
        if !holders.isEmpty { lines.append((holders, .text)) }
        if let missing = missingLine(selected, width: width) { lines.append((missing, .text)) }
        let why =
            queue.isReplication
            ? "why: a tag waits until every blob it needs is on the remote"
            : "why: what waits here stays cached, exempt from clean-up, until its backend has it"
        lines += PaneParts.wrapped(why, width: width, linesMax: 2).map { ($0, .hint) }
        let waiting = tasks.filter { $0.nextAttemptSeconds != nil }.prefix(timelinesMax)
        let timelineRows = waiting.isEmpty ? 0 : waiting.count + 2
        let gap = area.height > 0 ? 1 : 0
        var y = area.y + gap
        if timelineRows > 0, area.height >= gap + timelineRows + lines.count, area.width >= 50 {
            timeline(
                Array(waiting),
                into: &frame,
                area: Rect(x: area.x + 1, y: y, width: width, height: timelineRows - 1)
            )
            y += timelineRows
        }
        for (line, role) in lines where y < area.bottom {
            frame.write(line.fitted(to: width), x: area.x + 1, y: y, in: area, role)
            y += 1
        }
    }

    /// Which other origins hold what waits here, as far as is known: `also cached on: 02be77 → o0 ✓   c7714e → o1 ✓`.
    private static func holdersLine(
        _ queue: QueueRow,
        _ tasks: [QueueStatus.Task],
        _ selected: QueueStatus.Task?
    ) -> String {
        let first = tasks.filter { $0.name == selected?.name }
        let rest = tasks.filter { $0.name != selected?.name }
        let known: [String] = (first + rest).compactMap { task in
            guard let names = queue.otherHolders[task.name], let digest = digest(task) else {
                return nil
            }
            return "\(Scene.short(digest, holderDigits)) → \(names.joined(separator: ", ")) ✓"
        }
        guard !known.isEmpty else { return "" }
        return "also cached on: " + known.prefix(holdersMax).joined(separator: "   ")
    }

    /// What a tag still lacks on its remote: `missing there: 3 of its blobs: 02be77… c7714e…`.
    private static func missingLine(_ task: QueueStatus.Task?, width: Int) -> String? {
        guard let task, let count = task.missingCount, count > 0 else { return nil }
        let names = (task.missing ?? []).map { Scene.short($0, holderDigits) + "…" }
        let more = count > names.count ? " and \(count - names.count) more" : ""
        return "not known to be there: \(names.joined(separator: " "))\(more)".fitted(to: width)
    }

    /// Tasks whose other holders are named, and digits of a digest there.
    private static let (holdersMax, holderDigits) = (3, 6)

    /// When each waiting task is tried again, on a line of a minute.
    private static func timeline(
        _ tasks: [QueueStatus.Task],
        into frame: inout Frame,
        area: Rect
    ) {
        let longest = tasks.compactMap(\.nextAttemptSeconds).filter(\.isFinite).max() ?? 0
        let span = [60.0, 600, 3600, 86_400].first { longest <= $0 } ?? 86_400
        let label = 17
        let width = min(64, area.width - label - 8)
        guard width > 10 else { return }
        frame.write("tried again", x: area.x, y: area.y, in: area, .hint)
        var x = frame.write("now├", x: area.x + label - 4, y: area.y, in: area, .hint)
        for _ in 0..<width { x = frame.write("─", x: x, y: area.y, in: area, .border) }
        frame.write(
            "┤+\(Units.plainDuration(milliseconds: Int(span) * 1000))",
            x: x,
            y: area.y,
            in: area,
            .hint
        )
        for (index, task) in tasks.enumerated() {
            let y = area.y + 1 + index
            frame.write(name(task, width: label - 6), x: area.x + 2, y: y, in: area, .hint)
            guard let seconds = task.nextAttemptSeconds, seconds.isFinite else { continue }
            let share = min(max(0, seconds / span), 1)
            let place = area.x + label + Int(share * Double(width - 1))
            let end = frame.write("▸", x: place, y: y, in: area, .warning)
            frame.write(Units.duration(seconds), x: end, y: y, in: area, .text)
        }
    }
}
