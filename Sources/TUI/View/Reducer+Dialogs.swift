// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// Windows over the screen: what keys do in them and what their choices mean.
extension Reducer {
    /// How many lines a page of a dialog has, about.
    private var page: Int { max(1, view.size.height - 6) }

    // MARK: - Keys

    mutating func answer(_ key: Key) {
        if case .confirm(let confirmation) = view.dialog { return answer(key, confirmation) }
        switch key {
        case .escape: return cancel()
        case .enter: return confirm()
        case .character(let scalar):
            if answerLetter(scalar) { return }
        default: break
        }
        if let binding = KeyTable.binding(of: key, on: view.screen) {
            switch binding.intent {
            case .move(let movement): moveInDialog(movement)
            case .nextPane: moveInDialog(.down)
            case .previousPane: moveInDialog(.up)
            case .quit:
                if case .quit = view.dialog {
                    effects.append(.quit(.force))
                } else {
                    quitFromDialog()
                }
            case .help: cancel()
            default: break
            }
        }
    }

    private mutating func quitFromDialog() {
        view.dialog = nil
        perform(.quit)
    }

    /// Letters that stand for a choice; false when this dialog has none for it.
    private mutating func answerLetter(_ scalar: Unicode.Scalar) -> Bool {
        switch view.dialog {
        case .faultMenu:
            if scalar == "u" {
                choose(FaultRequest.Kind.allCases.count)
                return true
            }
            guard let index = FaultRequest.Kind.allCases.firstIndex(where: { $0.key == scalar })
            else {
                return false
            }
            choose(index)
            return true
        case .help, .text:
            guard scalar == "q" || scalar == "?" else { return false }
            cancel()
            return true
        case .quit:
            guard let index = (["s", "k", "c"] as [Unicode.Scalar]).firstIndex(of: scalar) else {
                return false
            }
            choose(index)
            return true
        default: return false
        }
    }

    private mutating func answer(_ key: Key, _ confirmation: Confirmation) {
        var changed = confirmation
        switch key {
        case .escape, .control("c"): return cancel()
        case .enter: return confirmation.isAccepted ? confirm() : cancel()
        case .left, .right, .tab, .backTab: changed.isAccepted.toggle()
        case .backspace: changed.typed = String(changed.typed.dropLast())
        case .character(let scalar):
            if confirmation.demanded != nil {
                if changed.typed.unicodeScalars.count < 64 {
                    changed.typed.unicodeScalars.append(scalar)
                }
            } else if scalar == "y" {
                changed.isAccepted = true
                view.dialog = .confirm(changed)
                return confirm()
            } else if scalar == "n" {
                return cancel()
            }
        default: return
        }
        view.dialog = .confirm(changed)
    }

    // MARK: - Moving

    mutating func moveInDialog(_ movement: Movement) {
        switch view.dialog {
        case .help(let scroll): view.dialog = .help(scroll: moved(scroll, movement, last: 200))
        case .text(let title, let lines, let scroll):
            let next = moved(scroll, movement, last: max(0, lines.count - 1))
            view.dialog = .text(title: title, lines: lines, scroll: next)
        case .faultMenu(let targets, let choice):
            let last = FaultRequest.Kind.allCases.count
            view.dialog = .faultMenu(targets: targets, choice: moved(choice, movement, last: last))
        case .pullMenu(let choice):
            view.dialog = .pullMenu(choice: moved(choice, movement, last: pullChoices.count - 1))
        case .quit(let choice):
            view.dialog = .quit(
                choice: moved(choice, movement, last: QuitChoice.allCases.count - 1)
            )
        case .marks(let choice):
            view.dialog = .marks(choice: moved(choice, movement, last: Self.marks(scene).count - 1))
        case .concepts(let choice, _):
            let next = moved(choice, movement, last: Concepts.all.count - 1)
            view.dialog = .concepts(choice: next, isOpen: false)
        case .confirm(var confirmation):
            confirmation.isAccepted.toggle()
            view.dialog = .confirm(confirmation)
        case nil: break
        }
    }

    private func moved(_ index: Int, _ movement: Movement, last: Int) -> Int {
        let next: Int
        switch movement {
        case .up, .left: next = index - 1
        case .down, .right: next = index + 1
        case .pageUp, .halfUp: next = index - page
        case .pageDown, .halfDown: next = index + page
        case .first: next = 0
        case .last: next = last
        }
        return min(max(0, next), max(0, last))
    }

    // MARK: - Answers

    /// What the pull menu offers.
    var pullChoices: [PullChoice] { PullChoice.all(scene) }

    mutating func choose(_ index: Int) {
        switch view.dialog {
        case .faultMenu(let targets, _): chooseFault(index, targets)
        case .pullMenu:
            guard pullChoices.indices.contains(index) else { return }
            let command = pullChoices[index].command
            view.dialog = nil
            act(.command(command))
        case .quit: chooseQuit(index)
        case .marks:
            let marks = Self.marks(scene)
            guard marks.indices.contains(index) else { return }
            view.dialog = nil
            go(to: marks[index].at)
        case .concepts(let choice, let isOpen):
            view.dialog = .concepts(choice: index, isOpen: choice == index ? !isOpen : true)
        default: break
        }
    }

    private mutating func chooseFault(_ index: Int, _ targets: [String]) {
        view.dialog = nil
        guard FaultRequest.Kind.allCases.indices.contains(index) else {
            return act(.command(.undo(nil)))
        }
        let kind = FaultRequest.Kind.allCases[index]
        let names = targets.map { picture.component($0)?.shortName ?? $0 }.joined(separator: ",")
        switch kind {
        case .throttle: view.prompt = Prompt(.command, text: "throttle \(names) 1M 50ms for 30s")
        case .partition: view.prompt = Prompt(.command, text: "partition \(names)|o* for 30s")
        default: ask(FaultRequest(kind, targets: targets))
        }
    }

    private mutating func chooseQuit(_ index: Int) {
        view.dialog = nil
        guard QuitChoice.allCases.indices.contains(index) else { return }
        switch QuitChoice.allCases[index] {
        case .stop: effects.append(.quit(.stop))
        case .headless: effects.append(.quit(.headless))
        case .cancel: break
        }
    }

    mutating func confirm() {
        switch view.dialog {
        case .confirm(let confirmation):
            if let demanded = confirmation.demanded, confirmation.typed != demanded {
                return show("type \(demanded) to go ahead", isError: true)
            }
            view.dialog = nil
            perform(confirmation.intent)
        case .faultMenu(_, let choice): choose(choice)
        case .pullMenu(let choice): choose(choice)
        case .quit(let choice): choose(choice)
        case .marks(let choice): choose(choice)
        case .concepts(let choice, let isOpen):
            view.dialog = .concepts(choice: choice, isOpen: !isOpen)
        case .help, .text, nil: view.dialog = nil
        }
    }

    mutating func cancel() {
        if case .concepts(let choice, true) = view.dialog {
            view.dialog = .concepts(choice: choice, isOpen: false)
        } else {
            view.dialog = nil
        }
    }

    mutating func showConcepts(_ name: String?) {
        guard let name else {
            view.dialog = .concepts(choice: 0, isOpen: false)
            return
        }
        guard let index = Concepts.all.firstIndex(where: { $0.id == name || $0.id.hasPrefix(name) })
        else {
            return show("no concept \(name); :concept lists them", isError: true)
        }
        view.dialog = .concepts(choice: index, isOpen: true)
    }
}

/// What can be done when the interface that runs a cluster is left.
package enum QuitChoice: String, CaseIterable, Sendable {
    case stop = "Stop cluster"
    case headless = "Keep running headless"
    case cancel = "Cancel"
}

/// One entry of the pull menu.
package struct PullChoice: Equatable, Sendable {
    /// What it says.
    package var text: String
    /// What it does.
    package var command: ClusterCommand

    /// How much later each agent begins in a staggered pull.
    private static let staggerMilliseconds = 200

    /// All agents at once, one after another, or the one that is selected; of the newest image.
    package static func all(_ scene: Scene) -> [PullChoice] {
        let image = scene.picture.tags.first?.tag ?? "the latest image"
        func pull(_ agents: [String], _ stagger: Int) -> ClusterCommand {
            .pull(reference: nil, agents: agents, staggerMilliseconds: stagger)
        }
        var choices = [
            PullChoice(text: "\(image) by all agents at once", command: pull([], 0)),
            PullChoice(
                text: "\(image) by all agents, one each \(staggerMilliseconds) ms",
                command: pull([], staggerMilliseconds)
            ),
        ]
        let selected = scene.view.component.flatMap { scene.picture.component($0) }
        let peer = scene.view.peer.flatMap { scene.picture.component($0) }
        for row in [selected, peer].compactMap({ $0 }) where row.kind == .agent {
            choices.append(
                PullChoice(text: "\(image) by \(row.shortName)", command: pull([row.id], 0))
            )
        }
        return choices
    }
}
