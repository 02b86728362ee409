// SPDX-License-Identifier: Apache-2.0

import Content

/// What is said in words beside and below the canvas.
extension SwarmDrawing {
    private static let blobHeight = 11
    private static let legendHeight = 6
    /// Below this a table of connections says too little to be worth a pane of its own.
    private static let peerHeightMin = 10

    func drawPanes(into frame: inout Frame, area: Rect) {
        var rest = area
        if area.height >= Self.blobHeight + Self.peerHeightMin {
            let (top, below) = rest.splitTop(Self.blobHeight)
            drawBlob(into: &frame, area: top)
            rest = below
        }
        if rest.height >= Self.legendHeight + Self.peerHeightMin {
            let (above, bottom) = rest.splitBottom(Self.legendHeight)
            drawLegend(into: &frame, area: bottom)
            rest = above
        }
        drawPeerPane(into: &frame, area: rest)
    }

    private func drawBlob(into frame: inout Frame, area: Rect) {
        let inner = frame.box(area, title: "Blob")
        let facts = SwarmFacts(swarm, scene.picture)
        let least = swarm.copies.indices.min { swarm.copies[$0] < swarm.copies[$1] }
        let share = scene.picture.totals.agentShare
        let down = facts.downCount > 0 ? ", \(facts.downCount) down" : ""
        let active = swarm.connections.count
        let lines: [(String, String)] = [
            ("image", swarm.label.isEmpty ? Units.unknown : swarm.label),
            ("size", Units.bytes(Double(swarm.blobBytes))),
            (
                "pieces",
                "\(Units.count(swarm.pieceCount)) × \(Units.bytes(Double(swarm.pieceBytes)))"
            ),
            ("policy", swarm.policy),
            ("seeders", "\(plural(facts.originCount, "origin")) + \(facts.seederCount)"),
            ("leechers", "\(facts.leecherCount)\(down)"),
            ("conns", facts.connectionsMax.map { "\(active) of \($0 / 2)" } ?? "\(active)"),
            ("copies", copiesText + (least.map { "  min #\($0)" } ?? "")),
            ("P2P", share.map { "\(Units.percent($0)) of bytes" } ?? Units.unknown),
        ]
        for (row, line) in lines.enumerated() where row < inner.height {
            let y = inner.y + row
            frame.write(line.0, x: inner.x + 1, y: y, in: inner, .hint)
            let x = inner.x + 11
            frame.write(line.1.fittedInMiddle(to: inner.right - x), x: x, y: y, in: inner)
        }
    }

    private var copiesText: String {
        swarm.copies.isEmpty ? Units.unknown : Units.decimal(swarm.distributedCopies, 2)
    }

    private func plural(_ count: Int, _ noun: String) -> String {
        "\(count) \(noun)\(count == 1 ? "" : "s")"
    }

    private func drawLegend(into frame: inout Frame, area: Rect) {
        let inner = frame.box(area, title: "Edges")
        let lines: [(String, Role, Cell.Flags, String)] = [
            ("━", .origin, [], "origin → agent"),
            ("━", .agentEdge, [], "agent → agent"),
            ("━", .agentEdge, .dim, "below 1/8 of the best"),
            ("┄", .hint, .dim, "connected, idle"),
        ]
        for (row, line) in lines.enumerated() where row < inner.height {
            let y = inner.y + row
            frame.write(line.0, x: inner.x + 1, y: y, in: inner, line.1, line.2)
            frame.write(line.3, x: inner.x + 3, y: y, in: inner, .hint)
        }
    }

    // MARK: - The selected peer

    private func drawPeerPane(into frame: inout Frame, area: Rect) {
        guard let selected else {
            frame.box(area, title: "Peer")
            return
        }
        let peer = swarm.peers[selected]
        let inner = frame.box(area, title: "Peer \(peer.name)")
        var rows = inner
        func line(_ text: String, _ role: Role = .text) {
            guard rows.height > 0 else { return }
            frame.write(text.fitted(to: inner.width - 2), x: rows.x + 1, y: rows.y, in: inner, role)
            rows = rows.splitTop(1).rest
        }
        let address = peer.address.map { "p2p \($0)" } ?? "address not known"
        let age = peer.ageSeconds.isFinite ? "up \(Units.duration(peer.ageSeconds))" : ""
        line(spread(address, age, inner.width - 2), .hint)
        if rows.height > 0 {
            let strip = rows.splitTop(1)
            let bar = Rect(x: strip.top.x + 1, y: strip.top.y, width: inner.width - 2, height: 1)
            PieceStrip(swarm, peer: selected).draw(into: &frame, area: bar)
            rows = strip.rest
        }
        let held = "\(peer.bits.heldCount)/\(peer.bits.pieceCount)"
        line("\(Units.percent(peer.done))  \(held)\(eta(of: peer))")
        line("↓ \(Units.rate(peer.downloadRate))   ↑ \(Units.rate(peer.uploadRate))")
        let most = peer.connectionsMax.map { "/\($0)" } ?? ""
        line("conns \(peer.connectionCount)\(most)")
        if !peer.bans.isEmpty {
            let why = peer.bans.count == 1 ? ": " + ReasonWords.plain(peer.bans[0].reason) : ""
            line("refuses \(peer.bans.map(\.name).joined(separator: " "))\(why)", .warning)
        }
        if peer.isDown { line("✕ down", .down) }
        drawConnections(of: selected, into: &frame, area: rows)
    }

    /// Two texts at both ends of a line, the second only where it fits.
    private func spread(_ left: String, _ right: String, _ width: Int) -> String {
        let room = width - left.unicodeScalars.count - right.unicodeScalars.count
        return room < 2 ? left : left + String(repeating: " ", count: min(3, room)) + right
    }

    private func eta(of peer: PeerRow) -> String {
        let rate = peer.downloadRate.orZero
        guard rate > 0, !peer.isComplete, swarm.pieceBytes > 0 else { return "" }
        let missing = Double(peer.bits.missingCount) * Double(swarm.pieceBytes)
        return "   ETA \(Units.duration(missing / rate))"
    }

    private func drawConnections(of selected: Int, into frame: inout Frame, area: Rect) {
        guard area.height > 1 else { return }
        frame.write("PEER  IN    OUT   IN FLIGHT", x: area.x + 1, y: area.y, in: area, .hint)
        let rows = PeerConnection.all(of: selected, in: swarm)
        var y = area.y + 1
        for row in rows.active where y < area.bottom {
            let x = area.x + 1
            let role: Role = row.isOrigin ? .origin : .text
            frame.write(row.name, x: x, y: y, width: 5, in: area, role)
            frame.write(row.rate(row.rateIn), x: x + 5, y: y, width: 4, in: area, align: .trailing)
            frame.write(
                row.rate(row.rateOut),
                x: x + 10,
                y: y,
                width: 5,
                in: area,
                align: .trailing
            )
            let rest = area.right - x - 18
            frame.write(row.inFlight.fitted(to: rest), x: x + 18, y: y, in: area)
            let whole = Rect(x: area.x, y: y, width: area.width, height: 1)
            frame.addHit(whole, .select(.peer(row.name)))
            y += 1
        }
        for (reason, names) in rows.idle where y < area.bottom {
            let text = names.joined(separator: " ").fitted(to: 16)
            frame.write(text, x: area.x + 1, y: y, in: area, .hint)
            frame.write(reason, x: area.x + 19, y: y, in: area, .hint)
            y += 1
        }
    }

    // MARK: - Below the canvas

    func drawStatus(into frame: inout Frame, area: Rect) {
        guard area.height > 0 else { return }
        var text: [(String, Role)] = []
        if let selected {
            let peer = swarm.peers[selected]
            let most = peer.connectionsMax.map { "/\($0)" } ?? ""
            text.append(("[\(peer.name)]", .title))
            text.append((" \(Units.percent(peer.done))", .text))
            let (down, up) = (Units.short(peer.downloadRate), Units.short(peer.uploadRate))
            text.append(("  ↓\(down) ↑\(up)", .text))
            text.append(("  \(peer.connectionCount)\(most) conns", .text))
            let flight = PeerConnection.inFlightText(of: selected, in: swarm)
            if peer.isDown {
                text.append(("   ✕ down", .down))
            } else if !flight.isEmpty {
                text.append(("   in flight: \(flight)", .text))
            }
        } else {
            text.append(("no peer", .hint))
        }
        write(text, y: area.y, in: area, into: &frame)
        guard area.height > 1 else { return }
        var legend: [(String, Role)] = []
        if !waitingText.isEmpty { legend.append(("\(waitingText)   ", .warning)) }
        legend.append(("● done ", .complete))
        legend.append(("◕◑◔○ part ", .part(0.6)))
        legend.append(("◆ origin ", .origin))
        legend.append(("✕ down", .down))
        if mode == .top { legend.append(("   tail → supplier", .hint)) }
        legend.append(("   \(edges.movingCount) active, \(edges.full.count) in full", .hint))
        write(legend, y: area.y + 1, in: area, into: &frame)
    }

    /// Writes `parts` one after the other; the last one is cut where it does not fit.
    private func write(_ parts: [(String, Role)], y: Int, in area: Rect, into frame: inout Frame) {
        var x = area.x + 1
        for (text, role) in parts {
            x = frame.write(text.fitted(to: area.right - x), x: x, y: y, in: area, role)
        }
    }
}

/// One connection as the selected peer sees it.
struct PeerConnection {
    var name: String
    var isOrigin: Bool
    var rateIn: Double
    var rateOut: Double
    /// What each asked of the other.
    var asked: [Int]
    var askedOfUs: [Int]

    var inFlight: String {
        let own = asked.map { "#\($0)" }.joined(separator: " ")
        let other =
            askedOfUs.isEmpty ? "" : "◂ " + askedOfUs.map { "#\($0)" }.joined(separator: " ")
        return own.isEmpty || other.isEmpty ? own + other : own + " " + other
    }

    func rate(_ value: Double) -> String { value.orZero > 0 ? Units.short(value) : "·" }

    /// Those over which something happens, the fastest first, and the names of the rest by what holds them up.
    static func all(
        of selected: Int,
        in swarm: SwarmPicture
    ) -> (active: [PeerConnection], idle: [(reason: String, names: [String])]) {
        var active: [PeerConnection] = []
        var idle: [(reason: String, names: [String])] = []
        let own = swarm.peers[selected]
        for row in swarm.connections where row.first == selected || row.second == selected {
            let isFirst = row.first == selected
            let other = isFirst ? row.second : row.first
            guard swarm.peers.indices.contains(other), other != selected else { continue }
            let peer = swarm.peers[other]
            let connection = PeerConnection(
                name: peer.name,
                isOrigin: peer.isOrigin,
                rateIn: (isFirst ? row.backwardRate : row.forwardRate).orZero,
                rateOut: (isFirst ? row.forwardRate : row.backwardRate).orZero,
                asked: isFirst ? row.askedOfSecond : row.askedOfFirst,
                askedOfUs: isFirst ? row.askedOfFirst : row.askedOfSecond
            )
            let isBusy = connection.rateIn > 0 || connection.rateOut > 0
            if isBusy || !connection.asked.isEmpty || !connection.askedOfUs.isEmpty {
                active.append(connection)
                continue
            }
            let reason = reason(own, peer)
            if let index = idle.firstIndex(where: { $0.reason == reason }) {
                idle[index].names.append(peer.name)
            } else {
                idle.append((reason, [peer.name]))
            }
        }
        active.sort { left, right in
            (right.rateIn, right.rateOut, left.name) < (left.rateIn, left.rateOut, right.name)
        }
        return (active, idle)
    }

    /// Why nothing flows, as far as what both hold tells.
    private static func reason(_ own: PeerRow, _ other: PeerRow) -> String {
        if own.isComplete { return other.isComplete ? "both done" : "idle" }
        if other.isComplete { return "seed, idle" }
        let common = own.bits.intersection(other.bits).heldCount
        return common == other.bits.heldCount ? "nothing new" : "idle"
    }

    /// `#12 #31 from a07, #7 from o1`.
    static func inFlightText(of selected: Int, in swarm: SwarmPicture) -> String {
        all(of: selected, in: swarm).active.filter { !$0.asked.isEmpty }
            .map { "\($0.asked.map { "#\($0)" }.joined(separator: " ")) from \($0.name)" }
            .joined(separator: ", ")
    }
}
