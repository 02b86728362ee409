// SPDX-License-Identifier: Apache-2.0

/// One choice of a menu: texts in columns.
struct DialogRow {
    var cells: [(text: String, role: Role)]
    init(_ cells: [(String, Role)]) { self.cells = cells.map { (text: $0.0, role: $0.1) } }
}

/// Windows in the middle of the screen, and what several dialogs have in them.
enum DialogWindow {
    /// The width of a window for text of `columns` columns: its frame and a blank at each side come on top.
    static func width(_ columns: Int, in frame: Frame) -> Int {
        min(max(24, columns + 4), frame.size.width)
    }

    /// Empties a window and draws its frame; answers what is inside, of `rows` rows where there is room.
    ///
    /// The first and the last line of the screen stay free where that is possible.
    static func open(
        _ title: String,
        trailing: String = "",
        bottom: String = "",
        bottomTrailing: String = "",
        columns width: Int,
        rows: Int,
        into frame: inout Frame
    ) -> Rect {
        let most = frame.size.height > 8 ? frame.size.height - 2 : frame.size.height
        let height = min(max(3, rows + 2), most)
        let area = Rect(
            x: (frame.size.width - width) / 2,
            y: max(0, (frame.size.height - height) / 2),
            width: width,
            height: height
        )
        frame.fill(area)
        return frame.box(
            area,
            title: title,
            trailing: trailing,
            bottom: bottom,
            bottomTrailing: bottomTrailing,
            isFocused: true
        )
    }

    /// Draws as many of `count` lines as fit from `scroll` on, and says at the frame what lies above and below.
    static func scrolled(
        _ count: Int,
        scroll: Int,
        _ inner: Rect,
        into frame: inout Frame,
        line: (Int, Rect, inout Frame) -> Void
    ) {
        let first = min(max(0, scroll), max(0, count - inner.height))
        let last = min(count, first + inner.height)
        for index in first..<max(first, last) {
            let row = Rect(x: inner.x, y: inner.y + index - first, width: inner.width, height: 1)
            line(index, row, &frame)
        }
        var marks: [String] = []
        if first > 0 { marks.append("↑ \(first)") }
        if last < count { marks.append("↓ \(count - last) more") }
        guard !marks.isEmpty else { return }
        let text = " \(marks.joined(separator: "  ")) "
        frame.write(text, x: inner.x + 1, y: inner.bottom, in: frame.bounds, .hint)
    }

    /// A menu: notes, then choices of which one is chosen. Every choice can be clicked.
    static func menu(
        _ title: String,
        notes: [String] = [],
        _ rows: [DialogRow],
        choice: Int,
        into frame: inout Frame
    ) {
        let widths = columnWidths(rows)
        let content = widths.reduce(0) { $0 + $1 + 2 } + 2
        let longest = notes.map(\.unicodeScalars.count).max() ?? 0
        let width = width(max(content, longest, title.unicodeScalars.count + 14), in: frame)
        let lines = notes.flatMap { PaneParts.wrapped($0, width: width - 4) }
        let gap = lines.isEmpty || rows.isEmpty ? 0 : 1
        let inner = open(
            title,
            trailing: "esc closes",
            bottomTrailing: rows.isEmpty ? "" : "↑↓ choose  ↵ do it",
            columns: width,
            rows: lines.count + gap + rows.count,
            into: &frame
        )
        // Choices come before notes where there is not room for both.
        let noteRows = min(lines.count, max(0, inner.height - gap - rows.count))
        for (index, line) in lines.prefix(noteRows).enumerated() {
            frame.write(line, x: inner.x + 1, y: inner.y + index, in: inner, .hint)
        }
        let list = inner.splitTop(noteRows + (noteRows > 0 ? gap : 0)).rest
        guard !rows.isEmpty else { return }
        let chosen = min(max(0, choice), rows.count - 1)
        let shown = Table.window(count: rows.count, selected: chosen, height: list.height)
        for (line, index) in shown.enumerated() {
            let row = Rect(x: list.x, y: list.y + line, width: list.width, height: 1)
            draw(rows[index], widths, isChosen: index == chosen, row, into: &frame)
            frame.addHit(row, .choose(index))
        }
    }

    private static func draw(
        _ row: DialogRow,
        _ widths: [Int],
        isChosen: Bool,
        _ area: Rect,
        into frame: inout Frame
    ) {
        if isChosen { frame.write("▶", x: area.x, y: area.y, in: area, .title) }
        var x = area.x + 2
        for (cell, width) in zip(row.cells, widths) {
            let text = cell.text.oneColumnPerScalar
            frame.write(text.fitted(to: area.right - x), x: x, y: area.y, in: area, cell.role)
            x += width + 2
        }
        if isChosen { frame.mark(area, .reverse) }
    }

    private static func columnWidths(_ rows: [DialogRow]) -> [Int] {
        let count = rows.map(\.cells.count).max() ?? 0
        return (0..<count).map { column in
            rows.map { column < $0.cells.count ? $0.cells[column].text.unicodeScalars.count : 0 }
                .max() ?? 0
        }
    }

    /// A button, `[ Cancel ]`, reversed when it is the chosen one; answers the column after it.
    static func button(
        _ label: String,
        _ intent: Intent,
        isChosen: Bool,
        x: Int,
        y: Int,
        in clip: Rect,
        _ role: Role = .text,
        into frame: inout Frame
    ) -> Int {
        let text = "[ \(label) ]"
        let end = frame.write(text, x: x, y: y, in: clip, isChosen ? .title : role)
        let area = Rect(x: x, y: y, width: end - x, height: 1).intersection(clip)
        if isChosen { frame.mark(area, .reverse) }
        frame.addHit(area, intent)
        return end
    }
}
