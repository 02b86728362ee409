// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry

/// Selections: what moves them, what opening them does.
extension Reducer {
    // MARK: - Panes

    mutating func changePane(by step: Int) {
        switch view.screen {
        case .overview: view.overview.pane = view.overview.pane.stepped(by: step)
        case .queues: view.queues.pane = view.queues.pane.stepped(by: step)
        case .components:
            let hasWhatIf = view.components.whatIf != nil
            repeat {
                view.components.pane = view.components.pane.stepped(by: step)
            } while view.components.pane == .whatIf && !hasWhatIf
        case .swarm, .explain: movePeer(step)
        case .pieces, .events: break
        }
    }

    // MARK: - Moving

    /// Rows of a page: what is left between the lines at the top and the bottom and a frame.
    private var pageRows: Int { max(1, view.size.height - 8) }

    mutating func move(_ movement: Movement) {
        switch view.screen {
        case .overview: moveInOverview(movement)
        case .swarm: moveInSwarm(movement)
        case .pieces: moveInPieces(movement)
        case .queues: moveInQueues(movement)
        case .components: moveInComponents(movement)
        case .events: moveInEvents(movement)
        case .explain: moveInExplain(movement)
        }
    }

    /// The item that a movement along `items` leads to; nil when there is none.
    func target<Item: Equatable>(
        _ movement: Movement,
        in items: [Item],
        from current: Item?
    ) -> Item? {
        guard !items.isEmpty else { return nil }
        let position = current.flatMap { items.firstIndex(of: $0) }
        let last = items.count - 1
        let step: Int
        switch movement {
        case .up, .left: step = -1
        case .down, .right: step = 1
        case .pageUp: step = -pageRows
        case .pageDown: step = pageRows
        case .halfUp: step = -pageRows / 2
        case .halfDown: step = pageRows / 2
        case .first: return items[0]
        case .last: return items[last]
        }
        return items[min(max(0, (position ?? 0) + step), last)]
    }

    private mutating func moveInOverview(_ movement: Movement) {
        switch view.overview.pane {
        case .blobs:
            let rows = BlobList.rows(scene).map(\.digest)
            view.blob = target(movement, in: rows, from: view.blob ?? rows.first)
        case .components:
            let rows = picture.components.filter { $0.kind != .agent }.map(\.id)
            view.component = target(movement, in: rows, from: Lists.selectedMember(scene)?.name)
        case .queues:
            let rows = picture.queues.map(\.id)
            view.queue = target(movement, in: rows, from: view.queue)
        case .events: break
        }
    }

    private mutating func moveInSwarm(_ movement: Movement) {
        guard let swarm = picture.swarm else { return }
        view.swarm.follows = false
        let current = SwarmScreen.selectedPeer(scene)?.name
        if let name = SwarmScreen.neighbour(movement, scene) {
            view.peer = name
        } else {
            view.peer = target(movement, in: swarm.peers.map(\.name), from: current)
        }
    }

    /// Walks the peers of the swarm around the rings, or in their order where they have no place.
    mutating func movePeer(_ step: Int) {
        guard let swarm = picture.swarm else { return }
        let current = SwarmScreen.selectedPeer(scene)?.name
        let around = SwarmScreen.peersByAngle(scene)
        let names = around.isEmpty ? swarm.peers.map(\.name) : around
        guard let name = names.element(step, after: current) else { return }
        view.peer = name
        view.swarm.follows = false
    }

    private mutating func moveInPieces(_ movement: Movement) {
        guard let swarm = picture.swarm, swarm.pieceCount > 0 else { return }
        switch movement {
        case .left, .right, .first, .last:
            let order = PiecesScreen.order(scene)
            view.pieces.piece = target(movement, in: order, from: view.pieces.piece) ?? 0
        default:
            let names = PiecesScreen.peers(scene).map(\.name)
            view.peer = target(movement, in: names, from: view.peer)
        }
    }

    private mutating func moveInQueues(_ movement: Movement) {
        switch view.queues.pane {
        case .writeBack, .replication:
            let rows = Lists.queues(scene, view.queues.pane).map(\.id)
            view.queue = target(movement, in: rows, from: Lists.selectedQueue(scene)?.id)
            view.task = nil
        case .tasks:
            let rows = Lists.tasks(scene).map(\.name)
            view.task = target(movement, in: rows, from: Lists.selectedTask(scene)?.name)
        }
    }

    private mutating func moveInComponents(_ movement: Movement) {
        switch view.components.pane {
        case .list:
            let rows = Lists.components(scene).map(\.id)
            view.component = target(
                movement,
                in: rows,
                from: Lists.selectedComponent(scene)?.id
            )
            view.components.logScroll = 0
        case .logs: scrollLog(movement)
        case .whatIf:
            let rows = (picture.ring?.members ?? []).map(\.name)
            view.component = target(movement, in: rows, from: Lists.selectedMember(scene)?.name)
        }
    }

    private mutating func scrollLog(_ movement: Movement) {
        view.components.followsLog = false
        let count = Lists.selectedComponent(scene).map { Lists.logLineCount(scene, of: $0) } ?? 0
        let most = max(0, count - 1)
        switch movement {
        case .up: view.components.logScroll += 1
        case .down: view.components.logScroll -= 1
        case .pageUp, .halfUp: view.components.logScroll += pageRows / 2
        case .pageDown, .halfDown: view.components.logScroll -= pageRows / 2
        case .first: view.components.logScroll = most
        case .last, .left, .right: view.components.logScroll = 0
        }
        view.components.logScroll = min(max(0, view.components.logScroll), most)
        if view.components.logScroll == 0 { view.components.followsLog = true }
    }

    private mutating func moveInEvents(_ movement: Movement) {
        let rows = Lists.events(scene)
        guard !rows.isEmpty else { return }
        let current = Lists.selectedRow(rows, scene) ?? 0
        guard let row = target(movement, in: Array(0..<rows.count), from: current) else { return }
        // The newest is at the top: whoever goes there wants to see what comes.
        view.events.follows = row == 0 && movement != .down
        view.event = view.events.follows ? nil : EventKey(rows[row])
    }

    private mutating func moveInExplain(_ movement: Movement) {
        switch movement {
        case .up: changeTime(.step(-1))
        case .down: changeTime(.step(1))
        case .left: changeTime(.seek(-1))
        case .right: changeTime(.seek(1))
        case .pageUp, .halfUp: changeTime(.seek(-10))
        case .pageDown, .halfDown: changeTime(.seek(10))
        case .first:
            if let first = history.span?.lowerBound { go(to: first) }
        case .last: changeTime(.live)
        }
    }

    // MARK: - Selecting and opening

    mutating func select(_ selection: Selection) {
        switch selection {
        case .blob(let digest):
            let isAgain = view.blob == digest && view.screen == .overview
            (view.blob, view.overview.pane) = (digest, .blobs)
            if isAgain { open() }
        case .peer(let name):
            (view.peer, view.swarm.follows) = (name, false)
        case .component(let id):
            view.component = id
            if view.screen == .overview { open(.components) }
            view.components.pane = .list
        case .queue(let id):
            (view.queue, view.task) = (id, nil)
            if view.screen == .overview { open(.queues) }
        case .task(let name): (view.task, view.queues.pane) = (name, .tasks)
        case .event(let key):
            (view.event, view.events.follows) = (key, false)
            if view.screen == .overview { open(.events) }
        }
    }

    mutating func open() {
        guard view.dialog == nil else { return confirm() }
        switch view.screen {
        case .overview: openFromOverview()
        case .swarm, .pieces:
            view.peer = SwarmScreen.selectedPeer(scene)?.name
            open(.explain)
        case .queues:
            view.queues.pane = .tasks
            showTask()
        case .components: openComponent()
        case .events: openEvent()
        case .explain: break
        }
    }

    private mutating func openFromOverview() {
        switch view.overview.pane {
        case .blobs:
            guard let blob = BlobList.selected(scene) else {
                return show("no blob to open yet: p pushes a demo image")
            }
            view.blob = blob.digest
            open(.swarm)
        case .components: open(.components)
        case .queues: open(.queues)
        case .events: open(.events)
        }
    }

    private mutating func openComponent() {
        if view.components.pane == .whatIf {
            guard let name = Lists.selectedMember(scene)?.name else { return }
            if view.components.whatIf?.remove(name) == nil {
                view.components.whatIf?.insert(name)
            }
            return
        }
        guard let row = Lists.selectedComponent(scene) else { return }
        guard row.kind == .agent || row.kind == .origin, picture.swarm != nil else { return }
        view.peer = row.shortName
        open(.swarm)
    }

    private mutating func openEvent() {
        let rows = Lists.events(scene)
        guard let row = Lists.selectedRow(rows, scene) else { return }
        let event = rows[row]
        let key = EventKey(event)
        (view.event, view.explain.event) = (key, key)
        if let row = picture.component(event.component) { view.peer = row.shortName }
        go(to: event.timestamp)
        open(.explain)
    }

    private mutating func showTask() {
        guard view.task != nil, let task = Lists.selectedTask(scene) else { return }
        view.dialog = .text(
            title: "Task \(task.name)",
            lines: [
                "failed \(task.failureCount) times, asked for \(Units.duration(task.ageSeconds)) ago",
                task.nextAttemptSeconds.map { "tried again in \(Units.duration($0))" }
                    ?? "runs or waits for a worker",
                task.lastError ?? "no error so far",
            ],
            scroll: 0
        )
    }

    mutating func changeBlob(by step: Int) {
        let rows = BlobList.rows(scene).map(\.digest)
        guard let digest = rows.element(step, after: view.blob) else { return }
        view.blob = digest
    }
}

extension Array where Element: Equatable {
    /// The element `step` places after `current`, or after the first if that is not here; around the ends. Nil when empty.
    func element(_ step: Int, after current: Element?) -> Element? {
        guard !isEmpty else { return nil }
        let index = current.flatMap { firstIndex(of: $0) } ?? 0
        return self[((index + step) % count + count) % count]
    }
}

extension CaseIterable where Self: Equatable {
    /// The case `step` places on, around the ends.
    func stepped(by step: Int) -> Self { Array(Self.allCases).element(step, after: self) ?? self }
}
