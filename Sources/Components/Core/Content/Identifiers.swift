// SPDX-License-Identifier: Apache-2.0

import Crypto

/// A name of 20 bytes; both kinds are written alike everywhere: 40 hexadecimal digits as text, 20 integers in JSON.
package protocol TwentyByteIdentifier: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The identifier as three big-endian words: 8, 8 and 4 bytes.
    var words: TwentyByteWords { get }
    /// The identifier made of `words`.
    init(words: TwentyByteWords)
}

/// The storage of a 20-byte identifier, without an allocation.
package struct TwentyByteWords: Hashable, Sendable {
    /// Bytes 0 to 7, big-endian.
    package var first: UInt64
    /// Bytes 8 to 15, big-endian.
    package var second: UInt64
    /// Bytes 16 to 19, big-endian.
    package var third: UInt32
}

// Loops over bytes are here, where no type is generic: those of protocols and `some` arguments are not specialised for
// other modules, and cost a call for each byte there.
extension TwentyByteWords {
    /// The words that the first 20 of `bytes` make.
    fileprivate init(_ bytes: UnsafeBufferPointer<UInt8>) {
        self.init(first: 0, second: 0, third: 0)
        for (index, byte) in bytes.prefix(20).enumerated() {
            switch index {
            case 0..<8: first = first << 8 | UInt64(byte)
            case 8..<16: second = second << 8 | UInt64(byte)
            default: third = third << 8 | UInt32(byte)
            }
        }
    }

    fileprivate var bytes: [UInt8] {
        (0..<20).map { index in
            switch index {
            case 0..<8: UInt8(truncatingIfNeeded: first >> UInt64(56 - index * 8))
            case 8..<16: UInt8(truncatingIfNeeded: second >> UInt64(56 - (index - 8) * 8))
            default: UInt8(truncatingIfNeeded: third >> UInt32(24 - (index - 16) * 8))
            }
        }
    }
}

extension TwentyByteIdentifier {
    /// Bytes of an identifier.
    package static var byteCount: Int { 20 }

    /// The identifier whose bytes are `bytes`; nil unless there are 20.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        let words =
            bytes.withContiguousStorageIfAvailable(TwentyByteWords.init)
            ?? Array(bytes).withUnsafeBufferPointer(TwentyByteWords.init)
        self.init(words: words)
    }

    /// The identifier spelled by 40 hexadecimal digits of either case.
    package init?(hex: some StringProtocol) {
        guard hex.utf8.count == 40, let bytes = Hex.decode(hex) else { return nil }
        self.init(bytes: bytes)
    }

    /// The 20 bytes.
    package var bytes: [UInt8] { words.bytes }

    /// 40 lower-case hexadecimal digits.
    package var hex: String { Hex.encode(bytes) }

    package var description: String { hex }

    package static func < (left: Self, right: Self) -> Bool {
        let (lhs, rhs) = (left.words, right.words)
        return (lhs.first, lhs.second, lhs.third) < (rhs.first, rhs.second, rhs.third)
    }
}

/// Who a peer is: 20 bytes, checked in every handshake.
package struct PeerID: TwentyByteIdentifier {
    package let words: TwentyByteWords
    package init(words: TwentyByteWords) { self.words = words }

    /// 20 random bytes from `generator`: Kraken's `random` factory.
    package init(randomFrom generator: inout some RandomNumberGenerator) {
        words = TwentyByteWords(
            first: generator.next(),
            second: generator.next(),
            third: UInt32(truncatingIfNeeded: generator.next())
        )
    }

    /// The SHA-1 of `ip:port`: Kraken's `addr_hash` factory, the same at each start of the same host.
    package init(hashOfAddress ip: String, port: Int) {
        self = PeerID(words: sha1Words(Array("\(ip):\(port)".utf8)))
    }
}

/// Which swarm a peer is in: the SHA-1 of the blob's bencoded meta info.
package struct InfoHash: TwentyByteIdentifier {
    package let words: TwentyByteWords
    package init(words: TwentyByteWords) { self.words = words }

    /// The SHA-1 of `bytes`, a bencoded info dictionary.
    package init(hashing bytes: [UInt8]) { self = InfoHash(words: sha1Words(bytes)) }
}

/// SHA-1 names things here as the protocol demands; nothing relies on it for security.
private func sha1Words(_ bytes: [UInt8]) -> TwentyByteWords {
    Array(Insecure.SHA1.hash(data: bytes)).withUnsafeBufferPointer(TwentyByteWords.init)
}
