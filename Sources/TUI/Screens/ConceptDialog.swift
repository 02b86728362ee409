// SPDX-License-Identifier: Apache-2.0

/// Cards that explain ideas: a list of them, or one of them open.
enum ConceptDialog {
    /// One idea.
    struct Card {
        var title: String
        var lines: [String]
    }

    static func draw(_ cards: [Card], choice: Int, isOpen: Bool, into frame: inout Frame) {
        guard !cards.isEmpty else {
            return DialogWindow.menu("Concepts", notes: ["No cards."], [], choice: 0, into: &frame)
        }
        let index = min(max(0, choice), cards.count - 1)
        guard isOpen else {
            let rows = cards.map { DialogRow([($0.title, .text)]) }
            return DialogWindow.menu("Concepts", rows, choice: index, into: &frame)
        }
        let card = cards[index]
        let longest = card.lines.map(\.unicodeScalars.count).max() ?? 0
        let width = DialogWindow.width(
            max(longest, card.title.unicodeScalars.count + 20),
            in: frame
        )
        // Lines that are too long for this screen are filled anew.
        let lines =
            longest <= width - 4
            ? card.lines : PaneParts.wrapped(card.lines.joined(separator: " "), width: width - 4)
        let inner = DialogWindow.open(
            card.title,
            trailing: "\(index + 1) of \(cards.count)",
            bottomTrailing: "↵ list  ↑↓ others",
            columns: width,
            rows: lines.count + 2,
            into: &frame
        )
        let area = inner.height > lines.count ? inner.splitTop(1).rest : inner
        for (line, y) in zip(lines, area.y..<max(area.y, area.bottom)) {
            frame.write(line, x: area.x + 1, y: y, in: area)
        }
        frame.addHit(inner, .choose(index))
    }
}
