// SPDX-License-Identifier: Apache-2.0

package import Content
import FoundationEssentials

// How names of content appear in snapshots and events: digests as `sha256:…`, identifiers as 40 hexadecimal digits.
// (Kraken's HTTP bodies, which write identifiers as integer arrays, go through `JSON` and never through `Codable`.)

extension Digest: Codable {
    package init(from decoder: any Decoder) throws {
        try self.init(parsing: try decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension TwentyByteIdentifier {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let identifier = Self(hex: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription: "not 40 hexadecimal digits"
            )
        }
        self = identifier
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hex)
    }
}

extension InfoHash: Codable {}
extension PeerID: Codable {}

/// A bitfield in a snapshot: `{"count": 10, "held": 3, "bits": "BQI="}`.
///
/// `bits` is base64 of ⌈count / 8⌉ bytes; piece i is bit i mod 8, counted from the least significant, of byte i / 8.
/// Making one shares the bitfield's storage; the text is made when a document is written.
package struct PieceMap: Codable, Hashable, Sendable {
    /// Which pieces are held.
    package let bitfield: Bitfield

    /// The pieces held in `bitfield`.
    package init(_ bitfield: Bitfield) { self.bitfield = bitfield }

    private enum CodingKeys: String, CodingKey { case count, held, bits }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(bitfield.pieceCount, forKey: .count)
        try container.encode(bitfield.heldCount, forKey: .held)
        var bytes = Data(capacity: bitfield.words.count * 8)
        for index in 0..<(bitfield.pieceCount + 7) / 8 {
            let word = bitfield.words[index / 8]
            bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(index % 8 * 8)))
        }
        try container.encode(bytes.base64EncodedString(), forKey: .bits)
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let count = try container.decode(Int.self, forKey: .count)
        let text = try container.decode(String.self, forKey: .bits)
        guard let bytes = Data(base64Encoded: text), count >= 0, bytes.count == (count + 7) / 8
        else {
            throw DecodingError.dataCorruptedError(
                forKey: .bits,
                in: container,
                debugDescription: "not base64 of one bit a piece"
            )
        }
        var bitfield = Bitfield(pieceCount: count)
        for (index, byte) in bytes.enumerated() where byte != 0 {
            for bit in 0..<8 where byte & (1 << UInt8(bit)) != 0 {
                bitfield.insert(PieceIndex(index * 8 + bit))
            }
        }
        self.bitfield = bitfield
    }
}
