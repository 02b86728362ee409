// SPDX-License-Identifier: Apache-2.0

/// How screens show what they show: order, views, themes.
extension Reducer {
    mutating func changeLook(_ intent: Intent) {
        switch intent {
        case .sort: changeSorting(reverses: false)
        case .reverseSort: changeSorting(reverses: true)
        case .followItem: view.swarm.follows.toggle()
        case .followTail: followTail()
        case .changeView: view.swarm.mode = view.swarm.mode.stepped(by: 1)
        case .changeEdges:
            view.swarm.edges = view.swarm.edges.stepped(by: 1)
            show("edges: \(view.swarm.edges)")
        case .toggleIdle: view.overview.showsIdle.toggle()
        case .zoom(let steps): view.pieces.zoom = min(max(-8, view.pieces.zoom + steps), 8)
        case .repack: view.swarm.layouts = [:]
        case .changeOrder: view.pieces.ordersByRarity.toggle()
        case .nextRarest: nextRarest()
        case .changeDepth: view.explain.depth = view.explain.depth.stepped(by: 1)
        case .changeLogLevel: view.components.level = view.components.level.stepped(by: 1)
        case .toggleWhatIf: toggleWhatIf()
        case .toggleWrap: toggleWrap()
        case .showConfiguration: showConfiguration()
        case .theme(let name): changeTheme(name)
        case .nextMatch: move(.down)
        case .previousMatch: move(.up)
        default: break
        }
    }

    private mutating func changeSorting(reverses: Bool) {
        switch view.screen {
        case .overview: change(&view.overview.sorting, reverses)
        case .pieces: change(&view.pieces.sorting, reverses)
        case .queues: change(&view.queues.sorting, reverses)
        default: break
        }
    }

    private func change<Column>(_ sorting: inout Sorting<Column>, _ reverses: Bool) {
        if reverses { sorting.isDescending.toggle() } else { sorting.next() }
    }

    private mutating func followTail() {
        if view.screen == .events {
            view.events.follows.toggle()
            if view.events.follows { view.event = nil }
        } else {
            view.components.followsLog.toggle()
            view.components.logScroll = 0
        }
    }

    private mutating func toggleWrap() {
        if view.screen == .events {
            view.events.wraps.toggle()
        } else {
            view.components.wraps.toggle()
        }
    }

    private mutating func toggleWhatIf() {
        view.components.whatIf = view.components.whatIf == nil ? [] : nil
        view.components.pane = view.components.whatIf == nil ? .list : .whatIf
    }

    private mutating func showConfiguration() {
        guard let row = Lists.selectedComponent(scene) else { return }
        guard !row.settings.isEmpty else {
            return show("\(row.id) does not tell its configuration", isError: true)
        }
        view.dialog = .text(
            title: "Configuration of \(row.id)  ✎ changed",
            lines: SettingText.lines(row.settings),
            scroll: 0
        )
    }

    private mutating func nextRarest() {
        guard let swarm = picture.swarm else { return }
        view.pieces.piece =
            PiecesScreen.nextRarest(after: view.pieces.piece, in: swarm) ?? view.pieces.piece
    }

    private mutating func changeTheme(_ name: String?) {
        if let name {
            guard let theme = Theme.Name(rawValue: name) else {
                let names = Theme.Name.allCases.map(\.rawValue).joined(separator: ", ")
                return show("no theme \(name): there are \(names)", isError: true)
            }
            view.theme = theme
        } else {
            view.theme = view.theme.stepped(by: 1)
        }
        effects.append(.redraw)
        show("theme \(view.theme.rawValue)")
    }
}
