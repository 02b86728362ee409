// SPDX-License-Identifier: Apache-2.0

/// A direction from the middle of the canvas, of length 1 on a canvas whose ellipses are stretched to circles.
struct Direction: Equatable, Sendable {
    var x: Double
    var y: Double

    /// The direction at `turn`, of which four make a whole circle; they are only nearly of one size, which is all that
    /// slots need and takes no sines.
    init(turn: Double) {
        let rest = turn - (turn / 4).rounded(.down) * 4
        let part = rest - rest.rounded(.down)
        let (x, y) =
            switch Int(rest) {
            case 0: (1 - part, part)
            case 1: (-part, 1 - part)
            case 2: (part - 1, -part)
            default: (part, part - 1)
            }
        self.init(x: x, y: y)
    }

    /// The direction towards (`x`, `y`); to the right for (0, 0).
    init(x: Double, y: Double) {
        let length = (x * x + y * y).squareRoot()
        guard length.isFinite, length > 0 else {
            (self.x, self.y) = (1, 0)
            return
        }
        (self.x, self.y) = (x / length, y / length)
    }

    /// Inverse of ``init(turn:)``: 0 … 4.
    var turn: Double {
        let sum = abs(x) + abs(y)
        let part = abs(y) / sum
        return if y >= 0 { x >= 0 ? part : 2 - part } else { x < 0 ? 2 + part : 4 - part }
    }

    /// The angle to `other` as a share of half a circle: 0 … 1.
    func angle(to other: Direction) -> Double {
        let difference = abs(turn - other.turn)
        return min(difference, 4 - difference) / 2
    }
}

/// All slots of a canvas: a few in the middle for origins, then ring after ring from the inside out.
struct SlotPlan: Equatable, Sendable {
    struct Slot: Equatable, Sendable {
        var place: Point
        var direction: Direction
        /// Position in ``rings``; -1 in the middle.
        var ring: Int
    }

    private(set) var slots: [Slot] = []
    /// The slots in the middle.
    private(set) var origins: Range<Int> = 0..<0
    /// The slots of each ring, in the order of a walk around it.
    private(set) var rings: [Range<Int>] = []
    /// Cells that are spoken for.
    private var taken: [Bool] = []
    private var canvas = Size(width: 0, height: 0)
    private var spacing = Spacing.dots

    init() {}

    var agentCount: Int { slots.count - origins.count }

    /// How far things keep from each other.
    struct Spacing: Equatable, Sendable {
        /// Rows between two rings, and from the middle to the innermost one.
        var ringGap: Double
        var innermost: Double
        /// From one slot of a ring to the next: so many columns or so many rows.
        var columns: Int
        var rows: Int
        /// Columns that a peer needs at the left and right of its glyph.
        var left: Int
        var right: Int
        /// Columns at the right edge that may be lost of these.
        var overhang: Int
        /// Where origins stand, from the middle: a triangle, then around it.
        var middle: [Point]

        static let labels = Spacing(
            ringGap: 5,
            innermost: 5.5,
            columns: 8,
            rows: 2,
            left: 1,
            right: 5,
            overhang: 1,
            middle: points([(-1, -1), (5, 1), (-7, 1), (-1, 3), (-1, -3), (8, -1), (-10, -1)])
        )
        static let dots = Spacing(
            ringGap: 2.7,
            innermost: 2.6,
            columns: 4,
            rows: 1,
            left: 1,
            right: 1,
            overhang: 0,
            middle: points([(0, -1), (4, 1), (-4, 1), (0, 1), (4, -1), (-4, -1), (2, 0), (-2, 0)])
        )

        private static func points(_ pairs: [(Int, Int)]) -> [Point] {
            pairs.map { Point(x: $0.0, y: $0.1) }
        }
    }

    init(canvas: Size, hasLabels: Bool) {
        spacing = hasLabels ? .labels : .dots
        self.canvas = Size(
            width: min(max(0, canvas.width), Size.most.width),
            height: min(max(0, canvas.height), Size.most.height)
        )
        taken = Array(repeating: false, count: self.canvas.width * self.canvas.height)
        fillMiddle()
        fillRings()
        taken = []
    }

    private mutating func fillMiddle() {
        let (x, y) = (canvas.width / 2, canvas.height / 2)
        for (index, offset) in spacing.middle.enumerated() {
            let place = Point(x: x + offset.x, y: y + offset.y)
            guard claim(place) else { continue }
            // Of a triangle's corners the angles are told apart; a wide canvas would make them all but horizontal.
            let direction = Direction(turn: 3 + Double(index) * 4 / 3)
            slots.append(Slot(place: place, direction: direction, ring: -1))
        }
        origins = 0..<slots.count
    }

    private mutating func fillRings() {
        let left = Double(spacing.left)
        let right = Double(max(0, canvas.width - 1 - spacing.right + spacing.overhang))
        let centre = (x: (left + right) / 2, y: Double(canvas.height - 1) / 2)
        let (width, height) = ((right - left) / 2, centre.y)
        guard width >= 1, height >= 0 else { return }
        var radii: [Double] = []
        var radius = height
        repeat {
            radii.append(radius)
            radius -= spacing.ringGap
        } while radius >= spacing.innermost
        for (index, radius) in radii.reversed().enumerated() {
            let share = height > 0 ? radius / height : 1
            let start = slots.count
            // Walks begin a golden angle apart, so that the first slots of all rings don't stand in a row.
            walk(centre, width * share, radius, from: Double(index) * 1.527_864, ring: index)
            rings.append(start..<slots.count)
        }
    }

    /// Goes once around an ellipse and leaves a slot wherever it is far enough from the last one.
    private mutating func walk(
        _ centre: (x: Double, y: Double),
        _ width: Double,
        _ height: Double,
        from start: Double,
        ring: Int
    ) {
        let steps = max(8, Int((width + height) * 8))
        var last: Point?
        for step in 0..<steps {
            let direction = Direction(turn: start + Double(step) * 4 / Double(steps))
            let place = Point(
                x: Int((centre.x + width * direction.x).rounded()),
                y: Int((centre.y + height * direction.y).rounded())
            )
            if let last, abs(place.x - last.x) < spacing.columns,
                abs(place.y - last.y) < spacing.rows
            {
                continue
            }
            guard claim(place) else { continue }
            last = place
            slots.append(Slot(place: place, direction: direction, ring: ring))
        }
    }

    /// Takes the cells that a peer at `place` needs, if they are all inside and free.
    private mutating func claim(_ place: Point) -> Bool {
        let (first, last) = (place.x - spacing.left, place.x + spacing.right)
        guard place.y >= 0, place.y < canvas.height, first >= 0,
            last - spacing.overhang < canvas.width
        else { return false }
        let row = place.y * canvas.width
        let cells = row + first...row + min(last, canvas.width - 1)
        guard !taken[cells].contains(true) else { return false }
        for cell in cells { taken[cell] = true }
        return true
    }
}

extension RadialLayout {
    /// How many agents a canvas has slots for, with and without names.
    package static func slotCounts(canvas: Size) -> (labels: Int, dots: Int) {
        (
            SlotPlan(canvas: canvas, hasLabels: true).agentCount,
            SlotPlan(canvas: canvas, hasLabels: false).agentCount
        )
    }

    /// How a swarm is shown.
    package enum Style: Equatable, Sendable {
        /// Peers with their names.
        case labels
        /// Peers as single glyphs.
        case dots
        /// Peers as rows of their pieces.
        case matrix
    }

    /// How `agentCount` agents are best shown on `canvas`: with names while they fill no more than 60 % of those slots,
    /// as dots up to 90 % of theirs, as a matrix beyond. Any other `mode` than automatic has its way.
    package static func style(
        agentCount: Int,
        canvas: Size,
        mode: SwarmState.Mode
    ) -> Style {
        switch mode {
        case .labels: return .labels
        case .dots: return .dots
        case .matrix: return .matrix
        case .automatic: break
        }
        if fits(agentCount, 0.6, canvas, hasLabels: true) { return .labels }
        return fits(agentCount, 0.9, canvas, hasLabels: false) ? .dots : .matrix
    }

    private static func fits(
        _ agentCount: Int,
        _ share: Double,
        _ canvas: Size,
        hasLabels: Bool
    ) -> Bool {
        // No slot takes less than so many cells, so that most swarms that are too large are found out without counting.
        let cells = canvas.width * canvas.height
        guard agentCount * (hasLabels ? 6 : 3) <= cells else { return false }
        let count = SlotPlan(canvas: canvas, hasLabels: hasLabels).agentCount
        return Double(agentCount) <= share * Double(count)
    }
}
