// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// Draws one swarm with its layout.
struct SwarmDrawing {
    let scene: Scene
    let swarm: SwarmPicture
    let layout: RadialLayout
    let parts: SwarmScreen.Parts
    /// The position of the selected peer.
    let selected: Int?
    /// Where each peer stands in the frame.
    let places: [Point?]
    /// Which of the edges are drawn.
    let mode: SwarmState.Edges
    let edges: SwarmEdges

    /// So many cells of canvas bear one whole line.
    private static let cellsPerLine = 220
    /// Dots of a tail.
    private static let tailLength = 5

    init(
        _ scene: Scene,
        _ swarm: SwarmPicture,
        _ layout: RadialLayout,
        _ parts: SwarmScreen.Parts
    ) {
        (self.scene, self.swarm, self.layout, self.parts) = (scene, swarm, layout, parts)
        let selected = SwarmScreen.selectedIndex(scene)
        self.selected = selected
        places = swarm.peers.map { peer in
            layout.place(of: peer.peerID).map {
                Point(x: parts.canvas.x + $0.x, y: parts.canvas.y + $0.y)
            }
        }
        // Without dots the selected peer's edges are all that can be told apart.
        let wanted = scene.view.swarm.edges
        mode = scene.view.glyphs == .ascii && wanted != .none ? .selected : wanted
        let cells = parts.canvas.width * parts.canvas.height
        edges = SwarmEdges(
            swarm,
            selected: selected,
            mode: mode,
            budget: max(1, (cells + Self.cellsPerLine / 2) / Self.cellsPerLine),
            at: scene.picture.takenAt
        )
    }

    func draw(into frame: inout Frame) {
        if let box = parts.box { drawBox(box, into: &frame) }
        if scene.view.glyphs == .ascii {
            drawPlainEdges(into: &frame)
        } else {
            drawEdges(into: &frame)
        }
        drawNodes(into: &frame)
        if swarm.peers.isEmpty {
            frame.write(
                "Nobody is in this swarm yet. P pulls the blob.",
                x: parts.canvas.x,
                y: parts.canvas.y + parts.canvas.height / 2,
                width: parts.canvas.width,
                in: parts.canvas,
                .hint,
                align: .centre
            )
        }
        if let side = parts.side { drawPanes(into: &frame, area: side) }
        if let status = parts.status { drawStatus(into: &frame, area: status) }
    }

    private func drawBox(_ box: Rect, into frame: inout Frame) {
        var rest = ""
        switch mode {
        case .top: rest = " · rest as tails"
        case .all, .selected: break
        case .none: rest = " · edges hidden"
        }
        let shape = layout.hasLabels ? "rings" : "dots"
        let drawn = mode == .none ? "" : " · \(fullCountText)"
        frame.box(
            box,
            title: "Swarm",
            trailing: shape + drawn + rest,
            bottom: bottomText(room: box.width - 50),
            bottomTrailing: "peer ● done ◕◑◔○ part  ◆ origin  ✕ down"
        )
    }

    private var fullCountText: String {
        let count = edges.full.count
        return "\(count) full edge\(count == 1 ? "" : "s") of \(edges.movingCount)"
    }

    /// What is said of the layout itself: those who wait first, as they are news.
    private func bottomText(room: Int) -> String {
        let waiting = waitingText
        let seed = Scene.short(swarm.digest)
        let text = waiting.isEmpty ? "\(layout.slotCount) slots · seed \(seed)" : waiting
        return text.fitted(to: room)
    }

    /// `joining: a23 a24`, and how many found no slot.
    var waitingText: String {
        var parts: [String] = []
        if !layout.joining.isEmpty {
            parts.append("joining: \(layout.joining.prefix(8).joined(separator: " "))")
        }
        if !layout.unplaced.isEmpty { parts.append("+\(layout.unplaced.count) without a slot") }
        return parts.joined(separator: " · ")
    }

    // MARK: - Edges

    private func role(of edge: SwarmEdge) -> Role {
        swarm.peers[edge.supplier].isOrigin ? .origin : .agentEdge
    }

    private func drawEdges(into frame: inout Frame) {
        var plane = EdgePlane(canvas: parts.canvas)
        for edge in edges.idle {
            guard let start = places[edge.supplier], let end = places[edge.receiver] else {
                continue
            }
            plane.dotted(from: start, to: end)
        }
        for edge in edges.tails {
            guard let start = places[edge.receiver], let end = places[edge.supplier] else {
                continue
            }
            plane.tail(
                from: start,
                to: end,
                width: 1 + label(of: edge.receiver).unicodeScalars.count,
                length: Self.tailLength,
                role(of: edge),
                rate: edge.rate,
                isSlow: edges.isDim(edge)
            )
        }
        for edge in edges.full {
            guard let start = places[edge.supplier], let end = places[edge.receiver] else {
                continue
            }
            plane.line(from: start, to: end, role(of: edge), edge, isDim: edges.isDim(edge))
        }
        plane.draw(into: &frame)
        for edge in edges.full where !edge.isFading { drawPulse(on: edge, into: &frame) }
    }

    /// Three bright cells that run from the supplier to the receiver: twelve cells in a second of the picture's time.
    private func drawPulse(on edge: SwarmEdge, into frame: inout Frame) {
        guard let start = places[edge.supplier], let end = places[edge.receiver] else { return }
        let cells = EdgePlane.cells(from: start, to: end)
        let gap = 6
        let phase = (edge.supplier % 997) * 7 + (edge.receiver % 997) * 13
        let milliseconds = scene.picture.takenAt.unixNanoseconds / 1_000_000 % 86_400_000
        let steps = Int(milliseconds) * 12 / 1000 + phase
        let head = abs(steps) % (cells.count + gap)
        for cell in max(0, head - 2)...head where cell < cells.count {
            let place = cells[cell]
            guard parts.canvas.contains(place),
                Braille.range.contains(frame[place.x, place.y].glyph)
            else { continue }
            frame[place.x, place.y].flags = .bold
        }
    }

    /// The edges of the selected peer without dots, by characters.
    private func drawPlainEdges(into frame: inout Frame) {
        let own = edges.full.filter { $0.supplier == selected || $0.receiver == selected }
        for edge in edges.idle + own.reversed() {
            guard let start = places[edge.supplier], let end = places[edge.receiver] else {
                continue
            }
            let cells = EdgePlane.cells(from: start, to: end)
            for (index, cell) in cells.enumerated() where parts.canvas.contains(cell) {
                let before = cells[max(0, index - 1)]
                let after = cells[min(cells.count - 1, index + 1)]
                let (dx, dy) = (after.x - before.x, after.y - before.y)
                let glyph: Unicode.Scalar =
                    dy == 0 ? "-" : dx == 0 ? "|" : (dx > 0) == (dy > 0) ? "\\" : "/"
                frame[cell.x, cell.y] =
                    edge.rate > 0 ? Cell(glyph, role(of: edge)) : Cell(".", .hint)
            }
        }
    }

    // MARK: - Nodes

    private func label(of index: Int) -> String {
        layout.hasLabels ? Self.label(swarm.peers[index].name) : ""
    }

    /// A name in at most four columns: `05` for `a05`, `o1` as it is.
    static func label(_ name: String) -> String {
        let scalars = name.unicodeScalars
        let digits = scalars.dropFirst()
        let isAgent =
            scalars.first == "a" && !digits.isEmpty && digits.allSatisfy { "0"..."9" ~= $0 }
        return (isAgent ? String(String.UnicodeScalarView(digits)) : name).fitted(to: 4)
    }

    private func drawNodes(into frame: inout Frame) {
        let banned = Set(selected.map { swarm.peers[$0].bans.map(\.name) } ?? [])
        for resident in layout.gone {
            let place = resident.place
            let text = layout.hasLabels ? Self.label(resident.name) : ""
            let at = Point(x: parts.canvas.x + place.x, y: parts.canvas.y + place.y)
            drawNode(Cell("✕", .down), text, .hint, at: at, into: &frame)
        }
        for index in swarm.peers.indices where index != selected {
            drawPeer(index, isBanned: banned.contains(swarm.peers[index].name), into: &frame)
        }
        guard let selected, let place = places[selected] else { return }
        drawPeer(selected, isBanned: false, into: &frame)
        let text = label(of: selected)
        let width = text.unicodeScalars.count + 1
        frame.write("[", x: place.x - 1, y: place.y, in: parts.canvas, .title)
        frame.write("]", x: place.x + width, y: place.y, in: parts.canvas, .title)
        let whole = Rect(x: place.x - 1, y: place.y, width: width + 2, height: 1)
        frame.mark(whole.intersection(parts.canvas), .reverse)
    }

    private func drawPeer(_ index: Int, isBanned: Bool, into frame: inout Frame) {
        guard let place = places[index] else { return }
        let peer = swarm.peers[index]
        let glyph: Cell
        if peer.isDown || isBanned {
            glyph = Cell("✕", .down)
        } else if peer.isOrigin {
            glyph = Cell("◆", .origin)
        } else {
            glyph = Cell(Glyph.part(peer.done), .part(peer.done))
        }
        let text = label(of: index)
        drawNode(glyph, text, peer.isDown ? .hint : .text, at: place, into: &frame)
        let width = max(3, text.unicodeScalars.count + 2)
        let area = Rect(x: place.x - 1, y: place.y, width: width, height: 1)
        frame.addHit(area.intersection(parts.canvas), .select(.peer(peer.name)))
    }

    private func drawNode(
        _ glyph: Cell,
        _ text: String,
        _ role: Role,
        at place: Point,
        into frame: inout Frame
    ) {
        guard parts.canvas.contains(place) else { return }
        frame[place.x, place.y] = glyph
        frame.write(text, x: place.x + 1, y: place.y, in: parts.canvas, role)
    }
}
