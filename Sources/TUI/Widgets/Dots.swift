// SPDX-License-Identifier: Apache-2.0

/// A plane of braille dots, two by four in a cell, each cell with the role of the brightest thing drawn there.
package struct DotPlane: Sendable {
    /// Columns and rows in cells.
    package let size: Size
    private var dots: [UInt8]
    private var roles: [Role]
    private var weights: [Double]

    /// An empty plane of `size` cells.
    package init(size: Size) {
        self.size = Size(width: max(0, size.width), height: max(0, size.height))
        let count = self.size.width * self.size.height
        dots = Array(repeating: 0, count: count)
        roles = Array(repeating: .text, count: count)
        weights = Array(repeating: -.infinity, count: count)
    }

    /// Columns and rows in dots.
    package var dotWidth: Int { size.width * 2 }
    /// Rows in dots.
    package var dotHeight: Int { size.height * 4 }

    /// Sets the dot at (`x`, `y`); where things of different `weight` meet in a cell the heavier gives its role.
    package mutating func set(x: Int, y: Int, _ role: Role, weight: Double = 0) {
        guard x >= 0, y >= 0, x < dotWidth, y < dotHeight else { return }
        let index = y / 4 * size.width + x / 2
        dots[index] |= Braille.bit(x: x, y: y)
        if weight >= weights[index] { (roles[index], weights[index]) = (role, weight) }
    }

    /// A straight line between two dots (Bresenham); with `limit`, only its first so many dots.
    package mutating func line(
        from start: Point,
        to end: Point,
        _ role: Role,
        weight: Double = 0,
        limit: Int = .max
    ) {
        let (dx, dy) = (abs(end.x - start.x), -abs(end.y - start.y))
        let (stepX, stepY) = (start.x < end.x ? 1 : -1, start.y < end.y ? 1 : -1)
        var (x, y, error, drawn) = (start.x, start.y, dx + dy, 0)
        while drawn < limit {
            set(x: x, y: y, role, weight: weight)
            drawn += 1
            if x == end.x, y == end.y { return }
            let doubled = 2 * error
            if doubled >= dy { (error, x) = (error + dy, x + stepX) }
            if doubled <= dx { (error, y) = (error + dx, y + stepY) }
        }
    }

    /// The role and dots of a cell; nil where nothing was drawn.
    package func cell(x: Int, y: Int) -> Cell? {
        guard x >= 0, y >= 0, x < size.width, y < size.height else { return nil }
        let index = y * size.width + x
        return dots[index] == 0 ? nil : Cell(Braille.scalar(dots[index]), roles[index])
    }
}

extension Frame {
    /// Lays `plane` over the frame with its top left cell at `origin`.
    package mutating func draw(_ plane: DotPlane, at origin: Point, in clip: Rect) {
        for y in 0..<plane.size.height {
            for x in 0..<plane.size.width {
                guard let cell = plane.cell(x: x, y: y) else { continue }
                let place = Point(x: origin.x + x, y: origin.y + y)
                if clip.contains(place) { self[place.x, place.y] = cell }
            }
        }
    }
}
