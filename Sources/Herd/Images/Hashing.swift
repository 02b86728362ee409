// SPDX-License-Identifier: Apache-2.0

import Content
import Files

import struct Crypto.SHA256

/// SHA-256 as the name of content.
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
        var buffer = [UInt8](repeating: 0, count: min(chunkBytes, max(1, stored.range.count)))
        var offset = stored.range.lowerBound
        while offset < stored.range.upperBound {
            let wanted = min(buffer.count, stored.range.upperBound - offset)
            let count = try buffer.withUnsafeMutableBytes { bytes in
                let part = UnsafeMutableRawBufferPointer(rebasing: bytes[..<wanted])
                let count = try stored.file.read(into: part, at: offset)
                hasher.update(bufferPointer: UnsafeRawBufferPointer(rebasing: part[..<count]))
                return count
            }
            guard count > 0 else {
                throw Failure("cannot read \(stored.file.path)", why: "it ends too early")
            }
            offset += count
        }
        return digest(hasher)
    }

    private static func digest(_ hash: SHA256.Digest) -> Digest {
        guard let digest = Digest(bytes: Array(hash)) else {
            preconditionFailure("SHA-256 has 32 bytes")
        }
        return digest
    }
}
