// SPDX-License-Identifier: Apache-2.0

package import Telemetry

/// Everything that can change the view.
package enum Action: Hashable, Sendable {
    case input(InputEvent)
    case intent(Intent)
    /// Time has passed: it is now this late.
    case tick(Timestamp)
    /// A command ended.
    case result(text: String, isError: Bool)
}

/// Changes `view` by `action`; the only code that does.
///
/// - Parameter moment: what is shown of `history`, kept from one action to the next.
/// - Returns: what the surroundings have to do.
package func reduce(
    _ view: inout ViewState,
    _ action: Action,
    _ history: History,
    _ moment: inout ShownMoment
) -> [Effect] {
    let before = view.interest
    var reducer = Reducer(view: view, history: history, moment: moment)
    reducer.take(action)
    view = reducer.view
    moment = reducer.moment
    let after = view.interest
    return reducer.effects + (after == before ? [] : [.interest(after)])
}

extension ViewState {
    /// What has to be known in detail for what is shown.
    package var interest: Interest { Interest(blob: blob) }
}

/// The work of ``reduce(_:_:_:)``: a view that is being changed, what it looks at, and what is to be done.
///
/// Its parts are in files of their own: moving, time, prompts, dialogs, commands.
struct Reducer {
    var view: ViewState
    let history: History
    var effects: [Effect] = []
    private let shown: Shown

    /// The moment that is shown, for code that only looks.
    private final class Shown {
        var moment: ShownMoment
        init(_ moment: ShownMoment) { self.moment = moment }
    }

    init(view: ViewState, history: History, moment: ShownMoment) {
        (self.view, self.history) = (view, history)
        shown = Shown(moment)
    }

    /// What is shown of the history, folded once.
    var moment: ShownMoment { shown.moment }
    /// What is on the screen.
    var picture: ClusterPicture { shown.moment.picture(of: history, at: view.time.at) }
    var scene: Scene { Scene(picture, view) }
    /// The cluster's own time.
    var now: Timestamp { history.latest.takenAt }

    mutating func take(_ action: Action) {
        switch action {
        case .input(let input): take(input)
        case .intent(let intent): perform(intent)
        case .tick(let now): tick(now)
        case .result(let text, let isError): show(text, isError: isError)
        }
    }

    // MARK: - Input

    /// Rows that a notch of the wheel moves.
    private static let wheelRows = 3

    private mutating func take(_ input: InputEvent) {
        if case .resize = input {} else { view.time.resumesAt = nil }
        switch input {
        case .resize(let size): view.size = size
        case .click: break  // The frame knows what lies there: ``Interface`` looks it up.
        case .wheel(_, let notches):
            turnWheel(min(max(-20, notches), 20))
        case .paste(let text): paste(text)
        case .key(let key): take(key)
        }
    }

    /// The wheel walks peers around the rings, and scrolls everything else.
    private mutating func turnWheel(_ notches: Int) {
        if view.dialog == nil, view.screen == .swarm { return movePeer(notches) }
        let movement: Movement = notches < 0 ? .up : .down
        for _ in 0..<abs(notches) * Self.wheelRows {
            if view.dialog == nil { move(movement) } else { moveInDialog(movement) }
        }
    }

    /// Pasted text is never taken for keys: it could do anything.
    private mutating func paste(_ text: String) {
        guard view.prompt == nil else { return insert(text) }
        show("what is pasted goes into a command (:) or a filter (/)")
    }

    private mutating func take(_ key: Key) {
        if view.prompt != nil {
            edit(key)
        } else if view.dialog != nil {
            answer(key)
        } else if let binding = KeyTable.binding(of: key, on: view.screen) {
            perform(binding.intent)
        }
    }

    // MARK: - Messages

    mutating func show(_ text: String, isError: Bool = false) {
        let until = now.unixNanoseconds &+ Toast.nanoseconds
        view.toast = Toast(
            text: text.oneColumnPerScalar,
            isError: isError,
            until: Timestamp(unixNanoseconds: until)
        )
    }

    // MARK: - Intents

    mutating func perform(_ intent: Intent) {
        switch intent {
        case .show(let screen): show(screen)
        case .nextPane: changePane(by: 1)
        case .previousPane: changePane(by: -1)
        case .move(let movement): view.dialog == nil ? move(movement) : moveInDialog(movement)
        case .select(let selection): select(selection)
        case .open: open()
        case .back: back()
        case .changeBlob(let step): changeBlob(by: step)
        case .redraw: effects.append(.redraw)
        case .quit: quit()
        case .choose(let index): choose(index)
        case .confirm: confirm()
        case .cancel: cancel()
        default: performMore(intent)
        }
    }

    private mutating func performMore(_ intent: Intent) {
        switch intent {
        case .pause, .live, .slower, .faster, .speed, .step, .seek, .goTo, .mark, .listMarks:
            changeTime(intent)
        case .editFilter, .editCommand, .run, .filter: changePrompt(intent)
        case .saveScreen: effects.append(.saveScreen)
        case .record:
            view.isRecording.toggle()
            effects.append(.record(view.isRecording))
        case .copy: copy()
        case .help: view.dialog = .help(scroll: 0)
        case .concepts(let name): showConcepts(name)
        case .pullMenu, .faultMenu, .fault, .command, .retrySelected, .retryAll, .dropSelected:
            act(intent)
        default: changeLook(intent)
        }
    }

    private mutating func show(_ screen: Screen) {
        guard screen != view.screen else { return }
        view.trail.append(view.screen)
        if view.trail.count > Screen.allCases.count * 2 { view.trail.removeFirst() }
        view.screen = screen
        view.dialog = nil
        if screen == .swarm || screen == .pieces, view.blob == nil {
            view.blob = BlobList.selected(scene)?.digest
        }
    }

    mutating func open(_ screen: Screen) { show(screen) }

    /// Closes what is in front; leaves a filter; goes back a screen. Never quits.
    private mutating func back() {
        if view.dialog != nil {
            view.dialog = nil
        } else if !view.filter.isEmpty {
            view.filters[view.screen] = nil
        } else if let last = view.trail.popLast() {
            view.screen = last
        } else {
            view.screen = .overview
        }
    }

    private mutating func quit() {
        guard history.latest.source == .herd else {
            effects.append(.quit(.stop))
            return
        }
        if case .quit = view.dialog { return effects.append(.quit(.force)) }
        view.prompt = nil
        view.dialog = .quit(choice: 0)
    }

    private mutating func copy() {
        guard let row = scene.picture.components.first(where: { $0.id == view.component }),
            let address = row.addresses["http"] ?? row.addresses.values.sorted().first
        else { return show("nothing to copy is selected", isError: true) }
        effects.append(.copy("http://\(address)"))
        show("copied http://\(address)")
    }
}
