// SPDX-License-Identifier: Apache-2.0

/// The position of a piece in its blob, from zero.
package struct PieceIndex: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The position, from zero.
    package let value: Int

    /// The piece at position `value`.
    package init(_ value: Int) { self.value = value }

    package static func < (left: PieceIndex, right: PieceIndex) -> Bool { left.value < right.value }
    package var description: String { "\(value)" }
}

/// The CRC-32 (IEEE) of a piece's bytes.
package struct PieceSum: Hashable, Sendable, CustomStringConvertible {
    /// The checksum.
    package let value: UInt32

    /// The checksum `value`.
    package init(_ value: UInt32) { self.value = value }

    package var description: String { "\(value)" }
}

/// How a blob is cut into pieces: all of one length, but for the last.
package struct PieceLayout: Hashable, Sendable {
    /// The blob's size.
    package let blobBytes: Int
    /// The length of every piece but the last, which may be shorter; positive.
    package let pieceBytes: Int

    /// A blob of `blobBytes` cut into pieces of `pieceBytes`; nil when a size is negative or the piece length not positive.
    package init?(blobBytes: Int, pieceBytes: Int) {
        guard blobBytes >= 0, pieceBytes > 0 else { return nil }
        (self.blobBytes, self.pieceBytes) = (blobBytes, pieceBytes)
    }

    /// The number of pieces; zero for an empty blob.
    package var pieceCount: Int { blobBytes / pieceBytes + (blobBytes % pieceBytes == 0 ? 0 : 1) }

    /// Whether the blob has a piece at `index`.
    package func contains(_ index: PieceIndex) -> Bool {
        index.value >= 0 && index.value < pieceCount
    }

    /// The bytes of the piece at `index`; zero outside the blob, as in Kraken.
    package func bytes(of index: PieceIndex) -> Int {
        contains(index) ? min(pieceBytes, blobBytes - index.value * pieceBytes) : 0
    }

    /// The offset of the piece's first byte in the blob.
    /// - Precondition: the blob has the piece.
    package func offset(of index: PieceIndex) -> Int {
        precondition(contains(index), "a piece outside the blob")
        return index.value * pieceBytes
    }

    /// The pieces that hold any byte of `range`, clamped to the blob.
    package func pieces(covering range: Range<Int>) -> Range<Int> {
        let clamped = range.clamped(to: 0..<blobBytes)
        guard !clamped.isEmpty else { return 0..<0 }
        return clamped.lowerBound / pieceBytes..<(clamped.upperBound - 1) / pieceBytes + 1
    }
}
