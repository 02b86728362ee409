// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// Draws the dialog in front, if there is one.
enum DialogDrawing {
    static func draw(_ scene: Scene, into frame: inout Frame) {
        guard let dialog = scene.view.dialog else { return }
        // A click beside the dialog closes it; nothing behind it can be hit.
        frame.addHit(frame.bounds, .cancel)
        switch dialog {
        case .help(let scroll): HelpDialog.draw(scroll: scroll, scene, into: &frame)
        case .faultMenu(let targets, let choice):
            FaultDialog.draw(targets, choice: choice, scene, into: &frame)
        case .confirm(let confirmation): ConfirmDialog.draw(confirmation, into: &frame)
        case .pullMenu(let choice): pull(choice, scene, into: &frame)
        case .quit(let choice): quit(choice, scene, into: &frame)
        case .marks(let choice): marks(choice, scene, into: &frame)
        case .concepts(let choice, let isOpen):
            let cards = Concepts.all.map { ConceptDialog.Card(title: $0.title, lines: $0.lines) }
            ConceptDialog.draw(cards, choice: choice, isOpen: isOpen, into: &frame)
        case .text(let title, let lines, let scroll):
            text(title, lines, scroll: scroll, into: &frame)
        }
    }

    // MARK: - Menus

    private static func pull(_ choice: Int, _ scene: Scene, into frame: inout Frame) {
        let rows = PullChoice.all(scene).map { DialogRow([($0.text, .text)]) }
        DialogWindow.menu("Pull an image", rows, choice: choice, into: &frame)
    }

    private static func quit(_ choice: Int, _ scene: Scene, into frame: inout Frame) {
        let keys = ["s", "k", "c"]
        let rows = QuitChoice.allCases.enumerated().map { index, choice in
            DialogRow([(index < keys.count ? keys[index] : " ", .title), (choice.rawValue, .text)])
        }
        let count = scene.picture.components.count
        let note = "This process runs \(count) components."
        DialogWindow.menu(
            "Quit?",
            notes: count > 0 ? [note] : [],
            rows,
            choice: choice,
            into: &frame
        )
    }

    private static func marks(_ choice: Int, _ scene: Scene, into frame: inout Frame) {
        let marks = Reducer.marks(scene)
        let now = scene.picture.takenAt.unixNanoseconds
        let rows = marks.map { mark in
            let clock = String(scene.clock(mark.at).dropLast(4))
            let (age, overflow) = now.subtractingReportingOverflow(mark.at.unixNanoseconds)
            let ago = overflow || age < 0 ? "" : Units.duration(Double(age) / 1e9) + " ago"
            return DialogRow([(clock, .hint), ("⚑ " + mark.label, .text), (ago, .hint)])
        }
        let notes = marks.isEmpty ? ["No marks yet: m marks the moment that is shown."] : []
        DialogWindow.menu("Marks", notes: notes, rows, choice: choice, into: &frame)
    }

    // MARK: - Text

    private static func text(
        _ title: String,
        _ lines: [String],
        scroll: Int,
        into frame: inout Frame
    ) {
        let longest = lines.map(\.unicodeScalars.count).max() ?? 0
        let width = DialogWindow.width(max(longest, title.unicodeScalars.count + 4), in: frame)
        // What fits stays as it is: its indentation may mean something.
        let wrapped = lines.map(\.oneColumnPerScalar).flatMap { line in
            line.unicodeScalars.count <= width - 4
                ? [line] : PaneParts.wrapped(line, width: width - 4)
        }
        let inner = DialogWindow.open(
            title.oneColumnPerScalar,
            trailing: "esc closes",
            columns: width,
            rows: wrapped.count,
            into: &frame
        )
        DialogWindow.scrolled(wrapped.count, scroll: scroll, inner, into: &frame) {
            index,
            row,
            frame in
            frame.write(wrapped[index], x: row.x + 1, y: row.y, in: row)
        }
    }
}
