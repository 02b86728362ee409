// SPDX-License-Identifier: Apache-2.0

import TUI
import Testing

@Suite("Golden frames of Queues, Components, Events and dialogs")
struct PaneGoldenTests {
    static let sizes = [Size(width: 80, height: 24), Size(width: 120, height: 36)]

    private func check(
        _ name: String,
        _ screen: Screen,
        _ size: Size,
        _ glyphs: GlyphSet = .braille,
        _ change: (inout ViewState) -> Void = { _ in }
    ) throws {
        var view = SamplePicture.view(screen, size.width, size.height)
        view.glyphs = glyphs
        change(&view)
        let frame = render(SamplePicture.make(), view)
        let ending = glyphs == .ascii ? "-ascii" : ""
        try Golden.check(frame, "\(name)-\(size.width)x\(size.height)\(ending)")
    }

    @Test("The largest screens and the smallest, and those without Unicode")
    func otherSizes() throws {
        for (name, screen) in [
            ("queues", Screen.queues), ("components", .components), ("events", .events),
        ] {
            for (width, height) in [(200, 60), (40, 10)] {
                try check(name, screen, Size(width: width, height: height)) {
                    $0.component = "origin-1"
                }
            }
            try check(name, screen, Size(width: 80, height: 24), .ascii) {
                $0.component = "origin-1"
            }
        }
    }

    @Test("Queues", arguments: sizes)
    func queues(_ size: Size) throws {
        try check("queues", .queues, size) {
            $0.queue = "origin-2/write-back/demo/.*"
            $0.queues.pane = .tasks
        }
    }

    @Test("Components", arguments: sizes)
    func components(_ size: Size) throws {
        try check("components", .components, size) { $0.component = "origin-1" }
        try check("components-whatif", .components, size) {
            $0.component = "origin-2"
            $0.components.whatIf = ["o2"]
            $0.components.pane = .whatIf
            $0.components.wraps = true
        }
        try check("components-agent", .components, size) {
            $0.component = "agent-20"
            $0.components.pane = .logs
        }
    }

    @Test("Events", arguments: sizes)
    func events(_ size: Size) throws {
        try check("events", .events, size)
        try check("events-filtered", .events, size) {
            $0.filters[.events] = "kind:blacklist|request|writeback|announce -a05"
            $0.events.follows = false
            $0.events.wraps = true
            $0.event = EventKey(component: "origin-2", sequence: 2015)
        }
    }

    @Test("Dialogs", arguments: sizes)
    func dialogs(_ size: Size) throws {
        try check("help", .queues, size) { $0.dialog = .help(scroll: 0) }
        try check("faults", .components, size) {
            $0.component = "agent-5"
            $0.dialog = .faultMenu(targets: ["agent-5"], choice: 2)
        }
        try check("confirm", .components, size) {
            var question = Confirmation(
                intent: .command(.fault(FaultRequest(.wipe, targets: ["origin-1"]))),
                title: "wipe o1",
                lines: ["Its disk is emptied, then it starts anew.", "once"],
                demanded: "o1"
            )
            question.typed = "o"
            $0.dialog = .confirm(question)
        }
    }

    @Test("Small dialogs", arguments: [Size(width: 80, height: 24)])
    func smallDialogs(_ size: Size) throws {
        try check("pull", .queues, size) {
            $0.component = "agent-5"
            $0.dialog = .pullMenu(choice: 1)
        }
        try check("quit", .queues, size) { $0.dialog = .quit(choice: 2) }
        try check("marks", .queues, size) { $0.dialog = .marks(choice: 0) }
        try check("text", .queues, size) {
            $0.dialog = .text(
                title: "Task 02be77a1",
                lines: [
                    "failed 2 times, asked for 41s ago", "tried again in 12s",
                    "503 service unavailable",
                ],
                scroll: 0
            )
        }
    }
}
