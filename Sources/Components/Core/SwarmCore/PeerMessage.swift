// SPDX-License-Identifier: Apache-2.0

package import Content

/// What one connection between two peers is called inside a host; never reused.
///
/// Outgoing connections are numbered by the scheduler with odd values, incoming ones by the driver with even values.
package struct ConnectionID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number.
    package let value: UInt64

    /// The connection numbered `value`.
    package init(_ value: UInt64) { self.value = value }

    /// Whether the other end opened it.
    package var isIncoming: Bool { value.isMultiple(of: 2) }

    package static func < (left: ConnectionID, right: ConnectionID) -> Bool {
        left.value < right.value
    }
    package var description: String { "#\(value)" }
}

/// The first message of each side: who it is, which blob it means and which pieces it holds.
///
/// The bitfield stays in its wire form until the swarm, and so the number of pieces, is known.
package struct PeerHandshake: Hashable, Sendable {
    /// Who speaks.
    package var peerID: PeerID
    /// The swarm as the speaker computes it.
    package var infoHash: InfoHash
    /// The blob; an acceptor looks it up by this name.
    package var digest: Digest
    /// Kraken's storage scope; empty in an answer.
    package var namespace: String
    /// The speaker's pieces in wire form, see ``Bitfield/wireBytes``.
    package var bitfieldBytes: [UInt8]
    /// The peers that the speaker is connected to in this swarm.
    package var neighbours: [PeerID]

    /// A handshake of `peerID` for the blob `digest`.
    package init(
        peerID: PeerID,
        infoHash: InfoHash,
        digest: Digest,
        namespace: String,
        bitfieldBytes: [UInt8],
        neighbours: [PeerID]
    ) {
        (self.peerID, self.infoHash, self.digest) = (peerID, infoHash, digest)
        (self.namespace, self.bitfieldBytes) = (namespace, bitfieldBytes)
        self.neighbours = neighbours
    }
}

/// A stretch of a piece as the wire names it; values are unchecked, as a peer sent them.
package struct PieceSpan: Hashable, Sendable {
    /// The piece's position; may be negative or too large.
    package var index: Int32
    /// The first byte within the piece; honest peers send zero.
    package var offset: Int32
    /// The number of bytes; honest peers send the whole piece's.
    package var length: Int32

    /// The stretch of `length` bytes from `offset` in piece `index`.
    package init(index: Int32, offset: Int32 = 0, length: Int32) {
        (self.index, self.offset, self.length) = (index, offset, length)
    }

    /// The whole piece at `index` of a blob cut by `layout`.
    package init(_ index: PieceIndex, in layout: PieceLayout) {
        self.init(
            index: Int32(clamping: index.value),
            length: Int32(clamping: layout.bytes(of: index))
        )
    }

    /// The piece, if this is exactly one whole piece of a blob cut by `layout`.
    package func wholePiece(in layout: PieceLayout) -> PieceIndex? {
        let piece = PieceIndex(Int(index))
        guard layout.contains(piece), offset == 0, Int(length) == layout.bytes(of: piece) else {
            return nil
        }
        return piece
    }
}

/// One message of the peer protocol.
/// - Source: uber/kraken proto/p2p/p2p.proto; `announcePiece` is spelled ANNOUCE_PIECE there.
package enum PeerMessage: Hashable, Sendable {
    /// Indirect, as elsewhere: the rare handshake must not make every message, event and effect large.
    indirect case bitfield(PeerHandshake)
    case pieceRequest(PieceSpan)
    /// The head of a payload: exactly `length` raw bytes follow it on the wire.
    case piecePayload(PieceSpan)
    case announcePiece(Int32)
    case cancelPiece(Int32)
    case error(index: Int32, code: Int32, text: String)
    case complete
    /// A type this version does not know; ignored.
    case unknown(type: Int32)

    /// The code of the only error that Kraken defines: a piece request that cannot be served.
    package static let pieceRequestFailed: Int32 = 0
}

/// Why bytes are no message of the peer protocol; the connection that sent them is closed.
package struct PeerProtocolError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong.
    package let description: String

    /// An error that says `description`.
    package init(_ description: String) { self.description = description }
}
