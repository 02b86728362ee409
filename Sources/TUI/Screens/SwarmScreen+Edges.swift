// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// Something that flows, or could flow, from one peer to another; both are positions in the swarm.
struct SwarmEdge: Equatable, Sendable {
    var supplier: Int
    var receiver: Int
    /// Bytes per second; 0 on an idle connection.
    var rate: Double
    /// 1 right after a piece, 0 when the last one is so long ago that the connection counts as idle.
    var freshness = 1.0
}

extension SwarmEdge {
    /// Whether the last piece is so long ago that the line begins to fade.
    var isFading: Bool { freshness < 0.5 }

    /// Dims the edge by how long ago its last piece is, where that is known.
    fileprivate mutating func fade(since last: Timestamp?, at now: Timestamp) {
        guard let last else { return }
        let age = max(0, now.seconds(since: last))
        freshness = max(0, 1 - age / ConnectionRow.fadeSeconds)
        if freshness == 0 { rate = 0 }
    }
}

extension SwarmEdge {
    /// Keeps the edge while one of the pieces in `asked` is arriving: on a slow link that takes longer than an edge fades.
    fileprivate mutating func wake(_ peers: [PeerRow], asked: [Int]) {
        guard !asked.isEmpty, peers.indices.contains(receiver) else { return }
        let arriving = peers[receiver].arriving
        guard asked.contains(where: arriving.contains) else { return }
        // How fast is not known before the piece is there.
        (freshness, rate) = (1, max(1, rate))
    }
}

/// Which edges of a swarm are drawn, and how much of them.
///
/// All of them at once are solid ink: in full come those of the selected peer and the fastest, as many as the canvas
/// bears; every other peer that receives something gets a short tail towards its best supplier.
struct SwarmEdges: Equatable, Sendable {
    /// The whole lines, the fastest first.
    private(set) var full: [SwarmEdge] = []
    /// Connections of the selected peer over which nothing flows.
    private(set) var idle: [SwarmEdge] = []
    private(set) var tails: [SwarmEdge] = []
    /// Connections over which something flows, drawn or not.
    private(set) var movingCount = 0
    /// The highest rate of all.
    private(set) var fastest = 0.0

    /// - Parameters:
    ///   - budget: how many whole lines the canvas bears.
    ///   - now: the moment of the picture.
    init(
        _ swarm: SwarmPicture,
        selected: Int?,
        mode: SwarmState.Edges,
        budget: Int,
        at now: Timestamp
    ) {
        guard mode != .none else {
            movingCount = swarm.connections.count { row in
                let (on, back) = Self.directions(row, swarm.peers, now)
                return on.rate > 0 || back.rate > 0
            }
            return
        }
        let count = swarm.peers.count
        var moving: [SwarmEdge] = []
        moving.reserveCapacity(swarm.connections.count)
        var best = Array(repeating: SwarmEdge(supplier: 0, receiver: 0, rate: 0), count: count)
        for row in swarm.connections {
            let (first, second) = (row.first, row.second)
            guard first >= 0, second >= 0, first < count, second < count else { continue }
            let (on, back) = Self.directions(row, swarm.peers, now)
            let edge = on.rate >= back.rate ? on : back
            if edge.rate > 0 {
                moving.append(edge)
            } else if first == selected || second == selected {
                idle.append(edge)
            }
            if on.rate > best[second].rate { best[second] = on }
            if back.rate > best[first].rate { best[first] = back }
        }
        movingCount = moving.count
        fastest = moving.reduce(0) { max($0, $1.rate) }
        chooseFull(moving, selected, mode, budget)
        guard mode == .top else { return }
        var isServed = Array(repeating: false, count: count)
        for edge in full { isServed[edge.receiver] = true }
        tails = best.filter { $0.rate > 0 && !isServed[$0.receiver] }
    }

    /// What flows on a connection, there and back.
    private static func directions(
        _ row: ConnectionRow,
        _ peers: [PeerRow],
        _ now: Timestamp
    ) -> (on: SwarmEdge, back: SwarmEdge) {
        var on = SwarmEdge(supplier: row.first, receiver: row.second, rate: row.forwardRate.orZero)
        on.fade(since: row.forwardPieceAt, at: now)
        on.wake(peers, asked: row.askedOfFirst)
        var back = SwarmEdge(
            supplier: row.second,
            receiver: row.first,
            rate: row.backwardRate.orZero
        )
        back.fade(since: row.backwardPieceAt, at: now)
        back.wake(peers, asked: row.askedOfSecond)
        return (on, back)
    }

    private mutating func chooseFull(
        _ moving: [SwarmEdge],
        _ selected: Int?,
        _ mode: SwarmState.Edges,
        _ budget: Int
    ) {
        let own = moving.filter { $0.supplier == selected || $0.receiver == selected }
        switch mode {
        case .none: break
        case .selected: full = own
        case .all: full = moving
        case .top:
            let others = moving.filter { $0.supplier != selected && $0.receiver != selected }
                .sorted(by: Self.isFaster)
            full = own + others.prefix(max(0, budget - own.count))
        }
        full.sort(by: Self.isFaster)
    }

    private static func isFaster(_ left: SwarmEdge, _ right: SwarmEdge) -> Bool {
        (right.rate, left.supplier, left.receiver) < (left.rate, right.supplier, right.receiver)
    }

    /// Whether an edge is drawn dim: its rate is far from the best, three halvings or more, or its last piece is a while ago.
    func isDim(_ edge: SwarmEdge) -> Bool { edge.rate * 8 < fastest || edge.isFading }
}

/// Edges as dots on a canvas.
struct EdgePlane {
    private var fast: DotPlane
    private var slow: DotPlane
    private let canvas: Rect

    init(canvas: Rect) {
        self.canvas = canvas
        fast = DotPlane(size: Size(width: canvas.width, height: canvas.height))
        slow = fast
    }

    /// The dot in the middle of a cell of the frame.
    private func dot(_ place: Point) -> Point {
        Point(x: (place.x - canvas.x) * 2, y: (place.y - canvas.y) * 4 + 2)
    }

    /// A whole line; in the last part of its fading only every second dot of it.
    mutating func line(
        from start: Point,
        to end: Point,
        _ role: Role,
        _ edge: SwarmEdge,
        isDim: Bool
    ) {
        let weight = edge.rate.roughLog2
        if edge.freshness < 0.25 {
            for (step, point) in Self.steps(from: dot(start), to: dot(end)).enumerated()
            where step % 2 == 0 {
                slow.set(x: point.x, y: point.y, role, weight: weight)
            }
        } else if isDim {
            slow.line(from: dot(start), to: dot(end), role, weight: weight)
        } else {
            fast.line(from: dot(start), to: dot(end), role, weight: weight)
        }
    }

    /// A line of which every third dot is there.
    mutating func dotted(from start: Point, to end: Point) {
        for (step, point) in Self.steps(from: dot(start), to: dot(end)).enumerated()
        where step % 3 == 0 {
            slow.set(x: point.x, y: point.y, .hint, weight: -1)
        }
    }

    /// The `length` dots of a line that come first outside of the `width` cells from `start` on.
    mutating func tail(
        from start: Point,
        to end: Point,
        width: Int,
        length: Int,
        _ role: Role,
        rate: Double,
        isSlow: Bool
    ) {
        let (first, last) = (dot(start), dot(end))
        var left = length
        for point in Self.steps(from: first, to: last) where left > 0 {
            let isInRow = point.y / 4 == first.y / 4
            let column = point.x / 2 - first.x / 2
            if isInRow, column >= 0, column < width { continue }
            if isSlow {
                slow.set(x: point.x, y: point.y, role, weight: rate.roughLog2)
            } else {
                fast.set(x: point.x, y: point.y, role, weight: rate.roughLog2)
            }
            left -= 1
        }
    }

    /// The dots between two dots.
    private static func steps(from start: Point, to end: Point) -> some Sequence<Point> {
        let (dx, dy) = (end.x - start.x, end.y - start.y)
        let count = max(1, max(abs(dx), abs(dy)))
        return (0...count).lazy.map { step in
            Point(
                x: start.x + (2 * dx * step + (dx < 0 ? -count : count)) / (2 * count),
                y: start.y + (2 * dy * step + (dy < 0 ? -count : count)) / (2 * count)
            )
        }
    }

    /// Lays both planes over `frame`: slow edges dimmed, and under the fast ones.
    func draw(into frame: inout Frame) {
        for y in 0..<canvas.height {
            for x in 0..<canvas.width {
                let (upper, lower) = (fast.cell(x: x, y: y), slow.cell(x: x, y: y))
                guard var cell = upper ?? lower else { continue }
                if upper == nil {
                    cell.flags = .dim
                } else if let lower {
                    cell.glyph |= lower.glyph
                }
                frame[canvas.x + x, canvas.y + y] = cell
            }
        }
    }

    /// The cells of the frame that a line passes, from `start` to `end`.
    static func cells(from start: Point, to end: Point) -> [Point] {
        let (dx, dy) = (end.x - start.x, end.y - start.y)
        let count = max(abs(dx), abs(dy) * 2)
        guard count > 0 else { return [start] }
        var cells: [Point] = []
        cells.reserveCapacity(count + 1)
        for step in 0...count {
            // In dots, as the line is drawn, or the cells would not be the same.
            let x = start.x * 2 + (4 * dx * step + (dx < 0 ? -count : count)) / (2 * count)
            let y = start.y * 4 + 2 + (8 * dy * step + (dy < 0 ? -count : count)) / (2 * count)
            let cell = Point(x: x / 2, y: y / 4)
            if cells.last != cell { cells.append(cell) }
        }
        return cells
    }
}
