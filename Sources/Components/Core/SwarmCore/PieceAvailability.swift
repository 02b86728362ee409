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
    /// The wanted pieces held by exactly n connected peers, as bits, for each n.
    private var levels: [[UInt64]]
    /// Whether a piece is wanted: missing and not under way.
    private(set) var wanted: Bitfield

    /// Every piece that `held` lacks is wanted; nobody is connected.
    init(held: Bitfield) {
        counts = Array(repeating: 0, count: held.pieceCount)
        wanted = Bitfield(pieceCount: held.pieceCount)
        levels = [Array(repeating: 0, count: held.words.count)]
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
        while levels.count <= level {
            levels.append(Array(repeating: 0, count: wanted.words.count))
        }
        let bit: UInt64 = 1 << UInt64(piece.value % 64)
        if isMember {
            levels[level][piece.value / 64] |= bit
        } else {
            levels[level][piece.value / 64] &= ~bit
        }
    }

    /// The rarest wanted piece that `bits` holds; ties are broken from `start` on, around the end.
    /// - Complexity: O(levels × words).
    func rarest(in bits: Bitfield, from start: Int) -> PieceIndex? {
        for level in levels.indices {
            if let piece = Self.first(in: levels[level], and: bits.words, from: start) {
                return piece
            }
        }
        return nil
    }

    /// Any wanted piece that `bits` holds, the first from `start` on, around the end.
    func any(in bits: Bitfield, from start: Int) -> PieceIndex? {
        Self.first(in: wanted.words, and: bits.words, from: start)
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
        for (level, words) in levels.enumerated() {
            for index in counts.indices {
                let isMember = words[index / 64] & (1 << UInt64(index % 64)) != 0
                let belongs = wanted.contains(PieceIndex(index)) && counts[index] == level
                if isMember != belongs {
                    broken.append("piece \(index) is amiss in level \(level)")
                }
            }
        }
        return broken
    }

    private static func first(
        in left: [UInt64],
        and right: [UInt64],
        from start: Int
    ) -> PieceIndex? {
        let count = left.count
        guard count > 0 else { return nil }
        let (firstWord, firstBit) = (start / 64 % count, UInt64(start % 64))
        let upper = left[firstWord] & right[firstWord] & (UInt64.max << firstBit)
        if upper != 0 { return PieceIndex(firstWord * 64 + upper.trailingZeroBitCount) }
        for step in 1...count {
            let word = (firstWord + step) % count
            let common = left[word] & right[word]
            if common != 0 { return PieceIndex(word * 64 + common.trailingZeroBitCount) }
        }
        return nil
    }
}
