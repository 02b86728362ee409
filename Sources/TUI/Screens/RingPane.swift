// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The origins' ring: exact shares of the shards as a ring of arcs, and what would become of them if origins were down.
///
/// Owners are chosen by rendezvous hashing, so that a share is not a range: the arcs say how much, not which.
enum RingPane {
    static func draw(_ scene: Scene, into frame: inout Frame, area: Rect) {
        guard area.height > 2, let ring = scene.picture.ring else { return }
        if let down = scene.view.components.whatIf {
            return whatIf(ring, down, scene, into: &frame, area: area)
        }
        let inner = frame.box(
            area,
            title: "Hash ring",
            trailing: "\(Units.count(RingPicture.shardCount)) shards",
            bottomTrailing: "R what if…"
        )
        let parts = inner.splitRight(min(legendWidth, inner.width))
        donut(ring, into: &frame, area: parts.rest.splitRight(1).rest)
        legend(ring, into: &frame, area: parts.right)
    }

    /// The ring in a corner of another pane.
    static func small(_ scene: Scene, into frame: inout Frame, area: Rect) {
        guard let ring = scene.picture.ring else { return }
        let parts = area.splitBottom(1)
        donut(ring, into: &frame, area: parts.rest)
        let shares = ring.members.prefix(4).map { share($0.shards) }.joined(separator: " ")
        frame.write(
            shares,
            x: area.x,
            y: parts.bottom.y,
            width: area.width,
            in: area,
            .hint,
            align: .centre
        )
    }

    /// `33.4%`, `—` where the shards were not counted.
    private static func share(_ shards: Int?, of total: Int = RingPicture.shardCount) -> String {
        guard let shards, total > 0 else { return Units.unknown }
        return Units.decimal(Double(shards) / Double(total) * 100, 1) + "%"
    }

    private static func legend(_ ring: RingPicture, into frame: inout Frame, area: Rect) {
        let notes =
            ownersNote(ring) + [
                "up to \(ring.replicasMax) owners", "arcs = shares,", "not ranges:", "shards are",
                "scattered",
            ]
        let room = max(1, area.height - 1 - notes.count)
        var y = area.y
        for (index, member) in ring.members.prefix(room).enumerated() {
            let glyph = member.isHealthy ? "●" : "▲"
            let role: Role = member.isHealthy ? .complete : .warning
            frame.write(glyph, x: area.x, y: y, in: area, role)
            // An owner has its place among the owners beside its light.
            if let place = ring.owners.firstIndex(of: index), place < 9 {
                frame.write("\(place + 1)", x: area.x + 1, y: y, in: area, .title)
            }
            let name = member.name.fitted(to: 6)
            let isOwner = ring.owners.contains(index)
            frame.write(name, x: area.x + 3, y: y, in: area, isOwner ? .title : .text)
            frame.write(
                share(member.shards),
                x: area.x + 9,
                y: y,
                width: 6,
                in: area,
                align: .trailing
            )
            y += 1
        }
        if ring.members.count > room {
            frame.write("+ \(ring.members.count - room) more", x: area.x + 2, y: y, in: area, .hint)
        }
        y += 1
        for note in notes where y < area.bottom {
            frame.write(note, x: area.x, y: y, in: area, .hint)
            y += 1
        }
    }

    /// `9f3c → o1 o0`: whose the selected blob is, the first owner first.
    static func ownersText(_ ring: RingPicture) -> String? {
        guard let blob = ring.owned, !ring.owners.isEmpty else { return nil }
        let names = ring.owners.filter(ring.members.indices.contains)
            .map { ring.members[$0].name }
        return "\(Scene.short(blob, 4)) → \(names.joined(separator: " "))"
    }

    private static func ownersNote(_ ring: RingPicture) -> [String] {
        ownersText(ring).map { [$0.fitted(to: legendWidth - 1), ""] } ?? []
    }

    private static let legendWidth = 16

    // MARK: - The ring of arcs

    /// Draws the members' shares as arcs, with the gap between two arcs where a share ends.
    private static func donut(_ ring: RingPicture, into frame: inout Frame, area: Rect) {
        let counted = ring.members.map { Double(max(0, $0.shards ?? 0)) }
        let total = counted.reduce(0, +)
        guard total > 0 else {
            return PaneParts.remark("shares not counted yet", into: &frame, area: area)
        }
        // A dot is about as wide as high.
        let diameter = min(area.width * 2, area.height * 4)
        guard diameter >= 12 else { return }
        let size = Size(width: (diameter + 1) / 2, height: (diameter + 3) / 4)
        var plane = DotPlane(size: size)
        let ends = cumulated(counted, total)
        let centre = Double(diameter - 1) / 2
        let (outer, inner) = (Double(diameter) / 2, Double(diameter) * 0.3)
        let hasGaps = counted.count { $0 > 0 } > 1
        for y in 0..<diameter {
            for x in 0..<diameter {
                let (dx, dy) = (Double(x) - centre, Double(y) - centre)
                let radius = (dx * dx + dy * dy).squareRoot()
                guard radius <= outer, radius >= inner else { continue }
                // Clockwise from the top, in turns.
                let turn = atan2(dx, -dy) / (2 * .pi)
                let place = turn < 0 ? turn + 1 : turn
                guard let index = ends.firstIndex(where: { place < $0 }) else { continue }
                let start = index == 0 ? 0 : ends[index - 1]
                // A dot and a half of gap, whatever the radius.
                let gap = 0.75 / (2 * .pi * max(1, radius))
                if hasGaps, min(place - start, ends[index] - place) < gap { continue }
                let isHealthy = ring.members[index].isHealthy
                if !isHealthy, (x + y) % 2 == 1 { continue }
                plane.set(x: x, y: y, isHealthy ? .origin : .warning)
            }
        }
        let origin = Point(
            x: area.x + (area.width - size.width) / 2,
            y: area.y + (area.height - size.height) / 2
        )
        frame.draw(plane, at: origin, in: area)
        labels(ring, ends, diameter, at: origin, into: &frame, area: area)
    }

    /// Where each share ends, in turns; the last at 1 or beyond, whatever rounding does.
    private static func cumulated(_ counts: [Double], _ total: Double) -> [Double] {
        var sum = 0.0
        return counts.enumerated().map { index, count in
            sum += count
            return index == counts.count - 1 ? 1.5 : sum / total
        }
    }

    /// Names beside the middle of their arcs, inside the ring, as far as there is room for them.
    private static func labels(
        _ ring: RingPicture,
        _ ends: [Double],
        _ diameter: Int,
        at origin: Point,
        into frame: inout Frame,
        area: Rect
    ) {
        let width = ring.members.map(\.name.unicodeScalars.count).max() ?? 0
        // The hole is about a third of the diameter wide.
        guard ring.members.count <= 4, width <= diameter / 8, diameter >= 24 else { return }
        let centre = Double(diameter - 1) / 2
        for (index, member) in ring.members.enumerated() where (member.shards ?? 0) > 0 {
            let start = index == 0 ? 0 : ends[index - 1]
            let middle = (start + min(1, ends[index])) * .pi
            let radius = Double(diameter) * 0.19
            let x = Int((centre + sin(middle) * radius) / 2 - Double(width) / 2 + 0.5)
            let y = Int((centre - cos(middle) * radius) / 4)
            let isOwner = ring.owners.contains(index)
            frame.write(
                member.name,
                x: origin.x + x,
                y: origin.y + y,
                in: area,
                member.isHealthy ? isOwner ? .title : .text : .warning,
                isOwner ? .bold : []
            )
        }
    }

    // MARK: - What if

    /// Shares if `down` were: exact where it is known who comes after whom, or else as if those of the rest grew in proportion.
    static func shares(_ ring: RingPicture, without down: [Bool]) -> [Double?] {
        if let outcome = outcome(ring, without: down) {
            return zip(outcome.shards, down).map { shards, isDown in
                isDown ? nil : Double(shards) / Double(RingPicture.shardCount)
            }
        }
        let left = zip(ring.members, down).reduce(0.0) { sum, pair in
            sum + (pair.1 ? 0 : Double(max(0, pair.0.shards ?? 0)))
        }
        return zip(ring.members, down).map { member, isDown in
            guard !isDown, let shards = member.shards, left > 0 else { return nil }
            return Double(max(0, shards)) / left
        }
    }

    private static func outcome(_ ring: RingPicture, without down: [Bool]) -> RingRankings.Outcome?
    {
        ring.rankings?.outcome(without: down, replicasMax: ring.replicasMax)
    }

    private static func whatIf(
        _ ring: RingPicture,
        _ names: Set<String>,
        _ scene: Scene,
        into frame: inout Frame,
        area: Rect
    ) {
        let inner = frame.box(
            area,
            title: "What if these went down",
            trailing: ring.rankings == nil ? "estimate" : "exact",
            bottomTrailing: "R ends it",
            isFocused: scene.view.components.pane == .whatIf
        )
        let down = ring.members.map { names.contains($0.name) }
        let after = shares(ring, without: down)
        let room = max(1, inner.height - 4)
        let member = Lists.selectedMember(scene)
        let selected = ring.members.firstIndex { $0 == member }
        let shown = Table.window(count: ring.members.count, selected: selected, height: room)
        for (line, index) in shown.enumerated() {
            let row = inner.splitTop(line + 1).top.splitBottom(1).bottom
            memberRow(ring.members[index], down[index], after[index], into: &frame, row)
            if index == selected {
                frame.write("▶", x: row.x, y: row.y, in: row, .title)
                if scene.view.components.pane == .whatIf { frame.mark(row, .reverse) }
            }
            frame.addHit(row, .select(.component(ring.members[index].name)))
        }
        conclusions(ring, down, into: &frame, area: inner.splitTop(shown.count).rest)
    }

    private static func memberRow(
        _ member: RingPicture.Member,
        _ isDown: Bool,
        _ after: Double?,
        into frame: inout Frame,
        _ row: Rect
    ) {
        let text = after.map { Units.decimal($0 * 100, 1) + "%" } ?? Units.unknown
        var x = frame.write(
            isDown ? "[✕] " : "[ ] ",
            x: row.x + 2,
            y: row.y,
            in: row,
            isDown ? .down : .hint
        )
        x = frame.write(member.name, x: x, y: row.y, width: 6, in: row, isDown ? .down : .text)
        x = frame.write(share(member.shards), x: x, y: row.y, width: 7, in: row, align: .trailing)
        x = frame.write(" → ", x: x, y: row.y, in: row, .hint)
        x = frame.write(
            text,
            x: x,
            y: row.y,
            width: 6,
            in: row,
            isDown ? .hint : .title,
            align: .trailing
        )
        frame.write(
            "  " + Graph.horizontal(after ?? 0, width: 10),
            x: x,
            y: row.y,
            in: row,
            .origin
        )
    }

    private static func conclusions(
        _ ring: RingPicture,
        _ down: [Bool],
        into frame: inout Frame,
        area: Rect
    ) {
        let gone = zip(ring.members, down).filter(\.1).map(\.0)
        let exact = outcome(ring, without: down)
        let moved = exact?.movedCount ?? PaneParts.sum(gone.map { max(0, $0.shards ?? 0) })
        var lines: [(String, Role)] = []
        if gone.isEmpty {
            lines.append(("tick an origin: ↵ on it", .hint))
        } else if gone.count >= ring.members.count {
            lines.append(("no origin would be left", .down))
        } else if exact == nil, gone.contains(where: { $0.shards == nil }) {
            lines.append(("shares not counted yet", .hint))
        } else {
            lines.append(("\(Units.count(moved)) shards (\(share(moved))) would move", .warning))
            if let exact, exact.lostCount > 0 {
                let lost = "\(Units.count(exact.lostCount)) shards (\(share(exact.lostCount)))"
                lines.append(("\(lost) would have no owner left", .down))
            } else if exact == nil, gone.count >= ring.replicasMax {
                let owners = "\(ring.replicasMax) owners"
                lines.append(
                    ("blobs whose \(owners) all are among these would be out of reach", .down)
                )
            }
        }
        if exact == nil {
            let note =
                "An estimate: the rest grows in proportion, as rendezvous hashing does on average."
            lines.append((note, .hint))
        }
        var y = area.y + (area.height > lines.count + 2 ? 1 : 0)
        for (text, role) in lines {
            for line in PaneParts.wrapped(text, width: area.width - 3) where y < area.bottom {
                frame.write(line, x: area.x + 2, y: y, in: area, role)
                y += 1
            }
        }
    }
}
