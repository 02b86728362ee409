// SPDX-License-Identifier: Apache-2.0

import Content
import Files

import struct Crypto.SHA256

/// The hash by which content is named, of bytes as they come.
struct ContentSum: Sendable {
    private var sha256: SHA256?
    private var sha512: SHA512Sum?

    /// The sum of no bytes yet, to be compared with `name`.
    init(like name: ContentDigest) {
        switch name {
        case .sha256: sha256 = SHA256()
        case .sha512: sha512 = SHA512Sum()
        }
    }

    /// Takes in the bytes that follow.
    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        sha256?.update(bufferPointer: bytes)
        sha512?.update(bytes)
    }

    /// The name of the bytes so far.
    var name: ContentDigest {
        if let sha512 { return .sha512(sha512.digest) }
        return .sha256(Hashing.digest(sha256 ?? SHA256()))
    }
}

/// Hashes as names of content.
enum Hashing {
    /// Bytes hashed at a time from a file.
    static let chunkBytes = 1 << 20

    /// The digest of `bytes`.
    static func digest(of bytes: [UInt8]) -> Digest { digest(SHA256.hash(data: bytes)) }

    /// The digest that `hasher` has come to.
    static func digest(_ hasher: SHA256) -> Digest { digest(hasher.finalize()) }

    /// The digest of bytes on disk; blocks while it reads them.
    static func digest(of stored: StoredBytes) throws -> Digest {
        var hasher = SHA256()
        try read(stored) { hasher.update(bufferPointer: $0) }
        return digest(hasher)
    }

    /// Whether `name` is that of bytes on disk; blocks while it reads them.
    static func isRight(_ stored: StoredBytes, as name: ContentDigest) throws -> Bool {
        var sum = ContentSum(like: name)
        try read(stored) { sum.update($0) }
        return sum.name == name
    }

    private static func read(
        _ stored: StoredBytes,
        _ body: (UnsafeRawBufferPointer) -> Void
    ) throws {
        var buffer = [UInt8](repeating: 0, count: min(chunkBytes, max(1, stored.range.count)))
        var offset = stored.range.lowerBound
        while offset < stored.range.upperBound {
            let wanted = min(buffer.count, stored.range.upperBound - offset)
            let count = try buffer.withUnsafeMutableBytes { bytes in
                let part = UnsafeMutableRawBufferPointer(rebasing: bytes[..<wanted])
                let count = try stored.file.read(into: part, at: offset)
                body(UnsafeRawBufferPointer(rebasing: part[..<count]))
                return count
            }
            guard count > 0 else {
                throw Failure("cannot read \(stored.file.path)", why: "it ends too early")
            }
            offset += count
        }
    }

    private static func digest(_ hash: SHA256.Digest) -> Digest {
        guard let digest = Digest(bytes: Array(hash)) else {
            preconditionFailure("SHA-256 has 32 bytes")
        }
        return digest
    }
}
