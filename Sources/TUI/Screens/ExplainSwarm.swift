// SPDX-License-Identifier: Apache-2.0

/// A small swarm: the peer that is told of in the middle, some of its neighbours around it.
struct ExplainSwarm {
    /// A neighbour and its place, as shares of width and height.
    private struct Neighbour {
        var index: Int
        var x: Double
        var y: Double
        /// Refused for a while: no connection is drawn.
        var isBanned = false
    }

    private let swarm: SwarmPicture
    private let cast: ExplainStory.Cast
    private let facts: ExplainFacts
    private let neighbours: [Neighbour]

    private static let places: [(Double, Double)] = [
        (0.86, 0.12), (0.14, 0.12), (0.14, 0.86), (0.86, 0.86), (0.04, 0.5), (0.96, 0.5),
    ]
    private static let bannedPlace = (0.5, 1.0)

    init(_ swarm: SwarmPicture, _ cast: ExplainStory.Cast, _ facts: ExplainFacts) {
        (self.swarm, self.cast, self.facts) = (swarm, cast, facts)
        var ranked: [(index: Int, rank: Double)] = []
        for row in swarm.connections where row.first == cast.own || row.second == cast.own {
            let other = row.first == cast.own ? row.second : row.first
            guard swarm.peers.indices.contains(other), other != cast.own, other != cast.other else {
                continue
            }
            let asked = row.askedOfFirst.count + row.askedOfSecond.count
            // Whoever sends or is asked first, by rate among them.
            let rate = row.rate.isFinite ? min(row.rate, 1e12) : 0
            ranked.append((other, (asked > 0 ? 1e13 : 0) + rate))
        }
        ranked.sort { ($1.rank, $0.index) < ($0.rank, $1.index) }
        let shown = (cast.other.map { [$0] } ?? []) + ranked.map(\.index)
        var neighbours = zip(shown, Self.places).map { index, place in
            Neighbour(index: index, x: place.0, y: place.1)
        }
        for ban in swarm.peers[cast.own].bans {
            guard let index = swarm.index(of: ban.name) else { continue }
            if let known = neighbours.firstIndex(where: { $0.index == index }) {
                neighbours[known].isBanned = true
            } else if !neighbours.contains(where: { $0.isBanned && $0.y == Self.bannedPlace.1 }) {
                neighbours.append(
                    Neighbour(
                        index: index,
                        x: Self.bannedPlace.0,
                        y: Self.bannedPlace.1,
                        isBanned: true
                    )
                )
            }
        }
        self.neighbours = neighbours
    }

    func draw(into frame: inout Frame, area: Rect) {
        let area = area.inset()
        guard area.width >= 16, area.height >= 3 else { return }
        let centre = Point(x: area.x + area.width / 2, y: area.y + area.height / 2)
        var plane = DotPlane(size: Size(width: area.width, height: area.height))
        for neighbour in neighbours where !neighbour.isBanned {
            edge(to: neighbour, place(neighbour, in: area), centre, area, into: &plane)
        }
        frame.draw(plane, at: Point(x: area.x, y: area.y), in: area)
        for neighbour in neighbours {
            let peer = swarm.peers[neighbour.index]
            let glyph = neighbour.isBanned ? "✕" : ExplainFacts.glyph(peer)
            let role = neighbour.isBanned ? Role.down : ExplainFacts.role(peer)
            node("\(glyph)\(peer.name)", peer, role, place(neighbour, in: area), into: &frame, area)
        }
        let own = swarm.peers[cast.own]
        let text = "[\(ExplainFacts.glyph(own))\(own.name)]"
        let span = node(text, own, ExplainFacts.role(own), centre, into: &frame, area)
        frame.mark(span, .reverse)
        label(centre, into: &frame, area)
    }

    private func place(_ neighbour: Neighbour, in area: Rect) -> Point {
        Point(
            x: area.x + Int((neighbour.x * Double(area.width - 1)).rounded()),
            y: area.y + Int((neighbour.y * Double(area.height - 1)).rounded())
        )
    }

    /// Writes `text` with its middle at `place`, as far as that leaves it inside.
    @discardableResult
    private func node(
        _ text: String,
        _ peer: PeerRow,
        _ role: Role,
        _ place: Point,
        into frame: inout Frame,
        _ area: Rect
    ) -> Rect {
        let width = text.unicodeScalars.count
        let x = max(area.x, min(place.x - width / 2, area.right - width))
        frame.write(text, x: x, y: place.y, in: area, role)
        let span = Rect(x: x, y: place.y, width: min(width, area.right - x), height: 1)
        frame.addHit(span, .select(.peer(peer.name)))
        return span
    }

    /// A line of dots where something moves or was asked for, a few dots where nothing does.
    private func edge(
        to neighbour: Neighbour,
        _ place: Point,
        _ centre: Point,
        _ area: Rect,
        into plane: inout DotPlane
    ) {
        let start = Point(x: (place.x - area.x) * 2 + 1, y: (place.y - area.y) * 4 + 2)
        let end = Point(x: (centre.x - area.x) * 2 + 1, y: (centre.y - area.y) * 4 + 2)
        let row = swarm.connections.first {
            $0.first == min(neighbour.index, cast.own)
                && $0.second == max(neighbour.index, cast.own)
        }
        let isCurrent = neighbour.index == cast.other
        let asked = row.map { $0.askedOfFirst.count + $0.askedOfSecond.count } ?? 0
        let isBusy = asked > 0 || (row?.rate ?? 0) > 0 || isCurrent && facts.isFlow
        let isOrigin = swarm.peers[neighbour.index].isOrigin || swarm.peers[cast.own].isOrigin
        let role: Role = !isBusy ? .hint : isOrigin ? .origin : .agentEdge
        if isBusy {
            plane.line(from: start, to: end, role, weight: isCurrent ? 2 : 1)
            return
        }
        let steps = max(1, max(abs(end.x - start.x), abs(end.y - start.y)))
        for step in stride(from: 0, through: steps, by: 4) {
            let x = start.x + (end.x - start.x) * step / steps
            let y = start.y + (end.y - start.y) * step / steps
            plane.set(x: x, y: y, role)
        }
    }

    /// `▼ #37 4 MiB`, beside the line along which it goes.
    private func label(_ centre: Point, into frame: inout Frame, _ area: Rect) {
        guard let other = neighbours.first(where: { $0.index == cast.other }) else { return }
        let place = place(other, in: area)
        let goesDown = (place.y < centre.y) != cast.isSending
        let arrow = facts.isFlow ? (goesDown ? "▼ " : "▲ ") : ""
        let text = arrow + facts.label
        let middle = Point(x: (place.x + centre.x) / 2, y: (place.y + centre.y) / 2)
        let x = max(area.x, middle.x - text.unicodeScalars.count - 1)
        frame.write(text, x: x, y: middle.y, in: area, .title)
    }
}
