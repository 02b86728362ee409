// SPDX-License-Identifier: Apache-2.0

import CChecksum
import Content
import Files

import struct Crypto.SHA256

/// The SHA-256 of a blob and the CRC-32 of its pieces, taken in one pass over its bytes in order.
struct BlobHasher {
    private var sha = SHA256()
    /// How many bytes have been taken in.
    private(set) var bytes = 0
    /// The piece length; nil when no piece sums are taken.
    let pieceBytes: Int?
    private var finishedSums: [UInt32] = []
    private var currentSum: UInt32 = 0
    private var currentBytes = 0

    /// Bytes read at a time; fits the second-level cache, so that the hash reads what was just copied there.
    static let readBytes = 256 << 10

    /// A hasher of no bytes yet.
    init(pieceBytes: Int?) { self.pieceBytes = pieceBytes }

    /// Takes in the bytes that follow.
    mutating func update(_ buffer: UnsafeRawBufferPointer) {
        sha.update(bufferPointer: buffer)
        bytes += buffer.count
        guard let pieceBytes else { return }
        var rest = buffer[...]
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest.prefix(pieceBytes - currentBytes))
            currentSum = crc32(part, seed: currentSum)
            currentBytes += part.count
            rest = rest.dropFirst(part.count)
            if currentBytes == pieceBytes {
                finishedSums.append(currentSum)
                (currentSum, currentBytes) = (0, 0)
            }
        }
    }

    /// Takes in the bytes of `file` from where this hasher stands up to `end`.
    /// - Throws: `FileError`, `.wrongSize` when the file ends before.
    mutating func update(from file: SharedFile, upTo end: Int) throws {
        guard bytes < end else { return }
        try withUnsafeTemporaryAllocation(
            byteCount: min(Self.readBytes, end - bytes),
            alignment: 64
        ) { buffer in
            while bytes < end {
                let wanted = min(buffer.count, end - bytes)
                let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])
                guard try file.read(into: part, at: bytes) == wanted else {
                    throw FileError(
                        code: .wrongSize,
                        what: "hash \(file.path)",
                        why: "it ends before byte \(end)",
                        remedy: "remove it; it will be fetched again"
                    )
                }
                update(UnsafeRawBufferPointer(part))
            }
        }
    }

    /// The digest of the bytes so far.
    /// - Throws: never in practice; a SHA-256 always has 32 bytes.
    func digest() throws -> Digest {
        guard let digest = Digest(bytes: Array(sha.finalize())) else {
            throw StorageError.outOfBounds("hash", "the hash is not 32 bytes long")
        }
        return digest
    }

    /// The sums of the pieces so far, the last one perhaps short; empty when none are taken.
    var pieceSums: [UInt32] { currentBytes > 0 ? finishedSums + [currentSum] : finishedSums }
}

/// The CRC-32 of `buffer`, continuing from `seed`, zero to begin.
func crc32(_ buffer: UnsafeRawBufferPointer, seed: UInt32) -> UInt32 {
    guard let base = buffer.baseAddress else { return seed }
    return herd_crc32(seed, base.assumingMemoryBound(to: UInt8.self), buffer.count)
}
