// SPDX-License-Identifier: Apache-2.0

import Crypto

/// Another name of content: the SHA-512 of its bytes, `sha512:` and 128 hexadecimal digits.
///
/// Content is stored and travels under its SHA-256; what an SHA-512 stands for, repositories remember
/// (``ReservedTag/alias(_:)``).
package struct SHA512Digest: Hashable, Sendable, CustomStringConvertible {
    /// The 64 bytes of the hash.
    package let bytes: [UInt8]

    /// Bytes of the hash.
    package static let byteCount = 64
    /// What precedes the hexadecimal digits.
    package static let prefix = "sha512:"

    /// The digest whose hash is `bytes`; nil unless there are 64.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = Array(bytes)
    }

    /// The digest of `bytes`, for small ones such as manifests.
    package init(hashing bytes: [UInt8]) {
        var sum = SHA512Sum()
        bytes.withUnsafeBytes { sum.update($0) }
        self = sum.digest
    }

    /// The digest spelled `sha512:<128 hexadecimal digits>`.
    /// - Throws: `.invalidDigest` with what is wrong.
    package init(parsing text: some StringProtocol) throws(ContentError) {
        guard text.hasPrefix(Self.prefix),
            let bytes = Hex.decode(text.dropFirst(Self.prefix.count)),
            bytes.count == Self.byteCount
        else {
            throw ContentError(
                .invalidDigest,
                what: "parse digest",
                why: "expected sha512:<128 hex digits>"
            )
        }
        self.bytes = bytes
    }

    /// The hash as 128 lower-case hexadecimal digits.
    package var hex: String { Hex.encode(bytes) }

    package var description: String { Self.prefix + hex }

    /// What stands for this name where only an SHA-256 has a place: the first half of the hash.
    ///
    /// Nobody knows content whose SHA-256 that is, so under it nothing is ever found. In hexadecimal it is what the
    /// referrers tag of the specification has of an SHA-512.
    package var standIn: Digest {
        guard let digest = Digest(bytes: bytes.prefix(Digest.byteCount)) else {
            preconditionFailure("64 bytes have a first half of 32")
        }
        return digest
    }
}

/// An SHA-512 that runs along with bytes as they come.
package struct SHA512Sum: Sendable {
    private var hash = SHA512()
    /// How many bytes have been taken in.
    package private(set) var bytes = 0

    /// A sum of no bytes yet.
    package init() {}

    /// Takes in the bytes that follow.
    package mutating func update(_ next: UnsafeRawBufferPointer) {
        hash.update(bufferPointer: next)
        bytes += next.count
    }

    /// The digest of the bytes so far.
    package var digest: SHA512Digest {
        guard let digest = SHA512Digest(bytes: Array(hash.finalize())) else {
            preconditionFailure("an SHA-512 has 64 bytes")
        }
        return digest
    }
}

/// The name of content as clients and manifests have it: by either algorithm of the specification.
/// - Source: OCI image specification 1.1, "Registered Algorithms".
package enum ContentDigest: Hashable, Sendable, CustomStringConvertible {
    case sha256(Digest)
    case sha512(SHA512Digest)

    /// The digest that `text` spells.
    /// - Throws: `.invalidDigest` with what is wrong.
    package init(parsing text: some StringProtocol) throws(ContentError) {
        self =
            text.hasPrefix(SHA512Digest.prefix)
            ? .sha512(try SHA512Digest(parsing: text)) : .sha256(try Digest(parsing: text))
    }

    /// Whether it names `bytes`.
    package func names(_ bytes: [UInt8]) -> Bool {
        switch self {
        case .sha256(let digest): Digest(hashing: bytes) == digest
        case .sha512(let digest): SHA512Digest(hashing: bytes) == digest
        }
    }

    /// What records of this name are kept under, where only an SHA-256 has a place.
    package var key: Digest {
        switch self {
        case .sha256(let digest): digest
        case .sha512(let digest): digest.standIn
        }
    }

    /// What hash it is, as an image layout calls the folder of such names: `sha256` or `sha512`.
    package var algorithm: String {
        switch self {
        case .sha256: "sha256"
        case .sha512: "sha512"
        }
    }

    /// The hash as lower-case hexadecimal digits.
    package var hex: String {
        switch self {
        case .sha256(let digest): digest.hex
        case .sha512(let digest): digest.hex
        }
    }

    package var description: String { "\(algorithm):\(hex)" }
}
