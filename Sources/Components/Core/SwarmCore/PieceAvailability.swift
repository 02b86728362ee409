// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives

/// How many connected peers hold each piece, and which pieces may be asked for, sorted by that number.
///
/// The wanted pieces of one availability form a bit set, so a change of one piece costs two bit operations and the
/// rarest wanted piece that a peer holds is found by intersecting words, never by visiting pieces.
struct PieceAvailability: Sendable {
    /// Connected peers holding each piece.
    private var counts: [UInt16]
    /// The wanted pieces held by exactly n connected peers, as bits, for each n: one array for all, since every event walks
    /// along it.
    private var levels: [UInt64]
    private let wordCount: Int
    /// Whether a piece is wanted: missing and not under way.
    private(set) var wanted: Bitfield

    /// Every piece that `held` lacks is wanted; nobody is connected.
    init(held: Bitfield) {
        counts = Array(repeating: 0, count: held.pieceCount)
        wanted = Bitfield(pieceCount: held.pieceCount)
        wordCount = held.words.count
        levels = Array(repeating: 0, count: wordCount)
        for index in 0..<held.pieceCount where !held.contains(PieceIndex(index)) {
            want(PieceIndex(index))
        }
    }

    /// Connected peers that hold `piece`.
    func count(of piece: PieceIndex) -> Int { Int(counts[piece.value]) }

    /// `piece` may be asked for.
    mutating func want(_ piece: PieceIndex) {
        guard wanted.insert(piece) else { return }
        setLevel(of: piece, to: true)
    }

    /// `piece` is under way, or held.
    mutating func unwant(_ piece: PieceIndex) {
        guard wanted.remove(piece) else { return }
        setLevel(of: piece, to: false)
    }

    /// One more connected peer holds `piece`.
    mutating func add(_ piece: PieceIndex) { change(piece, by: 1) }

    /// One connected peer fewer holds `piece`.
    mutating func subtract(_ piece: PieceIndex) { change(piece, by: -1) }

    private mutating func change(_ piece: PieceIndex, by delta: Int) {
        let isWanted = wanted.contains(piece)
        if isWanted { setLevel(of: piece, to: false) }
        let count = Int(counts[piece.value]) + delta
        precondition(
            count >= 0 && count <= Int(UInt16.max),
            "availability out of step with bitfields"
        )
        counts[piece.value] = UInt16(count)
        if isWanted { setLevel(of: piece, to: true) }
    }

    private mutating func setLevel(of piece: PieceIndex, to isMember: Bool) {
        let level = Int(counts[piece.value])
        let missing = (level + 1) * wordCount - levels.count
        if missing > 0 { levels += repeatElement(0, count: missing) }
        let bit: UInt64 = 1 << UInt64(piece.value % 64)
        let position = level * wordCount + piece.value / 64
        if isMember { levels[position] |= bit } else { levels[position] &= ~bit }
    }

    /// The rarest wanted piece that `bits` holds; ties are broken from `start` on, around the end.
    /// - Complexity: O(levels × words).
    func rarest(in bits: Bitfield, from start: Int) -> PieceIndex? {
        for base in stride(from: 0, to: levels.count, by: max(1, wordCount)) {
            if let piece = first(in: levels, base, and: bits.words, from: start) { return piece }
        }
        return nil
    }

    /// Any wanted piece that `bits` holds, the first from `start` on, around the end.
    func any(in bits: Bitfield, from start: Int) -> PieceIndex? {
        first(in: wanted.words, 0, and: bits.words, from: start)
    }

    /// How many wanted pieces `bits` holds.
    func offered(by bits: Bitfield) -> Int {
        zip(wanted.words, bits.words).reduce(0) { $0 + ($1.0 & $1.1).nonzeroBitCount }
    }

    /// Pieces held by connected peers, all together.
    var countSum: Int { counts.reduce(0) { $0 + Int($1) } }

    /// The rules that are broken; for tests.
    func brokenRules() -> [String] {
        var broken: [String] = []
        for level in 0..<(wordCount == 0 ? 0 : levels.count / wordCount) {
            for index in counts.indices {
                let word = levels[level * wordCount + index / 64]
                let isMember = word & (1 << UInt64(index % 64)) != 0
                let belongs = wanted.contains(PieceIndex(index)) && counts[index] == level
                if isMember != belongs {
                    broken.append("piece \(index) is amiss in level \(level)")
                }
            }
        }
        return broken
    }

    /// The first piece from `start` on, around the end, that is in `right` and in the words of `left` from `base` on.
    private func first(
        in left: [UInt64],
        _ base: Int,
        and right: [UInt64],
        from start: Int
    ) -> PieceIndex? {
        guard wordCount > 0 else { return nil }
        let (firstWord, firstBit) = (start / 64 % wordCount, UInt64(start % 64))
        let upper = left[base + firstWord] & right[firstWord] & (UInt64.max << firstBit)
        if upper != 0 { return PieceIndex(firstWord * 64 + upper.trailingZeroBitCount) }
        var word = firstWord
        for _ in 0..<wordCount {
            word = word + 1 == wordCount ? 0 : word + 1
            let common = left[base + word] & right[word]
            if common != 0 { return PieceIndex(word * 64 + common.trailingZeroBitCount) }
        }
        return nil
    }
}
