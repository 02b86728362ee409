// SPDX-License-Identifier: Apache-2.0

/// A column of a table.
package struct TableColumn: Sendable {
    /// What stands above it.
    package var title: String
    /// In cells; 0 takes what the others leave.
    package var width: Int
    /// The side its text keeps to.
    package var align: Alignment
    /// Columns of high numbers are left out first when room is short; 0 always stays.
    package var priority: Int
    /// A column called `title`.
    package init(_ title: String, width: Int, align: Alignment = .leading, priority: Int = 0) {
        (self.title, self.width, self.align, self.priority) = (title, width, align, priority)
    }
}

/// A cell of a table.
package struct TableCell: Sendable {
    /// What it says.
    package var text: String
    /// What it means.
    package var role: Role
    /// A cell that says `text`.
    package init(_ text: String, _ role: Role = .text) { (self.text, self.role) = (text, role) }
}

/// Rows of text on fixed columns, one of them selected.
package struct Table: Sendable {
    /// The columns, from the left.
    package var columns: [TableColumn]
    /// Whether the titles are shown.
    package var showsTitles = true
    /// A table of `columns`.
    package init(columns: [TableColumn]) { self.columns = columns }

    /// Columns between two columns, and before the first for the mark of the selection.
    private static let gap = 1
    private static let markWidth = 3

    /// The columns that fit into `width`, with their positions and widths.
    package func layout(width: Int) -> [(index: Int, x: Int, width: Int)] {
        var shown = Array(columns.indices)
        func needed() -> Int {
            shown.reduce(Self.markWidth) {
                $0 + max(columns[$1].width, Self.flexibleMin($1, columns)) + Self.gap
            }
        }
        while needed() > width,
            let last = shown.filter({ columns[$0].priority > 0 })
                .max(by: { columns[$0].priority < columns[$1].priority })
        {
            shown.removeAll { $0 == last }
        }
        let flexible = shown.filter { columns[$0].width == 0 }
        let fixed = shown.reduce(Self.markWidth) { $0 + columns[$1].width + Self.gap }
        let share = flexible.isEmpty ? 0 : max(0, width - fixed) / flexible.count
        var x = Self.markWidth
        return shown.map { index in
            let own = columns[index].width == 0 ? share : columns[index].width
            defer { x += own + Self.gap }
            return (index, x, own)
        }
    }

    private static func flexibleMin(_ index: Int, _ columns: [TableColumn]) -> Int {
        columns[index].width == 0 ? 6 : 0
    }

    /// The rows of `count` to show in `height` lines so that `selected` is among them.
    package static func window(count: Int, selected: Int?, height: Int) -> Range<Int> {
        guard height > 0, count > 0 else { return 0..<0 }
        guard count > height else { return 0..<count }
        let centre = (selected ?? 0) - height / 2
        let first = min(max(0, centre), count - height)
        return first..<first + height
    }

    /// Draws titles and rows into `area`; `row` gives the cells of a row, `select` what a click on it does.
    package func draw(
        into frame: inout Frame,
        area: Rect,
        count: Int,
        selected: Int?,
        isFocused: Bool = true,
        row: (Int) -> [TableCell],
        select: (Int) -> Intent?
    ) {
        let places = layout(width: area.width)
        var area = area
        if showsTitles, area.height > 1 {
            for place in places {
                let column = columns[place.index]
                frame.write(
                    column.title,
                    x: area.x + place.x,
                    y: area.y,
                    width: place.width,
                    in: area,
                    .hint,
                    align: column.align
                )
            }
            area = area.splitTop(1).rest
        }
        for (line, index) in Self.window(count: count, selected: selected, height: area.height)
            .enumerated()
        {
            let y = area.y + line
            let cells = row(index)
            for place in places where place.index < cells.count {
                let cell = cells[place.index]
                frame.write(
                    cell.text,
                    x: area.x + place.x,
                    y: y,
                    width: place.width,
                    in: area,
                    cell.role,
                    align: columns[place.index].align
                )
            }
            let whole = Rect(x: area.x, y: y, width: area.width, height: 1)
            if index == selected {
                frame.write("▶", x: area.x + 1, y: y, in: area, .title)
                if isFocused { frame.mark(whole, .reverse) }
            }
            if let intent = select(index) { frame.addHit(whole, intent) }
        }
    }
}
