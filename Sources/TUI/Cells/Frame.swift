// SPDX-License-Identifier: Apache-2.0

/// Something that can be clicked.
package struct HitRegion: Hashable, Sendable {
    /// The cells that react.
    package var area: Rect
    /// What a click does.
    package var intent: Intent
    /// `area` does `intent`.
    package init(area: Rect, intent: Intent) { (self.area, self.intent) = (area, intent) }
}

/// A whole screen: what it shows, what can be clicked, where the cursor stands.
package struct Frame: Equatable, Sendable {
    /// Columns and rows.
    package let size: Size
    /// Row by row, `size.width × size.height` cells.
    package private(set) var cells: [Cell]
    /// Later regions lie over earlier ones.
    package private(set) var hits: [HitRegion] = []
    /// Where the terminal's cursor shows; nil hides it.
    package var cursor: Point?

    /// An empty frame. Sizes beyond ``Size/most`` or below 0 are brought into range.
    package init(size: Size) {
        self.size = Size(
            width: min(max(0, size.width), Size.most.width),
            height: min(max(0, size.height), Size.most.height)
        )
        cells = Array(repeating: .blank, count: self.size.width * self.size.height)
    }

    /// All of it.
    package var bounds: Rect { Rect(x: 0, y: 0, width: size.width, height: size.height) }

    /// The cell at a place; outside the frame reading gives a blank and writing does nothing.
    package subscript(x: Int, y: Int) -> Cell {
        get {
            x >= 0 && y >= 0 && x < size.width && y < size.height
                ? cells[y * size.width + x] : .blank
        }
        set {
            guard x >= 0, y >= 0, x < size.width, y < size.height else { return }
            cells[y * size.width + x] = newValue
        }
    }

    /// The cells of one row.
    package func row(_ y: Int) -> ArraySlice<Cell> {
        guard y >= 0, y < size.height else { return [] }
        return cells[y * size.width..<(y + 1) * size.width]
    }

    /// Makes `area` react to clicks with `intent`, as far as it lies inside.
    package mutating func addHit(_ area: Rect, _ intent: Intent) {
        let visible = area.intersection(bounds)
        if !visible.isEmpty { hits.append(HitRegion(area: visible, intent: intent)) }
    }

    /// What a click at `point` does.
    package func intent(at point: Point) -> Intent? {
        hits.last { $0.area.contains(point) }?.intent
    }

    /// Replaces every cell by what `change` makes of it.
    package mutating func mapCells(_ change: (Cell) -> Cell) {
        for index in cells.indices { cells[index] = change(cells[index]) }
    }

    /// The glyphs of one row, without blanks at its end.
    package func text(row y: Int) -> String {
        var scalars = String.UnicodeScalarView()
        for cell in row(y) { scalars.append(cell.scalar) }
        while scalars.last == " " { scalars.removeLast() }
        return String(scalars)
    }

    /// The glyphs of all rows.
    package var text: String { (0..<size.height).map { text(row: $0) }.joined(separator: "\n") }
}
