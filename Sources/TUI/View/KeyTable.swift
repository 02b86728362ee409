// SPDX-License-Identifier: Apache-2.0

/// What a key does, what the same is called on the command line, and what the help says of it.
package struct KeyBinding: Sendable {
    /// The headings of the help.
    package enum Group: String, CaseIterable, Sendable {
        case go = "Go"
        case act = "Do"
        case time = "Time"
        case show = "Show"
    }

    /// The keys that do it, the one to show first.
    package var keys: [Key]
    /// What is done.
    package var intent: Intent
    /// The command line that does the same.
    package var command: String
    /// What it does, for the help.
    package var help: String
    /// What it does in one or two words, for the bottom line; nil keeps it out of there.
    package var hint: String?
    /// Its heading in the help.
    package var group: Group
    /// The screens on which it works; nil for all.
    package var screens: Set<Screen>?
    /// What somebody must be able to do to the cluster.
    package enum Needs: Sendable { case nothing, faults, control }
    /// What it takes to do it.
    package var needs = Needs.nothing

    init(
        _ keys: [Key],
        _ intent: Intent,
        _ command: String,
        _ group: Group,
        _ help: String,
        hint: String? = nil,
        on screens: Set<Screen>? = nil,
        needs: Needs = .nothing
    ) {
        (self.keys, self.intent, self.command, self.group) = (keys, intent, command, group)
        (self.help, self.hint, self.screens) = (help, hint, screens)
        self.needs = needs
    }
}

/// A key in the bottom line.
package struct KeyHint: Equatable, Sendable {
    /// The key as it is shown.
    package var keys: String
    /// What it does, in a word or two.
    package var label: String
    /// What is done.
    package var intent: Intent
}

/// All keys: what they do where. The help, the bottom line and the reducer read this one table.
package enum KeyTable {
    /// The binding of `key` on `screen`; one for that screen alone goes before one for all.
    package static func binding(of key: Key, on screen: Screen) -> KeyBinding? {
        let found = bindings.filter {
            $0.keys.contains(key) && $0.screens?.contains(screen) != false
        }
        return found.first { $0.screens != nil } ?? found.first
    }

    /// The bottom line of the screen in front, the most useful first.
    package static func hints(_ view: ViewState, _ picture: ClusterPicture) -> [KeyHint] {
        let screen = view.screen
        let own = bindings.filter { $0.screens?.contains(screen) == true }
        let common = bindings.filter { $0.screens == nil }
        return (own + common).compactMap { binding in
            guard let hint = binding.hint, picture.allows(binding.needs),
                let key = binding.keys.first
            else { return nil }
            return KeyHint(keys: key.description, label: hint, intent: binding.intent)
        }
    }

    private static func key(_ text: Unicode.Scalar) -> Key { .character(text) }

    /// Every binding.
    package static let bindings: [KeyBinding] = screens + moves + shows + times + acts

    private static let screens: [KeyBinding] = Screen.allCases.map { screen in
        KeyBinding(
            [
                .character(Unicode.Scalar(UInt8(ascii: "0") + UInt8(screen.number))),
                .function(screen.number + 1),
            ],
            .show(screen),
            screen.rawValue,
            .go,
            screen.title.long.lowercased()
        )
    }

    private static let moves: [KeyBinding] = [
        KeyBinding([.up, key("k")], .move(.up), "move up", .go, "up"),
        KeyBinding([.down, key("j")], .move(.down), "move down", .go, "down"),
        KeyBinding([.left, key("h")], .move(.left), "move left", .go, "left"),
        KeyBinding([.right, key("l")], .move(.right), "move right", .go, "right"),
        KeyBinding([.control("d")], .move(.halfDown), "move halfDown", .go, "half a page down"),
        KeyBinding([.control("u")], .move(.halfUp), "move halfUp", .go, "half a page up"),
        KeyBinding([.pageDown], .move(.pageDown), "move pageDown", .go, "a page down"),
        KeyBinding([.pageUp], .move(.pageUp), "move pageUp", .go, "a page up"),
        KeyBinding([key("g"), .home], .move(.first), "move first", .go, "first"),
        KeyBinding([key("G")], .move(.last), "move last", .go, "last"),
        KeyBinding([.end], .live, "live", .time, "back to now", hint: "live", on: [.explain]),
        KeyBinding([.end], .move(.last), "move last", .go, "last"),
        KeyBinding(
            [.tab],
            .nextPane,
            "pane next",
            .go,
            "next pane",
            hint: "pane",
            on: [.overview, .queues, .components]
        ),
        KeyBinding([.tab], .nextPane, "pane next", .go, "next pane or item"),
        KeyBinding([.backTab], .previousPane, "pane previous", .go, "previous pane or item"),
        KeyBinding([.enter], .open, "open", .go, "open", hint: "open"),
        KeyBinding([.escape], .back, "back", .go, "back, close"),
        KeyBinding([key("]")], .changeBlob(by: 1), "blob next", .go, "next blob"),
        KeyBinding([key("[")], .changeBlob(by: -1), "blob previous", .go, "previous blob"),
    ]

    private static let shows: [KeyBinding] = [
        KeyBinding(
            [key("/")],
            .editFilter,
            "filter",
            .show,
            "filter: words, kind:, who:, -not, ~regex~",
            hint: "filter",
            on: [.overview, .components, .events, .queues]
        ),
        KeyBinding(
            [key("n")],
            .nextMatch,
            "next",
            .show,
            "next match",
            on: [.overview, .components, .events, .queues]
        ),
        KeyBinding(
            [key("N")],
            .previousMatch,
            "previous",
            .show,
            "previous match",
            on: [.overview, .components, .events, .queues]
        ),
        KeyBinding(
            [key("s")],
            .sort,
            "sort",
            .show,
            "sort by the next column",
            hint: "sort",
            on: [.overview, .pieces, .queues]
        ),
        KeyBinding(
            [key("S")],
            .reverseSort,
            "sort reverse",
            .show,
            "reverse the order",
            on: [.overview, .pieces, .queues]
        ),
        KeyBinding(
            [key("f")],
            .followItem,
            "follow",
            .show,
            "follow the busiest peer",
            hint: "follow",
            on: [.swarm]
        ),
        KeyBinding(
            [key("F")],
            .followTail,
            "tail",
            .show,
            "follow the newest",
            hint: "tail",
            on: [.events, .components]
        ),
        KeyBinding(
            [key("v")],
            .changeView,
            "view",
            .show,
            "labels, dots, matrix",
            hint: "view",
            on: [.swarm]
        ),
        KeyBinding(
            [key("e")],
            .changeEdges,
            "edges",
            .show,
            "edges: top, all, selected, none",
            hint: "edges",
            on: [.swarm]
        ),
        KeyBinding([key("R")], .repack, "repack", .show, "place all peers anew", on: [.swarm]),
        KeyBinding(
            [key("i")],
            .toggleIdle,
            "idle",
            .show,
            "idle blobs too",
            hint: "idle",
            on: [.overview]
        ),
        KeyBinding(
            [key("+"), key("z")],
            .zoom(1),
            "zoom 1",
            .show,
            "zoom in",
            hint: "zoom",
            on: [.pieces]
        ),
        KeyBinding([key("-"), key("Z")], .zoom(-1), "zoom -1", .show, "zoom out", on: [.pieces]),
        KeyBinding(
            [key("o")],
            .changeOrder,
            "order",
            .show,
            "order pieces by number or rarity",
            hint: "order",
            on: [.pieces]
        ),
        KeyBinding(
            [key("r")],
            .nextRarest,
            "rarest",
            .show,
            "go to the next rarest piece",
            hint: "rarest",
            on: [.pieces]
        ),
        KeyBinding(
            [key("d")],
            .changeDepth,
            "depth",
            .show,
            "tell it short, full or as messages",
            hint: "depth",
            on: [.explain]
        ),
        KeyBinding(
            [key("L")],
            .changeLogLevel,
            "level",
            .show,
            "level of the log",
            hint: "level",
            on: [.components]
        ),
        KeyBinding(
            [key("R")],
            .toggleWhatIf,
            "whatif",
            .show,
            "what if origins were down",
            hint: "what if",
            on: [.components]
        ),
        KeyBinding(
            [key("w")],
            .toggleWrap,
            "wrap",
            .show,
            "wrap long lines",
            on: [.events, .components]
        ),
        KeyBinding(
            [key("c")],
            .showConfiguration,
            "config",
            .show,
            "its whole configuration",
            hint: "config",
            on: [.components]
        ),
        KeyBinding([key("y")], .copy, "copy", .show, "copy the address", on: [.components]),
        KeyBinding(
            [key("c")],
            .concepts(nil),
            "concept",
            .show,
            "concept cards",
            hint: "concepts",
            on: [.explain]
        ),
        KeyBinding([key("t")], .theme(nil), "theme", .show, "next theme"),
        KeyBinding([.control("l")], .redraw, "redraw", .show, "paint anew"),
        KeyBinding([.control("s")], .saveScreen, "save", .show, "save the screen"),
        KeyBinding([.control("r")], .record, "record", .show, "record an asciicast"),
        KeyBinding([key("?"), .function(1)], .help, "help", .go, "this help", hint: "help"),
        KeyBinding([key(":")], .editCommand, "command", .go, "command line", hint: "cmd"),
    ]

    private static let times: [KeyBinding] = [
        KeyBinding([key(" ")], .pause, "pause", .time, "pause, live", hint: "pause"),
        KeyBinding([key("<")], .slower, "slower", .time, "slower", hint: "slower", on: [.explain]),
        KeyBinding([key(">")], .faster, "faster", .time, "faster", hint: "faster", on: [.explain]),
        KeyBinding([key("<")], .slower, "slower", .time, "slower"),
        KeyBinding([key(">")], .faster, "faster", .time, "faster"),
        KeyBinding(
            [key(".")],
            .step(1),
            "step 1",
            .time,
            "one event on",
            hint: "next",
            on: [.explain]
        ),
        KeyBinding(
            [key(",")],
            .step(-1),
            "step -1",
            .time,
            "one event back",
            hint: "back",
            on: [.explain]
        ),
        KeyBinding([key(".")], .step(1), "step 1", .time, "one event on"),
        KeyBinding([key(",")], .step(-1), "step -1", .time, "one event back"),
        KeyBinding([key("m")], .mark(nil), "mark", .time, "mark this moment"),
        KeyBinding([key("'")], .listMarks, "marks", .time, "list the marks"),
    ]

    private static let acts: [KeyBinding] = [
        KeyBinding(
            [key("r")],
            .retrySelected,
            "retry",
            .act,
            "retry the task now",
            hint: "retry",
            on: [.queues],
            needs: .control
        ),
        KeyBinding(
            [key("A")],
            .retryAll,
            "retry all",
            .act,
            "retry all failed tasks",
            hint: "all",
            on: [.queues],
            needs: .control
        ),
        KeyBinding(
            [key("d")],
            .dropSelected,
            "drop",
            .act,
            "drop the task",
            hint: "drop…",
            on: [.queues],
            needs: .control
        ),
        KeyBinding(
            [key("p")],
            .command(.push(bytes: ClusterCommand.demoImageBytes)),
            "push",
            .act,
            "push a demo image",
            hint: "push",
            needs: .control
        ),
        KeyBinding(
            [key("P")],
            .pullMenu,
            "pull",
            .act,
            "pull an image",
            hint: "pull",
            needs: .control
        ),
        KeyBinding(
            [key("x"), .function(9)],
            .faultMenu,
            "fault",
            .act,
            "fault menu",
            hint: "fault…",
            needs: .faults
        ),
        KeyBinding(
            [key("q"), .function(10), .control("c")],
            .quit,
            "q",
            .act,
            "quit",
            hint: "quit"
        ),
    ]
}

extension ClusterCommand {
    /// The size of the image that the key for a demo push makes.
    package static let demoImageBytes = 64 << 20
}
