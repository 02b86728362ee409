// SPDX-License-Identifier: Apache-2.0

/// A place on the screen, in cells from the top left corner.
package struct Point: Hashable, Codable, Sendable {
    /// Columns from the left.
    package var x: Int
    /// Rows from the top.
    package var y: Int
    /// The place in column `x` of row `y`.
    package init(x: Int, y: Int) { (self.x, self.y) = (x, y) }
}

/// Columns and rows of a screen.
package struct Size: Hashable, Codable, Sendable {
    /// Columns.
    package var width: Int
    /// Rows.
    package var height: Int
    /// `width` columns of `height` rows.
    package init(width: Int, height: Int) { (self.width, self.height) = (width, height) }

    /// Below this nothing but a request for more room is drawn.
    package static let least = Size(width: 40, height: 10)
    /// Larger screens are drawn into this much of their top left corner.
    package static let most = Size(width: 1000, height: 500)
}

/// Cells `x ..< x + width` of the rows `y ..< y + height`; never of negative extent.
package struct Rect: Hashable, Codable, Sendable {
    /// Columns from the left.
    package var x: Int
    /// Rows from the top.
    package var y: Int
    /// Columns.
    package var width: Int
    /// Rows.
    package var height: Int

    /// A rectangle; a negative extent becomes 0.
    package init(x: Int, y: Int, width: Int, height: Int) {
        (self.x, self.y, self.width, self.height) = (x, y, max(0, width), max(0, height))
    }

    /// The column after the last.
    package var right: Int { x + width }
    /// The row after the last.
    package var bottom: Int { y + height }
    /// Whether it has no cell.
    package var isEmpty: Bool { width == 0 || height == 0 }

    /// Whether `point` is one of its cells.
    package func contains(_ point: Point) -> Bool {
        point.x >= x && point.x < right && point.y >= y && point.y < bottom
    }

    /// The rectangle without `margin` cells at each side.
    package func inset(_ margin: Int = 1) -> Rect {
        Rect(x: x + margin, y: y + margin, width: width - 2 * margin, height: height - 2 * margin)
    }

    /// The part that both cover.
    package func intersection(_ other: Rect) -> Rect {
        let (left, top) = (max(x, other.x), max(y, other.y))
        return Rect(
            x: left,
            y: top,
            width: min(right, other.right) - left,
            height: min(bottom, other.bottom) - top
        )
    }

    /// The first `rows` rows, and what is left below them.
    package func splitTop(_ rows: Int) -> (top: Rect, rest: Rect) {
        let rows = min(max(0, rows), height)
        return (
            Rect(x: x, y: y, width: width, height: rows),
            Rect(x: x, y: y + rows, width: width, height: height - rows)
        )
    }

    /// The last `rows` rows, and what is left above them.
    package func splitBottom(_ rows: Int) -> (rest: Rect, bottom: Rect) {
        let parts = splitTop(height - min(max(0, rows), height))
        return (parts.top, parts.rest)
    }

    /// The first `columns` columns, and what is left to their right.
    package func splitLeft(_ columns: Int) -> (left: Rect, rest: Rect) {
        let columns = min(max(0, columns), width)
        return (
            Rect(x: x, y: y, width: columns, height: height),
            Rect(x: x + columns, y: y, width: width - columns, height: height)
        )
    }

    /// The last `columns` columns, and what is left to their left.
    package func splitRight(_ columns: Int) -> (rest: Rect, right: Rect) {
        let parts = splitLeft(width - min(max(0, columns), width))
        return (parts.left, parts.rest)
    }
}
