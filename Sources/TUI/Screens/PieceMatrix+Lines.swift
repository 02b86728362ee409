// SPDX-License-Identifier: Apache-2.0

import Content

/// The lines of the matrix and the ruler above them.
extension PieceMatrix {
    /// Columns between two numbers of the ruler at least.
    private static let rulerGap = 8

    func drawRuler(into frame: inout Frame) {
        guard plan.rulerRows > 0 else { return }
        let y = plan.inner.y
        frame.write("PEER", x: plan.inner.x + 1, y: y, in: plan.inner, .hint)
        drawTitles(y: y, into: &frame)
        guard order == nil else {
            frame.write("rarest →", x: cells.x, y: y, in: plan.inner, .hint)
            return
        }
        var step = 1
        for factor in Self.steps where step < factor {
            let span = factor * columns.columnsPerPiece / columns.piecesPerColumn
            step = factor
            if span >= Self.rulerGap { break }
        }
        var piece = (columns.first + step - 1) / step * step
        while piece < columns.pieceCount {
            let place = columns.columns(of: piece)
            guard !place.isEmpty else { break }
            let x = cells.x + place.lowerBound
            let room = Rect(x: cells.x, y: y, width: cells.width, height: 2)
            let text = "\(piece)"
            if x + text.count <= room.right { frame.write(text, x: x, y: y, in: room, .hint) }
            if plan.rulerRows > 1 { frame.write("┊", x: x, y: y + 1, in: room, .border) }
            piece += step
        }
    }

    /// 1, 2, 5, 10 …
    private static let steps: [Int] = (0..<7).flatMap { power in
        let base = (0..<power).reduce(1) { value, _ in value * 10 }
        return [base, base * 2, base * 5]
    }

    private func drawTitles(y: Int, into frame: inout Frame) {
        for (title, width, end) in suffixes(["HAVE", "RATE", "UP", "CONNS"]) {
            let x = end - width
            frame.write(title, x: x, y: y, width: width, in: plan.inner, .hint, align: .trailing)
        }
    }

    /// Texts of the columns at the right with their widths and where each ends.
    private func suffixes(_ texts: [String]) -> [(String, Int, Int)] {
        var end = cells.right
        let widths = scene.width >= .widest ? [6, 7, 7, 7] : scene.width >= .wide ? [6, 7] : [5]
        return zip(texts, widths).map { text, width in
            end += width
            return (text, width, end)
        }
    }

    func drawLines(into frame: inout Frame) {
        let counter = PieceCounter(columns: columns, order: order)
        var counts = LineCounts(binCount: counter.binCount)
        for number in window {
            let y = cells.y + number - window.lowerBound
            let members = number * line.count..<min(rows.count, (number + 1) * line.count)
            drawPrefix(members, y: y, into: &frame)
            drawSuffix(members, y: y, into: &frame)
            switch line {
            case .peer, .group:
                counts.fill(members.map { swarm.peers[rows[$0]] }, counter)
                drawCells(members, counts, y: y, into: &frame)
            case .pair:
                let halves = members.map { row in
                    counts.fill([swarm.peers[rows[row]]], counter)
                    return roles(swarm.peers[rows[row]], counts)
                }
                drawPair(halves, y: y, into: &frame)
            }
            if let selectedRow, members.contains(selectedRow) { markCursor(y: y, into: &frame) }
            guard let first = members.first else { continue }
            let whole = Rect(x: plan.inner.x, y: y, width: plan.inner.width, height: 1)
            frame.addHit(whole, .select(.peer(swarm.peers[rows[first]].name)))
        }
    }

    private func markCursor(y: Int, into frame: inout Frame) {
        let place = columns.columns(of: position)
        let area = Rect(x: cells.x + place.lowerBound, y: y, width: place.count, height: 1)
        let visible = area.intersection(cells)
        for x in visible.x..<visible.right {
            // Reversed, a solid block would look like nothing.
            if frame[x, y].scalar == "█" { frame[x, y].glyph = Unicode.Scalar("■").value }
            frame[x, y].flags = .reverse
        }
    }

    // MARK: - Beside the cells

    /// Digits of the highest number of a peer.
    private var groupDigits: Int { String(max(0, rows.count - 1)).count }

    private func drawPrefix(_ members: Range<Int>, y: Int, into frame: inout Frame) {
        let (x, area) = (plan.inner.x, plan.inner)
        guard let first = members.first else { return }
        let isSelected = selectedRow.map(members.contains) == true
        if isSelected {
            // Long numbers of a group begin at the edge and leave only the column after them.
            let mark = line.count <= 2 ? 1 : groupDigits > 2 ? prefixWidth - 1 : 0
            frame.write("▶", x: x + mark, y: y, in: area, .title)
        }
        switch line {
        case .peer:
            let peer = swarm.peers[rows[first]]
            let role: Role = peer.isDown ? .down : isSelected ? .title : .text
            if peer.isDown, !isSelected { frame.write("✕", x: x + 1, y: y, in: area, .down) }
            frame.write(peer.name.fitted(to: 5), x: x + 2, y: y, in: area, role)
        case .pair:
            var column = x + 2
            for row in members {
                let peer = swarm.peers[rows[row]]
                let role: Role = peer.isDown ? .down : row == selectedRow ? .title : .text
                let name = SwarmDrawing.label(peer.name).fitted(to: 3)
                column = frame.write(name, x: column, y: y, in: area, role) + 1
            }
        case .group:
            let low = "\(first)"
            let pad = String(repeating: " ", count: max(0, groupDigits - low.count))
            let text = "\(pad)\(low)–\(members.upperBound - 1)"
            let start = x + (groupDigits > 2 ? 0 : 2)
            frame.write(text, x: start, y: y, in: area, isSelected ? .title : .text)
        }
    }

    private func drawSuffix(_ members: Range<Int>, y: Int, into frame: inout Frame) {
        var (held, all, down, up, connections) = (0, 0, 0.0, 0.0, 0)
        for row in members {
            let peer = swarm.peers[rows[row]]
            held += peer.bits.heldCount
            all += peer.bits.pieceCount
            down += peer.downloadRate.orZero
            up += peer.uploadRate.orZero
            connections += min(max(0, peer.connectionCount), 1 << 32)
        }
        let texts = [
            Units.percent(all > 0 ? Double(held) / Double(all) : 1), Units.short(down),
            Units.short(up), "\(connections)",
        ]
        for (text, width, end) in suffixes(texts) {
            let x = end - width
            frame.write(text, x: x, y: y, width: width, in: plan.inner, align: .trailing)
        }
    }

    // MARK: - Cells

    private func drawCells(
        _ members: Range<Int>,
        _ counts: LineCounts,
        y: Int,
        into frame: inout Frame
    ) {
        guard let first = members.first else { return }
        let peer = swarm.peers[rows[first]]
        let isSingle = members.count == 1
        let held = Cell("█", isSingle ? .part(peer.done) : .complete)
        let arriving = Cell("▒", .agentEdge)
        var column = 0
        for bin in counts.held.indices {
            let whole = columns.positions(column).count * members.count
            let share = whole > 0 ? Double(counts.held[bin]) / Double(whole) : 0
            let cell =
                share >= 1
                ? held
                : isSingle && counts.arriving[bin] ? arriving : PieceShade.cell(share)
            for _ in 0..<columns.columnsPerPiece where column < columns.count {
                frame[cells.x + column, y] = cell
                column += 1
            }
        }
    }

    /// The role of each bin of a peer; nil where it holds nothing.
    private func roles(_ peer: PeerRow, _ counts: LineCounts) -> [Role?] {
        let done = Role.part(peer.done)
        return counts.held.indices.map { bin in
            let whole = columns.positions(bin * columns.columnsPerPiece).count
            guard counts.held[bin] < whole else { return done }
            if counts.arriving[bin] { return .agentEdge }
            return counts.held[bin] > 0 ? .part(Double(counts.held[bin]) / Double(whole)) : nil
        }
    }

    private func drawPair(_ halves: [[Role?]], y: Int, into frame: inout Frame) {
        guard let upper = halves.first else { return }
        let lower = halves.count > 1 ? halves[1] : []
        var column = 0
        for bin in upper.indices {
            let cell =
                switch (upper[bin], lower.indices.contains(bin) ? lower[bin] : nil) {
                case (nil, nil): Cell("·", .hint)
                case (let top?, nil): Cell("▀", top)
                case (nil, let bottom?): Cell("▄", bottom)
                case (let top?, let bottom?):
                    top == bottom ? Cell("█", top) : Cell("▀", top, background: bottom)
                }
            for _ in 0..<columns.columnsPerPiece where column < columns.count {
                frame[cells.x + column, y] = cell
                column += 1
            }
        }
    }
}

/// What is counted of one line.
struct LineCounts {
    /// Pieces held in each bin, over all peers of the line.
    private(set) var held: [Int]
    /// Whether something arrives there.
    private(set) var arriving: [Bool]

    init(binCount: Int) {
        held = Array(repeating: 0, count: binCount)
        arriving = Array(repeating: false, count: binCount)
    }

    mutating func fill(_ peers: [PeerRow], _ counter: PieceCounter) {
        for bin in held.indices { (held[bin], arriving[bin]) = (0, false) }
        for peer in peers {
            counter.add(peer, to: &held)
            counter.markArriving(peer, in: &arriving)
        }
    }
}
