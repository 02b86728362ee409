// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry

/// The pane that shows the two peers of the current event and what is around them.
enum ExplainMoment {
    /// Rows of text below the small swarm.
    private static let factRows = 12
    private static let swarmRowsMin = 6
    private static let labelColumns = 13

    static func draw(
        _ scene: Scene,
        _ story: ExplainStory,
        into frame: inout Frame,
        area: Rect
    ) {
        let inside = frame.box(area, title: "This moment")
        guard !inside.isEmpty else { return }
        guard let swarm = scene.picture.swarm, let cast = story.cast(in: swarm) else {
            let text =
                scene.picture.swarm == nil
                ? "no swarm is looked at" : "no peer of this swarm takes part"
            frame.write(text, x: inside.x + 1, y: inside.y, in: inside, .hint)
            return
        }
        let facts = ExplainFacts(scene, story, swarm, cast)
        var rest = inside
        if inside.height >= factRows + swarmRowsMin {
            let parts = inside.splitTop(inside.height - factRows)
            ExplainSwarm(swarm, cast, facts).draw(into: &frame, area: parts.top)
            rest = parts.rest
        }
        drawFacts(scene, swarm, cast, facts, into: &frame, area: rest)
    }

    private static func drawFacts(
        _ scene: Scene,
        _ swarm: SwarmPicture,
        _ cast: ExplainStory.Cast,
        _ facts: ExplainFacts,
        into frame: inout Frame,
        area: Rect
    ) {
        var y = area.y
        func name(_ text: String) {
            frame.write(text, x: area.x + 1, y: y, width: labelColumns - 1, in: area, .hint)
        }
        let x = area.x + 1 + labelColumns
        let width = area.right - 1 - x
        let list = ExplainFacts.list(swarm, cast)
        name(list.title)
        let rows = ExplainFacts.fitted(list.names, width: width * 2 - 8).wrappedWords(to: width)
        for row in 0..<2 {
            if row < rows.count { frame.write(rows[row], x: x, y: y, in: area) }
            y += 1
        }
        for index in [cast.own] + (cast.other.map { [$0] } ?? []) {
            name("\(swarm.peers[index].name) has")
            let strip = PieceStrip(swarm, peer: index)
            strip.draw(
                into: &frame,
                area: Rect(x: x, y: y, width: y < area.bottom ? width : 0, height: 1),
                marked: cast.piece
            )
            y += 1
        }
        if !swarm.copies.isEmpty {
            name("copies")
            copies(swarm, into: &frame, area: Rect(x: x, y: y, width: width, height: 1), area)
            y += 1
            pointer(
                swarm,
                cast,
                into: &frame,
                area: Rect(x: x, y: y, width: width, height: 1),
                area
            )
            y += 1
        }
        y += 1
        for (title, value) in lines(scene, swarm, cast, facts) {
            name(title)
            frame.write(value, x: x, y: y, width: width, in: area)
            y += 1
        }
    }

    /// What is left to say, as names and values.
    private static func lines(
        _ scene: Scene,
        _ swarm: SwarmPicture,
        _ cast: ExplainStory.Cast,
        _ facts: ExplainFacts
    ) -> [(String, String)] {
        let own = swarm.peers[cast.own]
        var lines: [(String, String)] = []
        if let slots = facts.slots {
            lines.append(("slots", slots + (facts.timeout.map { "    timeout \($0)" } ?? "")))
        }
        lines.append(("endgame", facts.endgame))
        let (down, up) = (Units.rate(own.downloadRate), Units.rate(own.uploadRate))
        lines.append(("\(own.name) rates", "↓ \(down)  ↑ \(up)"))
        if let share = scene.picture.totals.agentShare {
            lines.append(("P2P", "\(Units.percent(share)) of all bytes"))
        }
        return lines
    }

    // MARK: - Copies

    private static func copies(
        _ swarm: SwarmPicture,
        into frame: inout Frame,
        area: Rect,
        _ clip: Rect
    ) {
        guard area.y < clip.bottom else { return }
        let most = Double(max(1, swarm.peers.count))
        for column in 0..<area.width {
            let run = PieceStrip.pieces(
                at: column,
                width: area.width,
                pieceCount: swarm.copies.count
            )
            guard !run.isEmpty else { return }
            let sum = run.reduce(0) { $0 + Int(swarm.copies[$1]) }
            let share = Double(sum) / Double(run.count) / most
            frame[area.x + column, area.y] = Cell(Graph.bar(share), .part(share))
        }
    }

    /// `▲ #37`, under the piece.
    private static func pointer(
        _ swarm: SwarmPicture,
        _ cast: ExplainStory.Cast,
        into frame: inout Frame,
        area: Rect,
        _ clip: Rect
    ) {
        guard let piece = cast.piece,
            let column = PieceStrip.column(
                of: piece,
                width: area.width,
                pieceCount: swarm.pieceCount
            )
        else { return }
        let count = swarm.copies.indices.contains(piece) ? " ×\(swarm.copies[piece])" : ""
        let text = "#\(piece)\(count)"
        let x = area.x + column
        frame.write("▲", x: x, y: area.y, in: clip, .title)
        let isRight = x + 2 + text.count <= area.right
        frame.write(
            text,
            x: isRight ? x + 2 : x - 1 - text.count,
            y: area.y,
            in: clip,
            .title
        )
    }
}
