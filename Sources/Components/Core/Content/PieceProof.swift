// SPDX-License-Identifier: Apache-2.0

/// What the SHA-256 of a blob says of one of its pieces alone.
///
/// SHA-256 takes a message block by block into a state of 32 bytes (FIPS 180-4, section 6.2.2). Who knows the state before
/// a piece and the one after it can check the piece without the others; and when every piece leads from one state to the
/// next, from the initial one to the digest, the blob as a whole has that digest, wherever the states came from.
package struct PieceProof: Hashable, Sendable {
    /// Where the hash has to stand after the piece.
    package enum End: Hashable, Sendable {
        /// In this state, 32 bytes.
        case state(ArraySlice<UInt8>)
        /// At its end: the piece is the blob's last.
        case digest(Digest)
    }

    /// Where the hash stands before the piece, 32 bytes; nil before the first.
    package let start: ArraySlice<UInt8>?
    /// Bytes of the blob before the piece.
    package let precedingBytes: Int
    /// Where it has to stand after it.
    package let end: End

    /// Bytes of a state.
    package static let stateBytes = 32
    /// Bytes of a block: only after whole ones there is a state.
    package static let blockBytes = 64

    /// Whether `states` are as many as a blob of `layout` has, and its pieces end where there are states.
    static func isWhole(_ states: [UInt8], for layout: PieceLayout) -> Bool {
        layout.pieceBytes.isMultiple(of: blockBytes)
            && states.count == stateBytes * (layout.pieceCount - 1)
    }
}

extension MetaInfo {
    /// Whether each piece can be proved by itself: with states, or when there is just one.
    package var hasProofs: Bool { layout.pieceCount == 1 || !pieceStates.isEmpty }

    /// What `piece` can be checked by; nil when that takes the whole blob.
    /// - Precondition: the blob has the piece.
    package func proof(of piece: PieceIndex) -> PieceProof? {
        guard hasProofs else { return nil }
        let bytes = PieceProof.stateBytes
        let offset = bytes * piece.value
        let isLast = piece.value == layout.pieceCount - 1
        return PieceProof(
            start: piece.value == 0 ? nil : pieceStates[offset - bytes..<offset],
            precedingBytes: layout.offset(of: piece),
            end: isLast ? .digest(digest) : .state(pieceStates[offset..<offset + bytes])
        )
    }
}
