// SPDX-License-Identifier: Apache-2.0

/// Writes protobuf fields; those with the default value are left out, as proto3 does.
/// - Source: protobuf.dev, "Encoding".
struct ProtobufWriter {
    private(set) var bytes: [UInt8]

    init(bytes: [UInt8] = []) { self.bytes = bytes }

    mutating func varint(field: Int, _ value: Int32) {
        guard value != 0 else { return }
        append(UInt64(field << 3))
        append(UInt64(bitPattern: Int64(value)))
    }

    mutating func bytes(field: Int, _ value: [UInt8]) {
        guard !value.isEmpty else { return }
        append(UInt64(field << 3 | 2))
        append(UInt64(value.count))
        bytes += value
    }

    /// Always written, even when empty.
    mutating func message(field: Int, _ body: (inout ProtobufWriter) -> Void) {
        var inner = ProtobufWriter()
        body(&inner)
        append(UInt64(field << 3 | 2))
        append(UInt64(inner.bytes.count))
        bytes += inner.bytes
    }

    private mutating func append(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}

/// Reads protobuf fields one after the other, without copying.
struct ProtobufReader {
    struct Field {
        let number: Int
        let value: Value
    }

    enum Value {
        case varint(UInt64)
        case bytes(UnsafeRawBufferPointer)
        case fixed
    }

    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// The next field; nil at the end.
    mutating func next() throws(PeerProtocolError) -> Field? {
        guard position < bytes.count else { return nil }
        let tag = try varint()
        let number = Int(truncatingIfNeeded: tag >> 3)
        switch tag & 7 {
        case 0: return Field(number: number, value: .varint(try varint()))
        case 1: return Field(number: number, value: try skip(8))
        case 2: return Field(number: number, value: .bytes(try lengthDelimited()))
        case 5: return Field(number: number, value: try skip(4))
        default: throw PeerProtocolError("unknown wire type")
        }
    }

    private mutating func varint() throws(PeerProtocolError) -> UInt64 {
        var result: UInt64 = 0
        for shift in stride(from: UInt64(0), through: 63, by: 7) {
            guard position < bytes.count else {
                throw PeerProtocolError("a number that does not end")
            }
            let byte = bytes[position]
            position += 1
            result |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return result }
        }
        throw PeerProtocolError("a number of more than 64 bits")
    }

    private mutating func lengthDelimited() throws(PeerProtocolError) -> UnsafeRawBufferPointer {
        let length = try varint()
        guard length <= UInt64(bytes.count - position) else {
            throw PeerProtocolError("a field longer than its message")
        }
        defer { position += Int(length) }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + Int(length)])
    }

    private mutating func skip(_ count: Int) throws(PeerProtocolError) -> Value {
        guard count <= bytes.count - position else {
            throw PeerProtocolError("a field longer than its message")
        }
        position += count
        return .fixed
    }
}
