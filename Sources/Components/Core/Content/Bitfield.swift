// SPDX-License-Identifier: Apache-2.0

/// Which pieces of a blob a peer holds: one bit a piece, with a running count.
package struct Bitfield: Hashable, Sendable, CustomStringConvertible {
    /// The bits, piece i in word i / 64 at bit i mod 64 from the least significant; bits past ``pieceCount`` are zero.
    package private(set) var words: [UInt64]
    /// The number of pieces of the blob.
    package let pieceCount: Int
    /// How many pieces are held.
    package private(set) var heldCount = 0

    /// No piece of `pieceCount` held.
    package init(pieceCount: Int) {
        self.pieceCount = pieceCount
        words = Array(repeating: 0, count: (pieceCount + 63) / 64)
    }

    /// Every piece of `pieceCount` held.
    package static func full(pieceCount: Int) -> Bitfield {
        var bitfield = Bitfield(pieceCount: pieceCount)
        bitfield.fill()
        return bitfield
    }

    /// Whether every piece is held; true for an empty blob.
    package var isComplete: Bool { heldCount == pieceCount }
    /// How many pieces are missing.
    package var missingCount: Int { pieceCount - heldCount }

    /// Whether the piece at `index` is held; false outside the blob.
    package func contains(_ index: PieceIndex) -> Bool {
        guard index.value >= 0, index.value < pieceCount else { return false }
        return words[index.value / 64] & (1 << UInt64(index.value % 64)) != 0
    }

    /// Notes that the piece at `index` is held; answers whether that is news. Outside the blob: no effect, false.
    @discardableResult package mutating func insert(_ index: PieceIndex) -> Bool {
        guard index.value >= 0, index.value < pieceCount, !contains(index) else { return false }
        words[index.value / 64] |= 1 << UInt64(index.value % 64)
        heldCount += 1
        return true
    }

    /// Notes that the piece at `index` is not held; answers whether that is news.
    @discardableResult package mutating func remove(_ index: PieceIndex) -> Bool {
        guard contains(index) else { return false }
        words[index.value / 64] &= ~(1 << UInt64(index.value % 64))
        heldCount -= 1
        return true
    }

    /// Notes that every piece is held.
    package mutating func fill() {
        for index in words.indices { words[index] = .max }
        if pieceCount % 64 != 0, let last = words.indices.last {
            words[last] = 1 << UInt64(pieceCount % 64) - 1
        }
        heldCount = pieceCount
    }

    /// The pieces that are held in both, of the same blob.
    package func intersection(_ other: Bitfield) -> Bitfield {
        var result = self
        result.heldCount = 0
        for (index, word) in zip(words.indices, other.words) {
            result.words[index] &= word
            result.heldCount += result.words[index].nonzeroBitCount
        }
        return result
    }

    /// The held pieces in order.
    /// - Complexity: O(words + pieces held).
    package var indices: [PieceIndex] {
        var result: [PieceIndex] = []
        result.reserveCapacity(heldCount)
        for (position, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                result.append(PieceIndex(position * 64 + rest.trailingZeroBitCount))
                rest &= rest - 1
            }
        }
        return result
    }

    /// One character a piece, `#` held and `.` missing, for tests and logs.
    package var description: String {
        String((0..<pieceCount).map { contains(PieceIndex($0)) ? "#" : "." })
    }
}

// MARK: - Wire form

extension Bitfield {
    /// The wire form: the number of bits, then the words, each as 64 bits big-endian.
    /// - Source: github.com/willf/bitset `MarshalBinary`, as Kraken's handshake carries it.
    package var wireBytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(8 * (words.count + 1))
        for word in [UInt64(pieceCount)] + words {
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        return bytes
    }

    /// Reads the wire form of a blob of `expectedPieceCount` pieces.
    ///
    /// The declared number of bits is compared with the expected one before anything is allocated; surplus bytes and bits
    /// are ignored as Kraken ignores them, but never counted.
    /// - Throws: `.invalidBitfield`.
    package init(wireBytes: some Collection<UInt8>, expectedPieceCount: Int) throws(ContentError) {
        var declared: UInt64 = 0
        guard wireBytes.count >= 8 else {
            throw ContentError(
                .invalidBitfield,
                what: "read bitfield",
                why: "shorter than its length field"
            )
        }
        for byte in wireBytes.prefix(8) { declared = declared << 8 | UInt64(byte) }
        guard declared == UInt64(expectedPieceCount) else {
            throw ContentError(
                .invalidBitfield,
                what: "read bitfield",
                why: "\(declared) pieces, expected \(expectedPieceCount)"
            )
        }
        self.init(pieceCount: expectedPieceCount)
        guard wireBytes.count >= 8 * (words.count + 1) else {
            throw ContentError(
                .invalidBitfield,
                what: "read bitfield",
                why: "ends before its last word"
            )
        }
        var position = wireBytes.index(wireBytes.startIndex, offsetBy: 8)
        for index in words.indices {
            var word: UInt64 = 0
            for _ in 0..<8 {
                word = word << 8 | UInt64(wireBytes[position])
                position = wireBytes.index(after: position)
            }
            words[index] = word
        }
        if pieceCount % 64 != 0, let last = words.indices.last {
            words[last] &= 1 << UInt64(pieceCount % 64) - 1
        }
        heldCount = words.reduce(0) { $0 + $1.nonzeroBitCount }
    }
}
