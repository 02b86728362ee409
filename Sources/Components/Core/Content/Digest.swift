// SPDX-License-Identifier: Apache-2.0

/// The name of a blob: the algorithm and hash of its bytes, `sha256:` and 64 hexadecimal digits.
///
/// Kept as the 32 bytes of the hash, so equal digests in different case are equal.
package struct Digest: Hashable, Comparable, Sendable, CustomStringConvertible {
    private let words: Words

    /// The hash as four big-endian words.
    ///
    /// Not a `SIMD4`: that wants an alignment of 32 bytes, which the frames of asynchronous functions don't have, and
    /// Swift 6.3 then writes past their ends.
    private struct Words: Hashable, Sendable {
        var first: UInt64 = 0
        var second: UInt64 = 0
        var third: UInt64 = 0
        var fourth: UInt64 = 0

        init() {}

        /// The words that `bytes`, 32 of them, make.
        init(_ bytes: UnsafeBufferPointer<UInt8>) {
            for (index, byte) in bytes.enumerated() {
                self[index / 8] = self[index / 8] << 8 | UInt64(byte)
            }
        }

        subscript(index: Int) -> UInt64 {
            get {
                switch index {
                case 0: first
                case 1: second
                case 2: third
                default: fourth
                }
            }
            set {
                switch index {
                case 0: first = newValue
                case 1: second = newValue
                case 2: third = newValue
                default: fourth = newValue
                }
            }
        }
    }

    /// Bytes of the hash.
    package static let byteCount = 32
    /// What precedes the hexadecimal digits.
    package static let prefix = "sha256:"

    /// The digest whose hash is `bytes`; nil unless there are 32.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        words =
            bytes.withContiguousStorageIfAvailable(Words.init)
            ?? Array(bytes).withUnsafeBufferPointer(Words.init)
    }

    /// The digest spelled by 64 hexadecimal digits without an algorithm, as file names and the peer protocol have it.
    package init?(hex: some StringProtocol) {
        guard hex.utf8.count == 2 * Self.byteCount, let bytes = Hex.decode(hex) else { return nil }
        self.init(bytes: bytes)
    }

    /// The digest spelled `sha256:<64 hexadecimal digits>`.
    /// - Throws: `.invalidDigest` with what is wrong.
    package init(parsing text: some StringProtocol) throws(ContentError) {
        guard text.hasPrefix(Self.prefix) else {
            throw ContentError(
                .invalidDigest,
                what: "parse digest",
                why: "expected sha256:<64 hex digits>"
            )
        }
        guard let digest = Digest(hex: text.dropFirst(Self.prefix.count)) else {
            throw ContentError(
                .invalidDigest,
                what: "parse digest",
                why: "expected 64 hex digits after sha256:"
            )
        }
        self = digest
    }

    /// The 32 bytes of the hash.
    package var bytes: [UInt8] {
        (0..<Self.byteCount).map {
            UInt8(truncatingIfNeeded: words[$0 / 8] >> UInt64(56 - $0 % 8 * 8))
        }
    }

    /// The hash as 64 lower-case hexadecimal digits.
    package var hex: String { Hex.encode(bytes) }

    /// How many hexadecimal digits both begin with.
    package func commonDigits(with other: Digest) -> Int {
        for index in 0..<4 where words[index] != other.words[index] {
            return index * 16 + (words[index] ^ other.words[index]).leadingZeroBitCount / 4
        }
        return 64
    }

    /// The first four hexadecimal digits: what placement hashes.
    package var shardID: String { String(hex.prefix(4)) }

    package var description: String { Self.prefix + hex }

    package static func < (left: Digest, right: Digest) -> Bool {
        for index in 0..<4 where left.words[index] != right.words[index] {
            return left.words[index] < right.words[index]
        }
        return false
    }
}
