// SPDX-License-Identifier: Apache-2.0

import Content

/// The frames of the peer protocol: a 32-bit big-endian length, then a protobuf message of that many bytes.
///
/// Written by hand because payload framing and zero-copy depend on it. A sub-message is always present, even when every
/// field of it has its default: Go peers dereference it unchecked.
/// - Source: uber/kraken lib/torrent/scheduler/conn/message.go and proto/p2p/p2p.proto.
package enum PeerMessageCodec {
    /// Bytes of the length prefix.
    package static let prefixBytes = 4
    /// What every value of the neighbour map is in practice: an empty bitset.
    private static let emptyBitset = [UInt8](repeating: 0, count: 8)

    private enum Kind: Int32 {
        case bitfield = 0
        case pieceRequest = 1
        case piecePayload = 2
        case announcePiece = 3
        case cancelPiece = 4
        case error = 5
        case complete = 6
    }

    /// Appends `message` with its length prefix to `frame`.
    package static func encode(_ message: PeerMessage, into frame: inout [UInt8]) {
        let start = frame.count
        frame += [0, 0, 0, 0]
        var writer = ProtobufWriter(bytes: frame)
        encodeBody(message, to: &writer)
        frame = writer.bytes
        let length = UInt32(frame.count - start - prefixBytes)
        for index in 0..<prefixBytes {
            frame[start + index] = UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * index))
        }
    }

    private static func encodeBody(_ message: PeerMessage, to writer: inout ProtobufWriter) {
        switch message {
        case .bitfield(let handshake):
            writer.message(field: 3) { encode(handshake, to: &$0) }
        case .pieceRequest(let span):
            writer.varint(field: 2, Kind.pieceRequest.rawValue)
            writer.message(field: 4) { encode(span, to: &$0) }
        case .piecePayload(let span):
            writer.varint(field: 2, Kind.piecePayload.rawValue)
            writer.message(field: 5) { encode(span, to: &$0) }
        case .announcePiece(let index):
            writer.varint(field: 2, Kind.announcePiece.rawValue)
            writer.message(field: 6) { $0.varint(field: 2, index) }
        case .cancelPiece(let index):
            writer.varint(field: 2, Kind.cancelPiece.rawValue)
            writer.message(field: 7) { $0.varint(field: 2, index) }
        case .error(let index, let code, let text):
            writer.varint(field: 2, Kind.error.rawValue)
            writer.message(field: 8) {
                $0.bytes(field: 2, Array(text.utf8))
                $0.varint(field: 3, index)
                $0.varint(field: 4, code)
            }
        case .complete:
            writer.varint(field: 2, Kind.complete.rawValue)
        case .unknown(let type):
            writer.varint(field: 2, type)
        }
    }

    private static func encode(_ span: PieceSpan, to writer: inout ProtobufWriter) {
        writer.varint(field: 2, span.index)
        writer.varint(field: 3, span.offset)
        writer.varint(field: 4, span.length)
    }

    private static func encode(_ handshake: PeerHandshake, to writer: inout ProtobufWriter) {
        writer.bytes(field: 2, Array(handshake.infoHash.hex.utf8))
        writer.bytes(field: 3, Array(handshake.digest.hex.utf8))
        writer.bytes(field: 4, Array(handshake.peerID.hex.utf8))
        writer.bytes(field: 5, handshake.bitfieldBytes)
        writer.bytes(field: 6, Array(handshake.namespace.utf8))
        for neighbour in handshake.neighbours {
            writer.message(field: 7) {
                $0.bytes(field: 1, Array(neighbour.hex.utf8))
                $0.bytes(field: 2, emptyBitset)
            }
        }
    }

    /// Reads one message; `body` is what follows the length prefix, at most ``Limits/frameBytesMax`` bytes.
    /// - Throws: what is wrong with it; nothing is allocated from a length that the sender declares.
    package static func decode(
        _ body: UnsafeRawBufferPointer
    ) throws(PeerProtocolError) -> PeerMessage {
        var type: Int32 = 0
        var parts: [Int: UnsafeRawBufferPointer] = [:]
        var reader = ProtobufReader(body)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (2, .varint(let value)): type = Int32(truncatingIfNeeded: value)
            case (3...9, .bytes(let bytes)): parts[field.number] = bytes
            default: break
            }
        }
        func part(_ number: Int) throws(PeerProtocolError) -> UnsafeRawBufferPointer {
            guard let bytes = parts[number] else {
                throw PeerProtocolError("message of type \(type) without its body")
            }
            return bytes
        }
        switch Kind(rawValue: type) {
        case .bitfield: return .bitfield(try decodeHandshake(try part(3)))
        case .pieceRequest: return .pieceRequest(try decodeSpan(try part(4)))
        case .piecePayload: return .piecePayload(try decodeSpan(try part(5)))
        case .announcePiece: return .announcePiece(try decodeSpan(try part(6)).index)
        case .cancelPiece: return .cancelPiece(try decodeSpan(try part(7)).index)
        case .error: return try decodeError(try part(8))
        case .complete: return .complete
        case nil: return .unknown(type: type)
        }
    }

    private static func decodeSpan(
        _ bytes: UnsafeRawBufferPointer
    ) throws(PeerProtocolError) -> PieceSpan {
        var span = PieceSpan(index: 0, offset: 0, length: 0)
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (2, .varint(let value)): span.index = Int32(truncatingIfNeeded: value)
            case (3, .varint(let value)): span.offset = Int32(truncatingIfNeeded: value)
            case (4, .varint(let value)): span.length = Int32(truncatingIfNeeded: value)
            default: break
            }
        }
        return span
    }

    private static func decodeError(
        _ bytes: UnsafeRawBufferPointer
    ) throws(PeerProtocolError) -> PeerMessage {
        var (index, code, text): (Int32, Int32, String) = (0, 0, "")
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (2, .bytes(let value)): text = String(decoding: value, as: UTF8.self)
            case (3, .varint(let value)): index = Int32(truncatingIfNeeded: value)
            case (4, .varint(let value)): code = Int32(truncatingIfNeeded: value)
            default: break
            }
        }
        return .error(index: index, code: code, text: text)
    }

    private static func decodeHandshake(
        _ bytes: UnsafeRawBufferPointer
    ) throws(PeerProtocolError) -> PeerHandshake {
        var texts: [Int: String] = [:]
        var bitfield: [UInt8] = []
        var neighbours: [PeerID] = []
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (2...4, .bytes(let value)), (6, .bytes(let value)):
                texts[field.number] = String(decoding: value, as: UTF8.self)
            case (5, .bytes(let value)): bitfield = Array(value)
            case (7, .bytes(let value)): neighbours.append(try decodeNeighbour(value))
            default: break
            }
        }
        guard let infoHash = InfoHash(hex: texts[2] ?? "") else {
            throw PeerProtocolError("info hash is not 40 hex digits")
        }
        guard let digest = Digest(hex: texts[3] ?? "") else {
            throw PeerProtocolError("blob name is not 64 hex digits")
        }
        guard let peerID = PeerID(hex: texts[4] ?? "") else {
            throw PeerProtocolError("peer id is not 40 hex digits")
        }
        return PeerHandshake(
            peerID: peerID,
            infoHash: infoHash,
            digest: digest,
            namespace: texts[6] ?? "",
            bitfieldBytes: bitfield,
            neighbours: neighbours
        )
    }

    private static func decodeNeighbour(
        _ bytes: UnsafeRawBufferPointer
    ) throws(PeerProtocolError) -> PeerID {
        var reader = ProtobufReader(bytes)
        var peer: PeerID?
        while let field = try reader.next() {
            if case (1, .bytes(let value)) = (field.number, field.value) {
                peer = PeerID(hex: String(decoding: value, as: UTF8.self))
            }
        }
        guard let peer else { throw PeerProtocolError("neighbour is not 40 hex digits") }
        return peer
    }
}
