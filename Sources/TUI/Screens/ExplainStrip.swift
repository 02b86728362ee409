// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry

/// The moment in single lines, for screens without room for a pane.
enum ExplainStrip {
    // MARK: - Who and what

    /// ` ◔a04 ━━━━ #37 4 MiB ━━━▶ [◔a05]   slots ■■□ 2/3   timeout 16 s   endgame no`
    static func actors(
        _ scene: Scene,
        _ story: ExplainStory,
        into frame: inout Frame,
        row: Rect
    ) {
        guard let swarm = scene.picture.swarm, let cast = story.cast(in: swarm) else {
            guard scene.picture.swarm != nil else { return }
            frame.write("no peer of this swarm takes part", x: row.x + 1, y: row.y, in: row, .hint)
            return
        }
        let facts = ExplainFacts(scene, story, swarm, cast)
        var x = row.x + 1
        if let other = cast.other {
            let (from, to) = cast.isSending ? (cast.own, other) : (other, cast.own)
            x = node(swarm, from, cast, x: x, into: &frame, row: row)
            let line = String(repeating: facts.stroke, count: row.width >= 72 ? 4 : 2)
            x = frame.write(" \(line) ", x: x, y: row.y, in: row, facts.role)
            x = frame.write(facts.label, x: x, y: row.y, in: row, .title)
            let arrow = facts.isFlow ? "▶" : String(facts.stroke)
            x = frame.write(" \(line.dropLast())\(arrow) ", x: x, y: row.y, in: row, facts.role)
            x = node(swarm, to, cast, x: x, into: &frame, row: row)
        } else {
            x = node(swarm, cast.own, cast, x: x, into: &frame, row: row)
            if story.current != nil { x = frame.write(" \(facts.label)", x: x, y: row.y, in: row) }
        }
        for (name, value) in facts.short {
            let length = name.unicodeScalars.count + 1 + value.unicodeScalars.count
            guard x + 3 + length <= row.right else { return }
            x = frame.write(name + " ", x: x + 3, y: row.y, in: row, .hint)
            x = frame.write(value, x: x, y: row.y, in: row)
        }
    }

    /// A peer, in brackets when it is the one that is told of.
    private static func node(
        _ swarm: SwarmPicture,
        _ index: Int,
        _ cast: ExplainStory.Cast,
        x: Int,
        into frame: inout Frame,
        row: Rect
    ) -> Int {
        let peer = swarm.peers[index]
        let isOwn = index == cast.own
        let text = "\(ExplainFacts.glyph(peer))\(peer.name)"
        let end = frame.write(
            isOwn ? "[\(text)]" : text,
            x: x,
            y: row.y,
            in: row,
            ExplainFacts.role(peer)
        )
        let area = Rect(x: x, y: row.y, width: end - x, height: 1)
        if isOwn { frame.mark(area, .reverse) }
        frame.addHit(area, .select(.peer(peer.name)))
        return end
    }

    // MARK: - Holders

    /// ` holders #37: o0 o1 o2 a00 a01     copies 10`
    static func holders(
        _ scene: Scene,
        _ story: ExplainStory,
        into frame: inout Frame,
        row: Rect
    ) {
        guard let swarm = scene.picture.swarm, let cast = story.cast(in: swarm) else { return }
        let list = ExplainFacts.list(swarm, cast)
        let tail = "\(list.countName) \(list.names.count)"
        let room = row.width - list.title.count - tail.count - 6
        var x = frame.write(list.title, x: row.x + 1, y: row.y, in: row, .hint)
        let names = ExplainFacts.fitted(list.names, width: room)
        x = frame.write(" " + names, x: x, y: row.y, in: row)
        frame.write("   " + tail, x: x, y: row.y, in: row, .hint)
    }

    // MARK: - Pieces

    /// ` a05 ··███·▒█  a04 █···███▒`
    static func bits(
        _ scene: Scene,
        _ story: ExplainStory,
        into frame: inout Frame,
        row: Rect
    ) {
        guard let swarm = scene.picture.swarm, let cast = story.cast(in: swarm) else { return }
        let peers = [cast.own] + (cast.other.map { [$0] } ?? [])
        let room = (row.width - 1) / peers.count
        for (place, index) in peers.enumerated() {
            let peer = swarm.peers[index]
            let start = row.x + 1 + place * room
            let x = frame.write(peer.name, x: start, y: row.y, in: row, ExplainFacts.role(peer)) + 1
            let area = Rect(x: x, y: row.y, width: min(row.right, start + room - 1) - x, height: 1)
            PieceStrip(swarm, peer: index).draw(into: &frame, area: area, marked: cast.piece)
        }
    }
}
