// SPDX-License-Identifier: Apache-2.0

/// The side to which text keeps.
package enum Alignment: Sendable { case leading, trailing, centre }

extension Frame {
    /// Writes `text` from (`x`, `y`) to the right, as far as `clip` reaches; answers the column after it.
    ///
    /// What is not one column wide becomes `?` or `·`.
    @discardableResult
    package mutating func write(
        _ text: some StringProtocol,
        x: Int,
        y: Int,
        in clip: Rect,
        _ role: Role = .text,
        _ flags: Cell.Flags = []
    ) -> Int {
        var column = x
        guard y >= clip.y, y < clip.bottom else { return column }
        for scalar in text.unicodeScalars {
            guard column < clip.right else { break }
            if column >= clip.x { self[column, y] = Cell(scalar, role, flags) }
            column += 1
        }
        return column
    }

    /// Writes `text` into `width` columns from (`x`, `y`), cut with `…` when it is longer.
    @discardableResult
    package mutating func write(
        _ text: String,
        x: Int,
        y: Int,
        width: Int,
        in clip: Rect,
        _ role: Role = .text,
        _ flags: Cell.Flags = [],
        align: Alignment = .leading
    ) -> Int {
        let fitted = text.fitted(to: width)
        let room = width - fitted.unicodeScalars.count
        let shift =
            switch align {
            case .leading: 0
            case .trailing: room
            case .centre: room / 2
            }
        write(fitted, x: x + max(0, shift), y: y, in: clip, role, flags)
        return x + width
    }

    /// Fills `area` with one cell.
    package mutating func fill(_ area: Rect, _ cell: Cell = .blank) {
        let visible = area.intersection(bounds)
        for y in visible.y..<visible.bottom {
            for x in visible.x..<visible.right { self[x, y] = cell }
        }
    }

    /// Adds `flags` to the cells of `area`.
    package mutating func mark(_ area: Rect, _ flags: Cell.Flags) {
        let visible = area.intersection(bounds)
        for y in visible.y..<visible.bottom {
            for x in visible.x..<visible.right { self[x, y].flags.formUnion(flags) }
        }
    }

    /// Makes every cell of `area` a hint: what it shows is old.
    package mutating func fade(_ area: Rect) {
        let visible = area.intersection(bounds)
        for y in visible.y..<visible.bottom {
            for x in visible.x..<visible.right { self[x, y].role = .hint }
        }
    }

    /// Draws a frame around `area` with labels in its edges and answers what is left inside.
    ///
    /// Labels that do not fit are left out whole, the trailing ones first.
    @discardableResult
    package mutating func box(
        _ area: Rect,
        title: String = "",
        trailing: String = "",
        bottom: String = "",
        bottomTrailing: String = "",
        isFocused: Bool = false
    ) -> Rect {
        guard area.width >= 2, area.height >= 2 else {
            return Rect(x: area.x, y: area.y, width: 0, height: 0)
        }
        let role: Role = isFocused ? .title : .border
        for x in area.x + 1..<area.right - 1 {
            self[x, area.y] = Cell("─", role)
            self[x, area.bottom - 1] = Cell("─", role)
        }
        for y in area.y + 1..<area.bottom - 1 {
            self[area.x, y] = Cell("│", role)
            self[area.right - 1, y] = Cell("│", role)
        }
        self[area.x, area.y] = Cell("┌", role)
        self[area.right - 1, area.y] = Cell("┐", role)
        self[area.x, area.bottom - 1] = Cell("└", role)
        self[area.right - 1, area.bottom - 1] = Cell("┘", role)
        labels(title, trailing, y: area.y, in: area, isTitle: true)
        labels(bottom, bottomTrailing, y: area.bottom - 1, in: area, isTitle: false)
        return area.inset()
    }

    private mutating func labels(
        _ leading: String,
        _ trailing: String,
        y: Int,
        in area: Rect,
        isTitle: Bool
    ) {
        let room = area.width - 4
        guard room > 2 else { return }
        var used = 0
        if !leading.isEmpty {
            let text = " \(leading.fitted(to: room - 2)) "
            write(text, x: area.x + 2, y: y, in: area, isTitle ? .title : .hint)
            used = text.unicodeScalars.count
        }
        let length = trailing.unicodeScalars.count + 2
        guard !trailing.isEmpty, used + length < room else { return }
        write(" \(trailing) ", x: area.right - 2 - length, y: y, in: area, .hint)
    }
}

extension String {
    /// The text in at most `width` columns, with `…` where it was cut.
    package func fitted(to width: Int) -> String {
        guard width > 0 else { return "" }
        guard unicodeScalars.count > width else { return self }
        return String(String.UnicodeScalarView(unicodeScalars.prefix(width - 1))) + "…"
    }

    /// The text in at most `width` columns, with `…` in its middle where it was cut: `library/…:3.20`.
    package func fittedInMiddle(to width: Int) -> String {
        let count = unicodeScalars.count
        guard width > 0 else { return "" }
        guard count > width else { return self }
        guard width > 2 else { return fitted(to: width) }
        let tail = (width - 1) / 2
        let head = width - 1 - tail
        return String(String.UnicodeScalarView(unicodeScalars.prefix(head))) + "…"
            + String(String.UnicodeScalarView(unicodeScalars.suffix(tail)))
    }
}
