// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// What is done to the cluster, and the questions before it.
extension Reducer {
    mutating func act(_ intent: Intent) {
        let latest = history.latest
        let isFault =
            switch intent {
            case .faultMenu, .fault, .command(.fault), .command(.undo), .command(.crash): true
            default: false
            }
        // Before the first picture nobody knows.
        guard latest.isEmpty || (isFault ? latest.canInjectFaults : latest.canControl) else {
            let why =
                latest.source == .simulator
                ? "a simulation downloads by itself; x breaks something"
                : "the components run elsewhere: this view can't change them"
            return show(why, isError: true)
        }
        switch intent {
        case .pullMenu: view.dialog = .pullMenu(choice: 0)
        case .faultMenu: openFaultMenu()
        case .fault(let request): ask(request)
        case .command(let command): run(command)
        case .retrySelected: retry()
        case .retryAll: retryAll()
        case .dropSelected: askToDrop()
        default: break
        }
    }

    private mutating func run(_ command: ClusterCommand) {
        effects.append(.command(command))
        switch command {
        case .push(let bytes): show("pushing a demo image of \(Units.bytes(Double(bytes)))…")
        case .pull: show("pulling…")
        default: break
        }
    }

    // MARK: - Faults

    /// The components that a fault from the menu would hit: those selected on the screen in front.
    private var faultTargets: [String] {
        let scene = scene
        switch view.screen {
        case .swarm, .pieces, .explain:
            return SwarmScreen.selectedPeer(scene)?.componentID.map { [$0] } ?? []
        case .components: return Lists.selectedComponent(scene).map { [$0.id] } ?? []
        default: return view.component.map { [$0] } ?? []
        }
    }

    private mutating func openFaultMenu() {
        var targets = faultTargets
        if targets.isEmpty, let first = picture.agents.first { targets = [first.id] }
        view.dialog = .faultMenu(targets: targets, choice: 0)
    }

    /// Asks whether a fault is meant, with everything that it will do.
    mutating func ask(_ request: FaultRequest) {
        let lasting =
            request.durationSeconds > 0
            ? "for \(Units.duration(request.durationSeconds)), then it is undone"
            : "until it is undone (:undo)"
        let names = request.targets.map { picture.component($0)?.shortName ?? $0 }
        let shown =
            names.count > 6
            ? "\(names.prefix(5).joined(separator: ", ")) and \(names.count - 5) more"
            : names.joined(separator: ", ")
        let isGrave =
            request.kind == .wipe
            || request.kind == .kill
                && request.targets.contains { picture.component($0)?.kind == .origin }
        view.dialog = .confirm(
            Confirmation(
                intent: .command(.fault(request)),
                title: "\(request.kind.rawValue) \(shown)",
                lines: [request.kind.effect, request.limits].compactMap(\.self)
                    + [request.kind.isLasting ? lasting : "once"],
                demanded: isGrave ? names.first : nil
            )
        )
    }

    // MARK: - Tasks

    private var troubled: [QueueRow] { picture.queues.filter(\.isTroubled) }

    private mutating func retryAll() {
        guard !troubled.isEmpty else { return show("no task has failed") }
        for queue in troubled { run(.retryTask(queue: queue.id, task: nil)) }
    }

    private mutating func retry() {
        guard let queue = Lists.selectedQueue(scene) else {
            return show("no queue is selected", isError: true)
        }
        // In the list of tasks the one that is selected, in a list of queues all that have failed.
        let task = view.queues.pane == .tasks ? Lists.selectedTask(scene)?.name : nil
        run(.retryTask(queue: queue.id, task: task))
    }

    private mutating func askToDrop() {
        guard let queue = Lists.selectedQueue(scene)?.id,
            let task = Lists.selectedTask(scene)?.name
        else { return show("no task is selected", isError: true) }
        view.dialog = .confirm(
            Confirmation(
                intent: .command(.dropTask(queue: queue, task: task)),
                title: "drop \(QueueTasks.brief(task))",
                lines: ["The task is forgotten: what it should have copied is not copied."],
                demanded: "drop"
            )
        )
    }
}

extension FaultRequest.Kind {
    /// What happens, in one sentence.
    package var effect: String {
        switch self {
        case .kill: "Its sockets are cut without a goodbye; it stays down."
        case .restart: "It is stopped and started again."
        case .throttle: "Its links to peers are slow: less bandwidth, more latency."
        case .partition: "It and the other side can't reach each other."
        case .corrupt: "The next piece it sends is wrong: the receiver finds a bad hash."
        case .wipe: "Its disk is emptied, then it starts anew."
        case .outage: "It answers every request with 503."
        }
    }

    /// Whether it has a duration.
    package var isLasting: Bool {
        switch self {
        case .kill, .throttle, .partition, .outage: true
        case .restart, .corrupt, .wipe: false
        }
    }

    /// Its key in the menu.
    package var key: Unicode.Scalar {
        switch self {
        case .kill: "k"
        case .restart: "r"
        case .throttle: "t"
        case .partition: "p"
        case .corrupt: "c"
        case .wipe: "w"
        case .outage: "o"
        }
    }
}
