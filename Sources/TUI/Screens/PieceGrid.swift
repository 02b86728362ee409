// SPDX-License-Identifier: Apache-2.0

import Content

/// Which pieces the columns of a matrix stand for.
///
/// Pieces are counted here by their position in the order in which they are shown, not by their number.
struct PieceColumns: Equatable, Sendable {
    let pieceCount: Int
    /// Pieces in a column; more than 1 only when they are binned.
    private(set) var piecesPerColumn = 1
    /// Columns of a piece; more than 1 only when there is room.
    private(set) var columnsPerPiece = 1
    /// The position of the first piece shown.
    private(set) var first = 0
    /// Columns in use.
    private(set) var count = 0

    /// Columns that a piece takes at most.
    private static let columnsPerPieceMax = 8

    /// The columns of `pieceCount` pieces in `width` cells so that `cursor`, a position, is among them. Without `zoom`
    /// all pieces fit; each step doubles the columns of a piece.
    init(pieceCount: Int, width: Int, zoom: Int, cursor: Int) {
        let pieceCount = min(max(0, pieceCount), SwarmPicture.shownPiecesMax)
        self.pieceCount = pieceCount
        guard width > 0, pieceCount > 0 else { return }
        if pieceCount <= width / 2 {
            columnsPerPiece = 2
        } else {
            piecesPerColumn = (pieceCount - 1) / width + 1
        }
        for _ in 0..<min(max(0, zoom), 32) {
            if piecesPerColumn > 1 {
                piecesPerColumn = (piecesPerColumn + 1) / 2
            } else if columnsPerPiece < min(Self.columnsPerPieceMax, width) {
                columnsPerPiece = min(columnsPerPiece * 2, width)
            }
        }
        let shown = max(1, width / columnsPerPiece) * piecesPerColumn
        if pieceCount > shown {
            let wanted = max(0, min(cursor, pieceCount - 1) - shown / 2)
            let last = pieceCount - shown + piecesPerColumn - 1
            first = min(wanted, last) / piecesPerColumn * piecesPerColumn
        }
        let rest = min(shown, pieceCount - first)
        count = (rest + piecesPerColumn - 1) / piecesPerColumn * columnsPerPiece
    }

    /// Whether a column is about one piece only.
    var isSingle: Bool { piecesPerColumn == 1 }

    /// The positions that `column` stands for.
    func positions(_ column: Int) -> Range<Int> {
        let start = min(pieceCount, first + column / columnsPerPiece * piecesPerColumn)
        return start..<min(pieceCount, start + piecesPerColumn)
    }

    /// The columns that show `position`; empty when it is not shown.
    func columns(of position: Int) -> Range<Int> {
        guard position >= first, position < pieceCount else { return 0..<0 }
        let start = (position - first) / piecesPerColumn * columnsPerPiece
        return min(start, count)..<min(start + columnsPerPiece, count)
    }

    /// `1:16`: cells to pieces.
    var scaleText: String {
        piecesPerColumn > 1 ? "1:\(piecesPerColumn)" : "\(max(1, columnsPerPiece / 2)):1"
    }

    /// `1 cell = ½ piece`.
    var cellText: String {
        if piecesPerColumn > 1 { return "cell = \(Units.count(piecesPerColumn)) pieces" }
        switch columnsPerPiece {
        case 1: return "1 cell = 1 piece"
        case 2: return "1 cell = ½ piece"
        case 4: return "1 cell = ¼ piece"
        default: return "1 cell = 1/\(columnsPerPiece) piece"
        }
    }
}

/// How much of each column peers hold, counted once for a whole matrix.
struct PieceCounter {
    private let columns: PieceColumns
    /// The position of each piece; nil where pieces are in their own order.
    private let ranks: [Int]?

    /// - Parameter order: the pieces in the order of their positions; nil for their own order.
    init(columns: PieceColumns, order: [Int]?) {
        self.columns = columns
        ranks = order.map { order in
            var ranks = Array(repeating: 0, count: order.count)
            for (position, piece) in order.enumerated() where ranks.indices.contains(piece) {
                ranks[piece] = position
            }
            return ranks
        }
    }

    /// Columns that differ: all of a piece's count as one.
    var binCount: Int { columns.count / max(1, columns.columnsPerPiece) }

    /// Adds to `bins` how many pieces of each `peer` holds.
    func add(_ peer: PeerRow, to bins: inout [Int]) {
        guard bins.count >= binCount, peer.bits.heldCount > 0 else { return }
        let words = peer.bits.words
        if let ranks {
            addRanked(words, ranks, to: &bins)
        } else if columns.isSingle {
            for bin in 0..<binCount where Self.holds(words, columns.first + bin) { bins[bin] += 1 }
        } else {
            for bin in 0..<binCount {
                let range = columns.positions(bin)
                bins[bin] += Self.heldCount(words, range)
            }
        }
    }

    private func addRanked(_ words: [UInt64], _ ranks: [Int], to bins: inout [Int]) {
        let size = columns.piecesPerColumn
        for (index, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                let piece = index * 64 + rest.trailingZeroBitCount
                rest &= rest - 1
                guard piece < ranks.count, ranks[piece] >= columns.first else { continue }
                let bin = (ranks[piece] - columns.first) / size
                if bin < binCount { bins[bin] += 1 }
            }
        }
    }

    /// Marks in `bins` the columns of which a piece arrives at `peer`.
    func markArriving(_ peer: PeerRow, in bins: inout [Bool]) {
        for piece in peer.arriving where piece >= 0 && piece < columns.pieceCount {
            let position = ranks.map { $0.indices.contains(piece) ? $0[piece] : 0 } ?? piece
            guard position >= columns.first else { continue }
            let bin = (position - columns.first) / columns.piecesPerColumn
            if bin < binCount, bin < bins.count { bins[bin] = true }
        }
    }

    static func holds(_ words: [UInt64], _ piece: Int) -> Bool {
        let word = piece >> 6
        return piece >= 0 && word < words.count && words[word] >> UInt64(piece & 63) & 1 == 1
    }

    /// How many bits of `range` are set.
    static func heldCount(_ words: [UInt64], _ range: Range<Int>) -> Int {
        let end = min(range.upperBound, words.count * 64)
        var (position, sum) = (max(0, range.lowerBound), 0)
        while position < end {
            let (word, bit) = (position >> 6, position & 63)
            let length = min(64 - bit, end - position)
            let mask: UInt64 = length == 64 ? .max : (1 << UInt64(length)) - 1
            sum += (words[word] >> UInt64(bit) & mask).nonzeroBitCount
            position += length
        }
        return sum
    }
}

/// The look of a cell that stands for several pieces or peers.
enum PieceShade {
    /// A glyph as dense as `share` (0 … 1); only what is whole is solid.
    static func glyph(_ share: Double) -> Unicode.Scalar {
        guard share.isFinite, share > 0 else { return "·" }
        return share >= 1 ? "█" : share >= 0.67 ? "▓" : share >= 0.34 ? "▒" : "░"
    }

    static func cell(_ share: Double) -> Cell {
        share.orZero > 0 ? Cell(glyph(share), .part(share)) : Cell("·", .hint)
    }
}

/// All pieces of one peer in a single row: a cell each, or shares of them where there are more than cells.
struct PieceStrip {
    private let peer: PeerRow
    private let pieceCount: Int
    /// What it waits for.
    private let awaited: Set<Int>

    /// The pieces of the peer at `index` of `swarm`.
    init(_ swarm: SwarmPicture, peer index: Int) {
        (peer, pieceCount) = (swarm.peers[index], swarm.shownPieceCount)
        var awaited = Set(peer.arriving)
        for row in swarm.connections {
            if row.second == index { awaited.formUnion(row.askedOfFirst) }
            if row.first == index { awaited.formUnion(row.askedOfSecond) }
        }
        self.awaited = awaited
    }

    /// The pieces that share the cell `column` of `width`.
    static func pieces(at column: Int, width: Int, pieceCount: Int) -> Range<Int> {
        let width = min(width, pieceCount)
        guard width > 0, column >= 0, column < width else { return 0..<0 }
        return column * pieceCount / width..<(column + 1) * pieceCount / width
    }

    /// The cell of `width` in which `piece` lies.
    static func column(of piece: Int, width: Int, pieceCount: Int) -> Int? {
        let width = min(width, pieceCount)
        guard width > 0, piece >= 0, piece < pieceCount else { return nil }
        return ((piece + 1) * width - 1) / pieceCount
    }

    /// Draws them into the first row of `area`, with `marked` set off.
    func draw(into frame: inout Frame, area: Rect, marked: Int? = nil) {
        guard area.height > 0 else { return }
        let words = peer.bits.words
        for column in 0..<area.width {
            let run = Self.pieces(at: column, width: area.width, pieceCount: pieceCount)
            guard !run.isEmpty else { return }
            var cell = cell(run, words)
            if let marked, run.contains(marked) { cell.flags.formUnion(.reverse) }
            frame[area.x + column, area.y] = cell
        }
    }

    private func cell(_ run: Range<Int>, _ words: [UInt64]) -> Cell {
        let held = PieceCounter.heldCount(words, run)
        if held == run.count { return Cell("█", .part(peer.done)) }
        if held == 0, !awaited.isEmpty, run.contains(where: awaited.contains) {
            return Cell("▒", .agentEdge)
        }
        return PieceShade.cell(Double(held) / Double(run.count))
    }
}
