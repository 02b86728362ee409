// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry

/// How many copies there are of each piece, and what is under the cursor.
extension PieceMatrix {
    func drawCopies(into frame: inout Frame, area: Rect) {
        let facts = CopiesFacts(swarm.copies)
        let isRoomy = plan.legend == nil
        let distributed = Units.decimal(swarm.distributedCopies, 2)
        let spread = facts.map { facts -> String in
            let least = isRoomy ? "\(facts.least)" : "\(facts.least) (#\(facts.rarest))"
            let text = "min \(least) · median \(facts.median) · max \(facts.most)"
            return isRoomy ? "\(text) · distributed copies \(distributed)" : text
        }
        let inner = frame.box(
            area,
            title: isRoomy ? "Availability (copies per piece)" : "Availability",
            trailing: spread ?? "",
            bottom: isRoomy ? rarestText : ""
        )
        let barRows = isRoomy ? max(1, min(4, inner.height - 2)) : inner.height
        let (bars, rest) = inner.splitTop(barRows)
        if facts != nil {
            drawBars(into: &frame, area: bars, least: facts?.least ?? 0)
        } else {
            let text = "Copies are not counted in a swarm of this size."
            let y = bars.y + bars.height / 2
            frame.write(text, x: bars.x, y: y, width: bars.width, in: bars, .hint, align: .centre)
        }
        guard isRoomy, rest.height > 0 else { return }
        let marker = rest.splitTop(rest.height - 1)
        let place = columns.columns(of: position)
        if !place.isEmpty, marker.top.height > 0, place.lowerBound < cells.width {
            frame.write("▲", x: cells.x + place.lowerBound, y: marker.top.y, in: inner, .title)
        }
        drawLegend(into: &frame, area: marker.rest)
    }

    private var rarestText: String {
        guard !swarm.copies.isEmpty else { return "" }
        let list = PiecesScreen.rarest(5, of: swarm).map { "#\($0) (\(swarm.copies[$0]))" }
        return "rarest: " + list.joined(separator: "  ")
    }

    private func drawBars(into frame: inout Frame, area: Rect, least: Int) {
        guard area.height > 0, swarm.copies.count >= columns.pieceCount else { return }
        let scale = max(swarm.peers.count, 1)
        let label = "\(scale)".fitted(to: prefixWidth - 2)
        let width = prefixWidth - 1
        frame.write(label, x: area.x, y: area.y, width: width, in: area, .hint, align: .trailing)
        if area.height > 1 {
            let y = area.bottom - 1
            frame.write("0", x: area.x, y: y, width: width, in: area, .hint, align: .trailing)
        }
        for column in 0..<columns.count {
            let positions = columns.positions(column)
            guard !positions.isEmpty else { continue }
            var (sum, lowest) = (0, Int.max)
            for position in positions {
                let piece = order.map { $0[position] } ?? position
                let copies = Int(swarm.copies[piece])
                (sum, lowest) = (sum + copies, min(lowest, copies))
            }
            let share = Double(sum) / Double(positions.count) / Double(scale)
            let role: Role = lowest == least ? .warning : .part(share)
            drawBar(min(1, share), x: cells.x + column, role, into: &frame, area: area)
        }
    }

    private func drawBar(_ share: Double, x: Int, _ role: Role, into frame: inout Frame, area: Rect)
    {
        guard share > 0 else { return }
        let eighths = max(1, Int((share * Double(area.height * 8)).rounded()))
        for row in 0..<area.height where eighths > row * 8 {
            let glyph = Graph.bar(Double(min(8, eighths - row * 8)) / 8)
            frame[x, area.bottom - 1 - row] = Cell(glyph, role)
        }
    }

    // MARK: - The cursor in words

    func drawLegend(into frame: inout Frame, area: Rect) {
        guard area.height > 0 else { return }
        var parts: [(String, Role)] = []
        switch line {
        case .group:
            parts = [("█ all ", .complete), ("▓▒░ some ", .part(0.6)), ("· none", .hint)]
        case .pair:
            parts = [("▀▄ have ", .complete), ("▀▄ arriving ", .agentEdge), ("· missing", .hint)]
        case .peer where columns.isSingle:
            parts = [
                ("█ have ", .complete), (" ▒ arriving now ", .agentEdge), (" · missing", .hint),
            ]
        case .peer:
            parts = [("█ all ", .complete), ("▓▒░ some ", .part(0.6)), ("· none", .hint)]
        }
        var x = area.x + 1
        for (text, role) in parts { x = frame.write(text, x: x, y: area.y, in: area, role) }
        guard columns.pieceCount > 0 else { return }
        var text = "cursor \(cursorText)"
        if plan.legend != nil, let facts = CopiesFacts(swarm.copies) {
            text += "   r: rarest #\(facts.rarest)"
        }
        frame.write(text.fitted(to: area.right - x - 4), x: x + 3, y: area.y, in: area)
    }

    private var cursorText: String {
        if case .group(let count) = line { return groupText(count) }
        let holders = swarm.peers.filter { PieceCounter.holds($0.bits.words, piece) }.map(\.name)
        let names = holders.prefix(40).joined(separator: " ")
        let holderText =
            "\(Units.count(holders.count)) holder\(holders.count == 1 ? "" : "s"): \(names)"
        guard let selectedRow else { return "#\(piece): \(holderText)" }
        let selected = rows[selectedRow]
        let peer = swarm.peers[selected]
        let state: String
        if PieceCounter.holds(peer.bits.words, piece) {
            state = "held"
        } else if let supplier = supplier(of: piece, to: selected) {
            state = "asked of \(swarm.peers[supplier].name)\(askedText(by: peer))"
        } else {
            state = peer.arriving.contains(piece) ? "arriving" : "missing"
        }
        return "\(peer.name) #\(piece): \(state); \(holderText)"
    }

    private func groupText(_ count: Int) -> String {
        let bin = columns.columns(of: position)
        let positions = bin.isEmpty ? position..<position : columns.positions(bin.lowerBound)
        let last = max(positions.lowerBound, positions.upperBound - 1)
        let isOne = positions.lowerBound == last
        let name = order == nil ? "#" : "rank "
        let pieces =
            isOne ? "\(name)\(positions.lowerBound)" : "\(name)\(positions.lowerBound)–\(last)"
        let group = (selectedRow ?? 0) / count
        let members = min(rows.count, group * count)..<min(rows.count, (group + 1) * count)
        var held = 0
        for row in members {
            let words = swarm.peers[rows[row]].bits.words
            for position in positions {
                if PieceCounter.holds(words, order.map { $0[position] } ?? position) { held += 1 }
            }
        }
        let all = members.count * positions.count
        let share = Units.percent(all > 0 ? Double(held) / Double(all) : 0)
        return "\(members.lowerBound)–\(max(0, members.upperBound - 1)) × \(pieces): \(share)"
    }

    /// Of whom the peer at `receiver` has asked `piece`.
    private func supplier(of piece: Int, to receiver: Int) -> Int? {
        for row in swarm.connections {
            if row.second == receiver, row.askedOfFirst.contains(piece) {
                return swarm.peers.indices.contains(row.first) ? row.first : nil
            }
            if row.first == receiver, row.askedOfSecond.contains(piece) {
                return swarm.peers.indices.contains(row.second) ? row.second : nil
            }
        }
        return nil
    }

    /// How many of the latest events are looked through for a request.
    private static let eventsMax = 2000

    /// ` 22 ms ago`, where the event that tells it is still at hand.
    private func askedText(by peer: PeerRow) -> String {
        let events = scene.picture.events
        for event in events.suffix(Self.eventsMax).reversed()
        where event.kind == .requestPiece && event.piece == piece && event.localPeer == peer.peerID
        {
            guard event.torrent == nil || event.torrent == swarm.infoHash else { continue }
            let seconds = scene.picture.takenAt.seconds(since: event.timestamp)
            return seconds >= 0 ? " \(Units.duration(seconds)) ago" : ""
        }
        return ""
    }
}
