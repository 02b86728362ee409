// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TUI
import Telemetry

/// One performance of a scenario on a running herd.
final class ScenarioRun {
    private let scenario: Scenario
    private let commands: ClusterCommands
    private var begun: [(task: Task<String, any Error>, mayFail: Bool)] = []
    private var image: ClusterCommands.Pushed?
    /// What was counted before the scenario began, by component.
    private let start: [String: Mark]
    private var failures: [String] = []
    /// Faults that were on before: somebody else's.
    private let others: Set<Int>

    /// Where a component's counts stood.
    private struct Mark {
        let sequence: UInt64
        let counters: [String: Int]
    }

    /// How often a condition is looked at.
    private static let pause = Duration.milliseconds(100)

    init(_ scenario: Scenario, _ commands: ClusterCommands) {
        (self.scenario, self.commands) = (scenario, commands)
        others = Set(commands.faults.rows.map(\.id))
        let marks = commands.control.components.map { component in
            let mark = Mark(
                sequence: component.events.lastSequence,
                counters: component.counters.all()
            )
            return (component.planned.id, mark)
        }
        start = Dictionary(uniqueKeysWithValues: marks)
    }

    /// Performs it; answers how it went. Whatever happens, its faults are undone.
    /// - Throws: ``Failure`` when the herd is too small, or something did not come true.
    func play() async throws -> String {
        try checkSize()
        commands.narrate("scenario \(scenario.name): \(scenario.title)")
        let outcome: Result<Void, any Error>
        do {
            for step in scenario.steps { try await perform(step) }
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        for (task, _) in begun { task.cancel() }
        undoFaults()
        try outcome.get()
        guard failures.isEmpty else {
            throw Failure(
                "scenario \(scenario.name) did not go as it should",
                why: failures.joined(separator: "\n  ")
            )
        }
        let count = scenario.expectationCount
        return "scenario \(scenario.name): all \(count) expectations hold"
    }

    private func checkSize() throws(Failure) {
        let sizes = [
            (ComponentKind.agent, scenario.agentsMin), (.origin, scenario.originsMin),
        ]
        for (kind, least) in sizes where commands.control.components(kind).count < least {
            throw Failure(
                "cannot play \(scenario.name)",
                why: "it takes \(least) \(kind.rawValue)s",
                remedy: "start the herd with --\(kind.rawValue)s \(least)"
            )
        }
    }

    /// Undoes the faults of this scenario; answers how many.
    @discardableResult private func undoFaults() -> Int {
        let faults = ownFaults
        for fault in faults {
            // It may have ended by itself in this moment.
            _ = try? commands.faults.undo(fault)
        }
        return faults.count
    }

    private var ownFaults: [Int] {
        commands.faults.rows.map(\.id).filter { !others.contains($0) }
    }

    // MARK: - Steps

    private func perform(_ step: Scenario.Step) async throws {
        try Task.checkCancellation()
        switch step {
        case .say(let text): commands.narrate("  " + text)
        case .look(let text):
            commands.narrate("  * " + text)
            // Any component's events will do: those who watch read all of them.
            let stage = commands.control.components.first { $0.planned.kind != .agent }
            var event = ClusterEvent(.lesson)
            event.reason = text
            stage?.events.record(event)
        case .act(.push(let bytes)):
            let pushed = try await commands.push(bytes: bytes)
            image = pushed
            commands.narrate("  > " + pushed.sentence)
        case .act(.undo(nil)): commands.narrate("  > faults undone: \(undoFaults())")
        case .act(let command):
            commands.narrate("  > " + (try await commands.perform(aimed(command))))
        case .begin(let command, let mayFail):
            let (commands, command) = (commands, aimed(command))
            // Beside the steps that follow; joined by `finish`, and cancelled in the end.
            begun.append((Task { try await commands.perform(command) }, mayFail))
        case .finish(let seconds): try await finish(within: .seconds(seconds))
        case .wait(let condition, let seconds):
            try await wait(for: condition, within: .seconds(seconds))
        case .expect(let condition):
            let finding = try await find(condition)
            commands.narrate("  \(finding.holds ? "ok   " : "FAIL ") \(finding.words)")
            if !finding.holds { failures.append(finding.words) }
        }
    }

    /// The same command about the image of this scenario.
    private func aimed(_ command: ClusterCommand) -> ClusterCommand {
        guard case .pull(nil, let agents, let stagger) = command else { return command }
        return .pull(
            reference: image?.reference,
            agents: agents,
            staggerMilliseconds: stagger
        )
    }

    private func finish(within limit: Duration) async throws {
        let tasks = begun
        begun = []
        let overdue = Task {
            // The bound of this step; cancelled when it is over.
            try await Task.sleep(for: limit)
            for (task, _) in tasks { task.cancel() }
        }
        defer { overdue.cancel() }
        for (task, mayFail) in tasks {
            switch await task.result {
            case .success(let sentence): commands.narrate("  > " + sentence)
            case .failure(let error) where mayFail: commands.narrate("  > as it may: \(error)")
            case .failure(is CancellationError):
                throw Failure(
                    "\(scenario.name) hangs",
                    why: "a step took more than \(Units.duration(limit.seconds))"
                )
            case .failure(let error): throw error
            }
        }
    }

    private func wait(for condition: ScenarioCondition, within limit: Duration) async throws {
        let deadline = ContinuousClock.now.advanced(by: limit)
        while true {
            let finding = try await find(condition)
            if finding.holds { return commands.narrate("  ok    \(finding.words)") }
            guard ContinuousClock.now < deadline else {
                throw Failure(
                    "scenario \(scenario.name) did not get on",
                    why: "after \(Units.duration(limit.seconds)) still: \(finding.words)"
                )
            }
            // What components say of themselves is asked for, it comes with no event.
            try await Task.sleep(for: Self.pause)
        }
    }

    // MARK: - Conditions

    /// Whether a condition holds, and what it is, with the numbers of the moment.
    struct Finding {
        let holds: Bool
        let words: String
    }

    private func find(_ condition: ScenarioCondition) async throws -> Finding {
        switch condition {
        case .faults(let count):
            let now = ownFaults.count
            return Finding(holds: now == count, words: "\(count) faults on (now \(now))")
        case .events(let kind, let names, let reason, let bound):
            let count = try events(kind, names, reason)
            let what = reason.map { "\(kind) (\($0))" } ?? "\(kind)"
            return Finding(
                holds: bound.admits(count),
                words: "\(bound.words) \(what) in \(names) (now \(count))"
            )
        case .bytes(let counter, let names, let bound):
            let percent = try bytes(counter, names)
            return Finding(
                holds: bound.admits(percent),
                words: "\(counter) of \(names): \(bound.words) % of the image (now \(percent) %)"
            )
        default: return try find(condition, in: await commands.snapshot())
        }
    }

    private func find(
        _ condition: ScenarioCondition,
        in cluster: ClusterSnapshot
    ) throws -> Finding {
        switch condition {
        case .complete(let names):
            let rows = try snapshots(names, cluster)
            let count = rows.count { isComplete($0) }
            return Finding(
                holds: count == rows.count,
                words: "\(names) complete (\(count) of \(rows.count))"
            )
        case .holding(let names, let percent):
            let least = try snapshots(names, cluster).map(share).min() ?? 0
            return Finding(
                holds: least >= percent,
                words: "\(names) hold \(percent) % (now \(least) %)"
            )
        case .health(let names, let health):
            let rows = try snapshots(names, cluster)
            let now = Set(rows.map(\.health.rawValue)).sorted().joined(separator: ", ")
            return Finding(
                holds: rows.allSatisfy { $0.health == health },
                words: "\(names) is \(health.rawValue) (now \(now))"
            )
        case .blobs(let names, let bound):
            let count = try snapshots(names, cluster).reduce(0) {
                $0 + ($1.storage?.blobCount ?? 0)
            }
            return Finding(
                holds: bound.admits(count),
                words: "\(names) stores \(bound.words) blobs (now \(count))"
            )
        case .faults, .events, .bytes:
            return Finding(holds: false, words: "a condition that no snapshot tells")
        }
    }

    private func snapshots(
        _ names: String,
        _ cluster: ClusterSnapshot
    ) throws -> [ComponentSnapshot] {
        let ids = Set(try components(names).map(\.planned.id))
        return cluster.components.filter { ids.contains($0.id) }
    }

    private func components(_ names: String) throws(Failure) -> [SupervisedComponent] {
        try commands.control.components(matching: [names])
    }

    private func isComplete(_ agent: ComponentSnapshot) -> Bool {
        guard let image else { return false }
        let seeded = (agent.swarms ?? []).filter { $0.phase == .seeding }.map(\.digest)
        return completed(agent.id).union(seeded).isSuperset(of: image.blobs.map(\.digest))
    }

    /// The blobs that the component `id` has got since its disk was last emptied: after a restart they are in no swarm.
    private func completed(_ id: String) -> Set<Digest> {
        guard let component = commands.control.components.first(where: { $0.planned.id == id })
        else { return [] }
        var blobs: Set<Digest> = []
        for event in component.events.events(after: start[id]?.sequence ?? 0).events {
            if event.kind == .torrentComplete, let blob = event.blob { blobs.insert(blob) }
            if event.kind == .fault, event.detail?["fault"] == "wipe" { blobs = [] }
        }
        return blobs
    }

    /// The share of the image's largest blob that `agent` holds, in hundredths.
    private func share(_ agent: ComponentSnapshot) -> Int {
        guard let largest = image?.blobs.max(by: { $0.bytes < $1.bytes }),
            let swarm = agent.swarms?.first(where: { $0.digest == largest.digest })
        else { return 0 }
        let pieces = swarm.pieces.bitfield
        return pieces.pieceCount == 0 ? 100 : 100 * pieces.heldCount / pieces.pieceCount
    }

    private func events(_ kind: EventKind, _ names: String, _ reason: String?) throws -> Int {
        try components(names).reduce(0) { count, component in
            let first = start[component.planned.id]?.sequence ?? 0
            let events = component.events.events(after: first).events
            return count
                + events.count { event in
                    event.kind == kind
                        && (reason.map { event.reason?.hasPrefix($0) ?? false } ?? true)
                }
        }
    }

    private func bytes(_ counter: String, _ names: String) throws -> Int {
        guard let image else { return 0 }
        let count = try components(names).reduce(0) { count, component in
            let before = start[component.planned.id]?.counters[counter] ?? 0
            return count + component.counters.counter(counter).value - before
        }
        return 100 * count / max(1, image.bytes)
    }
}

extension Scenario {
    /// How many conditions have to come true.
    var expectationCount: Int {
        steps.count { step in
            switch step {
            case .wait, .expect: true
            case .say, .look, .act, .begin, .finish: false
            }
        }
    }
}
