// SPDX-License-Identifier: Apache-2.0

/// A matrix of peers and pieces with the copies of each piece below: what the screen Pieces shows, and the screen Swarm
/// where peers are too many to stand on rings.
struct PieceMatrix {
    /// What a line of the matrix stands for.
    enum Line: Equatable, Sendable {
        /// One peer.
        case peer
        /// Two peers, one in the upper and one in the lower half of the cells.
        case pair
        /// So many peers.
        case group(Int)

        /// How many peers.
        var count: Int {
            switch self {
            case .peer: 1
            case .pair: 2
            case .group(let count): max(1, count)
            }
        }
    }

    let scene: Scene
    let swarm: SwarmPicture
    let plan: Plan
    let line: Line
    /// The peers in the order of the rows, as positions in the swarm.
    let rows: [Int]
    /// Position in ``rows`` of the selected peer.
    let selectedRow: Int?
    let columns: PieceColumns
    /// The pieces in the order of the columns; nil for their own.
    let order: [Int]?
    /// The piece under the cursor and its position.
    let piece: Int
    let position: Int
    /// Lines shown.
    let window: Range<Int>
    /// Where the cells are.
    let cells: Rect
    let prefixWidth: Int

    init(_ scene: Scene, _ swarm: SwarmPicture, area: Rect) {
        (self.scene, self.swarm) = (scene, swarm)
        let rows = PiecesScreen.rows(of: swarm, scene.view.pieces.sorting)
        self.rows = rows
        let selected = SwarmScreen.selectedIndex(scene)
        selectedRow = rows.firstIndex { $0 == selected }
        plan = Plan(area: area, rowCount: rows.count)
        let height = plan.inner.height - plan.rulerRows
        line = Self.line(rows.count, height, scene)

        let digits = String(max(0, rows.count - 1)).count
        prefixWidth = line.count > 2 ? max(8, digits * 2 + 2) : 8
        let suffix = Self.suffixWidth(scene)
        cells = Rect(
            x: plan.inner.x + prefixWidth,
            y: plan.inner.y + plan.rulerRows,
            width: plan.inner.width - prefixWidth - suffix,
            height: height
        )
        let count = swarm.shownPieceCount
        order =
            scene.view.pieces.ordersByRarity && swarm.copies.count == count
            ? PiecesScreen.order(scene) : nil
        let piece = min(max(0, scene.view.pieces.piece), max(0, count - 1))
        self.piece = piece
        position = order?.firstIndex(of: piece) ?? piece
        columns = PieceColumns(
            pieceCount: count,
            width: cells.width,
            zoom: scene.view.pieces.zoom,
            cursor: position
        )
        let perLine = line.count
        let lineCount = (rows.count + perLine - 1) / perLine
        window = Self.window(
            of: lineCount,
            height: cells.height,
            from: scene.view.pieces.scroll,
            showing: selectedRow.map { $0 / perLine }
        )
    }

    private static func line(_ count: Int, _ height: Int, _ scene: Scene) -> Line {
        // Who zooms in wants to see single peers.
        guard height > 0, count > height, scene.view.pieces.zoom <= 0 else { return .peer }
        if count <= height * 2, scene.hasManyColors { return .pair }
        return .group((count + height - 1) / height)
    }

    private static func window(
        of count: Int,
        height: Int,
        from scroll: Int,
        showing selected: Int?
    ) -> Range<Int> {
        guard height > 0, count > height else { return 0..<max(0, min(count, height)) }
        var first = min(max(0, scroll), count - height)
        if let selected {
            first = min(first, selected)
            first = max(first, selected - height + 1)
        }
        return first..<first + height
    }

    private static func suffixWidth(_ scene: Scene) -> Int {
        switch scene.width {
        case .narrow, .ordinary: 6
        case .wide: 14
        case .widest: 28
        }
    }

    func draw(into frame: inout Frame) {
        if plan.hasFrame {
            frame.box(
                plan.box,
                title: "Peers × pieces",
                trailing: titleText,
                bottom: "zoom \(columns.scaleText)",
                bottomTrailing: windowText
            )
        }
        if rows.isEmpty || columns.count == 0 {
            let text =
                rows.isEmpty ? "Nobody is in this swarm yet. P pulls the blob." : "No pieces."
            let y = plan.inner.y + plan.inner.height / 2
            let width = plan.inner.width
            frame.write(
                text,
                x: plan.inner.x,
                y: y,
                width: width,
                in: plan.inner,
                .hint,
                align: .centre
            )
        } else {
            drawRuler(into: &frame)
            drawLines(into: &frame)
        }
        if let copies = plan.copies { drawCopies(into: &frame, area: copies) }
        if let legend = plan.legend { drawLegend(into: &frame, area: legend) }
    }

    private var titleText: String {
        let cell = columns.count > 0 ? columns.cellText : ""
        let sorting = scene.view.pieces.sorting
        let name =
            switch sorting.column {
            case .done: "completion"
            case .name: "name"
            case .rate: "rate"
            }
        let sort = "sort: \(name) \(sorting.isDescending ? "▼" : "▲")"
        switch line {
        case .peer: return "\(sort) · \(cell)"
        case .pair: return "\(sort) · row = 2 peers · \(cell)"
        case .group(let count): return "row = \(count) peers · \(cell)"
        }
    }

    /// Which lines are shown, where not all are.
    private var windowText: String {
        let count = (rows.count + line.count - 1) / line.count
        guard window.count < count else { return "" }
        return "\(window.lowerBound + 1)–\(window.upperBound) of \(count)"
    }
}

// MARK: - Parts of the screen

extension PieceMatrix {
    /// Where things are.
    struct Plan: Equatable, Sendable {
        var box: Rect
        /// Whether ``box`` has a frame.
        var hasFrame: Bool
        var inner: Rect
        /// Lines with the numbers of pieces.
        var rulerRows: Int
        /// The pane of copies.
        var copies: Rect?
        /// The line below everything; nil where the pane of copies has it inside.
        var legend: Rect?

        /// The screens of at least so many rows have all of it, or the pane of copies at all, or a line of explanation.
        private static let roomyHeight = 28
        private static let copiesHeight = 16
        private static let legendHeight = 6

        /// The roomiest parts in which `rowCount` peers still have a line each, if there are any.
        init(area: Rect, rowCount: Int) {
            var rest = area
            rulerRows = 0
            if area.height >= Self.roomyHeight {
                let ways: [(ruler: Int, copies: Int)] = [(2, 8), (1, 8), (1, 7), (1, 6)]
                let way =
                    ways.first { way in rowCount <= area.height - way.copies - 2 - way.ruler }
                    ?? ways[0]
                let (above, bottom) = area.splitBottom(way.copies)
                (rest, copies, rulerRows) = (above, bottom, way.ruler)
            } else if area.height >= Self.copiesHeight {
                let (above, bottom) = area.splitBottom(1)
                let parts = above.splitBottom(5)
                (rest, copies, legend) = (parts.rest, parts.bottom, bottom)
                rulerRows = rowCount < rest.height - 2 ? 1 : 0
            } else if area.height >= Self.legendHeight {
                let (above, bottom) = area.splitBottom(1)
                (rest, legend) = (above, bottom)
            }
            box = rest
            hasFrame = rest.height >= 4 && rest.width >= 10
            inner = hasFrame ? rest.inset() : rest
        }
    }
}

extension SwarmPicture {
    /// More pieces than this are not shown: a blob that claims more than anyone could store gets no room for them.
    static let shownPiecesMax = 1 << 22

    /// How many pieces are shown.
    var shownPieceCount: Int { min(max(0, pieceCount), Self.shownPiecesMax) }
}
