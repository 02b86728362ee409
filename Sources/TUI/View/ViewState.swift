// SPDX-License-Identifier: Apache-2.0

package import Content
package import Telemetry

/// Everything about the view that is not the cluster's: which screen, what is selected, what is being typed.
///
/// Only ``reduce(_:_:_:)`` changes it.
package struct ViewState: Equatable, Sendable {
    /// The screen in front.
    package var screen = Screen.overview
    /// Columns and rows.
    package var size = Size(width: 80, height: 24)
    /// The colours.
    package var theme = Theme.Name.dark
    /// What may be drawn.
    package var glyphs = GlyphSet.braille
    /// How many colours there are.
    package var colors = ColorDepth.indexed256
    /// Seconds east of UTC of the times shown.
    package var zoneOffsetSeconds = 0

    // What is selected, shared by all screens.
    package var blob: Digest?
    /// By short name.
    package var peer: String?
    /// By identifier.
    package var component: String?
    /// By ``QueueRow/id``.
    package var queue: String?
    /// By name.
    package var task: String?
    /// By its component and number.
    package var event: EventKey?

    /// The state of the screen Overview.
    package var overview = OverviewState()
    /// The state of the screen Swarm.
    package var swarm = SwarmState()
    /// The state of the screen Pieces.
    package var pieces = PiecesState()
    /// The state of the screen Queues.
    package var queues = QueuesState()
    /// The state of the screen Components.
    package var components = ComponentsState()
    /// The state of the screen Events.
    package var events = EventsState()
    /// The state of the screen Explain.
    package var explain = ExplainState()
    /// The filter of each screen that has one.
    package var filters: [Screen: String] = [:]

    /// The line being typed.
    package var prompt: Prompt?
    /// The window in front.
    package var dialog: Dialog?
    /// The message in the bottom line.
    package var toast: Toast?
    /// The moment that is shown.
    package var time = TimeCursor()
    /// Whether an asciicast is being recorded.
    package var isRecording = false
    /// The moments that were marked by hand.
    package var marks: [TimeMark] = []
    /// Commands that were typed, oldest first; at most ``commandsMax``.
    package var commands: [String] = []
    /// Screens to go back to.
    package var trail: [Screen] = []

    /// How many commands are remembered.
    package static let commandsMax = 100

    /// The view to begin with.
    package init() {}

    /// The filter of the screen in front.
    package var filter: String { filters[screen] ?? "" }
}

/// A column to sort by and in which direction.
package struct Sorting<Column: CaseIterable & Equatable & Sendable>: Equatable, Sendable {
    /// The column.
    package var column: Column
    /// Whether the largest comes first.
    package var isDescending: Bool
    /// By `column`.
    package init(_ column: Column, isDescending: Bool) {
        (self.column, self.isDescending) = (column, isDescending)
    }

    /// The same for the column after this one.
    package mutating func next() { column = column.stepped(by: 1) }
}

/// How the Overview is looked at.
package struct OverviewState: Equatable, Sendable {
    /// Its panes, in the order of the key for the next one.
    package enum Pane: CaseIterable, Sendable { case components, blobs, queues, events }
    /// What rows can be sorted by.
    package enum Column: CaseIterable, Sendable { case rate, done, size, name, copies }
    /// The pane that keys go to.
    package var pane = Pane.blobs
    /// The order of rows.
    package var sorting = Sorting(Column.rate, isDescending: true)
    /// Whether blobs that nobody fetches are listed.
    package var showsIdle = false
    /// The usual state.
    package init() {}
}

/// How a swarm is looked at.
package struct SwarmState: Equatable, Sendable {
    /// How peers are drawn.
    package enum Mode: CaseIterable, Sendable { case automatic, labels, dots, matrix }
    /// Which connections are drawn in full.
    package enum Edges: CaseIterable, Sendable { case top, all, selected, none }
    /// How peers are drawn.
    package var mode = Mode.automatic
    /// Which connections are drawn in full.
    package var edges = Edges.top
    /// Whether the selection follows the most active peer.
    package var follows = false
    /// Where peers stand, by blob, screen and mode; see ``RadialLayout``.
    package var layouts: [LayoutKey: RadialLayout] = [:]
    /// The usual state.
    package init() {}

    /// How many layouts are kept.
    package static let layoutsMax = 16
}

/// How pieces are looked at.
package struct PiecesState: Equatable, Sendable {
    /// What rows can be sorted by.
    package enum Column: CaseIterable, Sendable { case done, name, rate }
    /// The order of rows.
    package var sorting = Sorting(Column.done, isDescending: true)
    /// The piece under the cursor.
    package var piece = 0
    /// Whether the rarest pieces come first.
    package var ordersByRarity = false
    /// 0 fits all pieces; each step doubles the columns of a piece.
    package var zoom = 0
    /// The first row shown.
    package var scroll = 0
    /// The usual state.
    package init() {}
}

/// How queues are looked at.
package struct QueuesState: Equatable, Sendable {
    /// Its panes, in the order of the key for the next one.
    package enum Pane: CaseIterable, Sendable { case writeBack, replication, tasks }
    /// What rows can be sorted by.
    package enum Column: CaseIterable, Sendable { case age, failures, name }
    /// The pane that keys go to.
    package var pane = Pane.writeBack
    /// The order of rows.
    package var sorting = Sorting(Column.age, isDescending: true)
    /// The usual state.
    package init() {}
}

/// How components are looked at.
package struct ComponentsState: Equatable, Sendable {
    /// Its panes, in the order of the key for the next one.
    package enum Pane: CaseIterable, Sendable { case list, logs, whatIf }
    /// The least important lines of the log that are shown.
    package enum Level: String, CaseIterable, Sendable { case debug, info, warning, error }
    /// The pane that keys go to.
    package var pane = Pane.list
    /// The least important lines of the log that are shown.
    package var level = Level.info
    /// Whether the log stays at its end.
    package var followsLog = true
    /// Lines scrolled up from the end of the log.
    package var logScroll = 0
    /// Whether long lines are wrapped.
    package var wraps = false
    /// Origins imagined down; nil when nothing is imagined.
    package var whatIf: Set<String>?
    /// The usual state.
    package init() {}
}

/// How events are looked at.
package struct EventsState: Equatable, Sendable {
    /// Whether the newest stay in view.
    package var follows = true
    /// Whether long lines are wrapped.
    package var wraps = false
    /// The usual state.
    package init() {}
}

/// How events are explained.
package struct ExplainState: Equatable, Sendable {
    /// How much is told.
    package enum Depth: String, CaseIterable, Sendable { case short, full, wire }
    /// How much is told.
    package var depth = Depth.full
    /// The event that is told last; nil follows time.
    package var event: EventKey?
    /// The usual state.
    package init() {}
}

/// The moment that is shown.
package struct TimeCursor: Equatable, Sendable {
    /// nil: now.
    package var at: Timestamp?
    /// How fast time passes in the view when it is not live; 0 stands still.
    package var speed: Double = 0
    /// The speed to which a paused view returns.
    package var playSpeed: Double = 1
    /// The moment of a lesson that was stopped at last.
    package var lesson: TimeMark?
    /// When the view goes on by itself; nil: when somebody says so.
    package var resumesAt: Timestamp?
    /// When time was last seen to pass.
    package var lastTick: Timestamp?
    /// Now.
    package init() {}
    /// Whether now is shown.
    package var isLive: Bool { at == nil }
    /// Whether time stands still in the view.
    package var isPaused: Bool { at != nil && speed == 0 }
}

/// A line being typed.
package struct Prompt: Equatable, Sendable {
    /// What the line is for.
    package enum Kind: Equatable, Sendable {
        case command, filter
    }
    package var kind: Kind
    /// What was typed so far.
    package var text: String
    /// Scalars left of the cursor.
    package var cursor: Int
    /// Position in the remembered commands while ↑ and ↓ walk them.
    package var historyIndex: Int?
    /// What would complete the line.
    package var completions: [String] = []
    /// What the filter was before.
    package var before = ""
    /// A line that begins with `text`.
    package init(_ kind: Kind, text: String = "") {
        (self.kind, self.text, cursor) = (kind, text, text.unicodeScalars.count)
    }
}

/// A window over the screen that wants an answer, or to be read.
package enum Dialog: Equatable, Sendable {
    case help(scroll: Int)
    case faultMenu(targets: [String], choice: Int)
    /// `typed` must become `demanded` first, where that is not nil.
    case confirm(Confirmation)
    case pullMenu(choice: Int)
    case quit(choice: Int)
    case marks(choice: Int)
    case concepts(choice: Int, isOpen: Bool)
    /// A text to read: an error, a detail.
    case text(title: String, lines: [String], scroll: Int)
}

/// A question before something is done that hurts.
package struct Confirmation: Equatable, Sendable {
    /// What will be done.
    package var intent: Intent
    /// What it is about.
    package var title: String
    /// What it will do.
    package var lines: [String]
    /// What has to be typed to prove that it is meant.
    package var demanded: String?
    /// What was typed so far.
    package var typed = ""
    /// Whether the button that does it is chosen; Cancel is at first.
    package var isAccepted = false
    /// A question before `intent`.
    package init(intent: Intent, title: String, lines: [String], demanded: String? = nil) {
        (self.intent, self.title, self.lines) = (intent, title, lines)
        self.demanded = demanded
    }
}

/// A short message in the bottom line.
package struct Toast: Equatable, Sendable {
    /// The message.
    package var text: String
    /// Whether something went wrong.
    package var isError: Bool
    /// When it goes, in the view's time.
    package var until: Timestamp
    /// A message that stays until `until`.
    package init(text: String, isError: Bool, until: Timestamp) {
        (self.text, self.isError, self.until) = (text, isError, until)
    }

    /// How long a message stays, in nanoseconds.
    package static let nanoseconds: Int64 = 4_000_000_000
}
