// SPDX-License-Identifier: Apache-2.0

/// The whole interface as a value: pictures and input go in, frames and effects come out.
///
/// The terminal, scripts and tests drive the same value; it reads no clock and does nothing by itself.
package struct Interface: Sendable {
    /// What the view is like now.
    package private(set) var view: ViewState
    /// The last minute.
    package private(set) var history: History
    private var shown = ClusterPicture()
    private var moment = ShownMoment()
    private var frame = Frame(size: Size(width: 0, height: 0))

    /// An interface that begins with `view`.
    ///
    /// - Parameter historySeconds: how much of the past is kept.
    package init(view: ViewState, historySeconds: Double = History.spanSecondsDefault) {
        self.view = view
        history = History(spanSeconds: historySeconds)
    }

    /// How often the past was folded from events, to show it.
    package var foldCount: Int { moment.foldCount }

    /// Takes the newest picture of the cluster.
    package mutating func receive(_ picture: ClusterPicture) -> [Effect] {
        history.append(picture)
        return apply(.tick(picture.takenAt))
    }

    /// Takes what somebody did at the keyboard or with the mouse.
    package mutating func handle(_ input: InputEvent) -> [Effect] {
        if case .click(let point) = input {
            guard let intent = frame.intent(at: point) else { return [] }
            return apply(.intent(intent))
        }
        return apply(.input(input))
    }

    /// Does what a key would do, by its meaning.
    package mutating func perform(_ intent: Intent) -> [Effect] { apply(.intent(intent)) }

    /// Takes the end of a command.
    package mutating func finish(_ text: String, isError: Bool) -> [Effect] {
        apply(.result(text: text, isError: isError))
    }

    private mutating func apply(_ action: Action) -> [Effect] {
        let effects = reduce(&view, action, history, &moment)
        shown = moment.picture(of: history, at: view.time.at)
        settle(&view, shown)
        return effects
    }

    /// The screen now; draw it after anything was taken.
    package mutating func draw() -> Frame {
        frame = render(shown, view)
        return frame
    }
}
