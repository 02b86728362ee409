// SPDX-License-Identifier: Apache-2.0

package import Telemetry

/// The rows of the screens' lists, as they are shown and as keys walk through them.
///
/// Everything is a function of the scene: a selection that is not there any more counts as the first row.
package enum Lists {
    // MARK: - Components

    /// The components that the filter of the screen Components lets pass.
    package static func components(_ scene: Scene) -> [ComponentRow] {
        let filter = Filter(scene.view.filters[.components] ?? "")
        guard !filter.isEmpty else { return scene.picture.components }
        return scene.picture.components.filter { filter.matches(text: text(of: $0)) }
    }

    /// The component that is selected: the first one where none is.
    package static func selectedComponent(_ scene: Scene) -> ComponentRow? {
        let rows = components(scene)
        let name = scene.view.component
        return rows.first { $0.id == name || $0.shortName == name } ?? rows.first
    }

    /// The member of the ring that is selected where members are imagined down: the first one where none is.
    package static func selectedMember(_ scene: Scene) -> RingPicture.Member? {
        let members = scene.picture.ring?.members ?? []
        guard let name = scene.view.component else { return members.first }
        let row = scene.picture.component(name)
        let names = [name, row?.shortName ?? name]
        return members.first { member in
            names.contains(member.name) || row?.addresses.values.contains(member.address) == true
        } ?? members.first
    }

    private static func text(of row: ComponentRow) -> [String] {
        let light =
            switch row.light {
            case .ok: "ok"
            case .starting: "starting"
            case .warning: "warning"
            case .down: "down"
            }
        return [row.id, row.shortName, row.kind.rawValue, light, row.healthReason ?? ""]
            + row.addresses.values.sorted() + row.faults
    }

    // MARK: - Queues

    /// The queues in `pane` that the filter of the screen Queues lets pass; none in the pane of tasks.
    package static func queues(_ scene: Scene, _ pane: QueuesState.Pane) -> [QueueRow] {
        guard pane != .tasks else { return [] }
        let filter = Filter(scene.view.filters[.queues] ?? "")
        return scene.picture.queues.filter { row in
            row.isReplication == (pane == .replication)
                && (filter.isEmpty || filter.matches(text: text(of: row)))
        }
    }

    /// The queue that is selected: in the pane with the focus, or else in any; the first one where none is.
    package static func selectedQueue(_ scene: Scene) -> QueueRow? {
        let (writeBack, replication) = (queues(scene, .writeBack), queues(scene, .replication))
        let order =
            switch scene.view.queues.pane {
            case .writeBack: writeBack.isEmpty ? replication : writeBack
            case .replication: replication.isEmpty ? writeBack : replication
            case .tasks: writeBack + replication
            }
        return order.first { $0.id == scene.view.queue } ?? order.first
    }

    private static func text(of row: QueueRow) -> [String] {
        let error = row.status.lastError ?? ""
        return [row.component, row.status.name, row.status.target ?? "", error]
            + (row.isTroubled ? ["failed"] : [])
    }

    /// The tasks of the selected queue, as far as the queue tells them, sorted.
    package static func tasks(_ scene: Scene) -> [QueueStatus.Task] {
        sorted(selectedQueue(scene)?.status.tasks ?? [], by: scene.view.queues.sorting)
    }

    /// The task that is selected: the first one where none is.
    package static func selectedTask(_ scene: Scene) -> QueueStatus.Task? {
        let rows = tasks(scene)
        return rows.first { $0.name == scene.view.task } ?? rows.first
    }

    private static func sorted(
        _ tasks: [QueueStatus.Task],
        by sorting: Sorting<QueuesState.Column>
    ) -> [QueueStatus.Task] {
        // Equal rows are in the order of their names, so that a list does not shuffle itself.
        tasks.sorted { left, right in
            let (low, high) = sorting.isDescending ? (right, left) : (left, right)
            switch sorting.column {
            case .age:
                let (lowAge, highAge) = (low.ageSeconds.orderable, high.ageSeconds.orderable)
                return lowAge != highAge ? lowAge < highAge : left.name < right.name
            case .failures:
                return low.failureCount != high.failureCount
                    ? low.failureCount < high.failureCount : left.name < right.name
            case .name: return low.name < high.name
            }
        }
    }

    // MARK: - Logs

    /// The positions in the picture's log of the lines that `component` wrote at `level` or above: the latest first, at
    /// most `count` after the latest `skipped`.
    package static func logLines(
        _ scene: Scene,
        of component: ComponentRow,
        skipping skipped: Int,
        count: Int
    ) -> [Int] {
        let level = scene.view.components.level
        let lines = scene.picture.logs.lines
        var (found, left): ([Int], Int) = ([], max(0, skipped))
        guard count > 0 else { return [] }
        for index in lines.indices.reversed() {
            let line = lines[index]
            guard line.component == component.id || line.component == component.shortName,
                line.rank >= level.rank
            else { continue }
            if left > 0 {
                left -= 1
                continue
            }
            found.append(index)
            if found.count == count { break }
        }
        return found
    }

    /// How many lines ``logLines(_:of:skipping:count:)`` has in all.
    package static func logLineCount(_ scene: Scene, of component: ComponentRow) -> Int {
        let level = scene.view.components.level
        return scene.picture.logs.lines.count {
            ($0.component == component.id || $0.component == component.shortName)
                && $0.rank >= level.rank
        }
    }
}

extension QueueRow {
    /// Whether it copies tags to other clusters; other queues write to backends.
    package var isReplication: Bool { status.name.hasPrefix("repl") }
}

extension LogLine {
    /// How grave the line is: 0 for debugging to 3 for errors; 1 for text that did not come through the log.
    package var rank: Int {
        switch level {
        case "trace", "debug": 0
        case "warning": 2
        case "error", "critical": 3
        default: 1
        }
    }
}

extension ComponentsState.Level {
    /// How grave lines of this level are, as ``LogLine/rank`` counts.
    package var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

extension Double {
    /// The value, or less than any when it is not a number: comparing with `nan` would break a sort.
    fileprivate var orderable: Double { isNaN ? -.infinity : self }
}
