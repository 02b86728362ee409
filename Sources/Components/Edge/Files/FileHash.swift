// SPDX-License-Identifier: Apache-2.0

import CChecksum

import struct Crypto.SHA256

/// The SHA-256 of a file's first bytes, to be carried on with those that follow.
///
/// Taken by ``HashLanes``, two files at a time, where the processor has SHA instructions; by the library elsewhere.
package struct FileHash: Sendable {
    /// One message's state; the library's where the processor has no instructions for it.
    private enum State {
        case lane(herd_sha256)
        case library(SHA256)
    }

    private var state: State
    /// How many of the file's bytes have been taken in.
    package private(set) var bytes = 0

    /// A hash of no bytes yet.
    package init() {
        state = Self.isAccelerated ? .lane(herd_sha256_begin()) : .library(SHA256())
    }

    /// A hash of no bytes yet that the library takes, as on processors without SHA instructions.
    package static func portable() -> FileHash {
        var hash = FileHash()
        hash.state = .library(SHA256())
        return hash
    }

    private static let isAccelerated = herd_sha256_is_accelerated()
    /// Bytes of a block: a hash stands at a multiple of it until it is finished.
    package static let blockBytes = 64

    /// Takes in whole blocks.
    mutating func update(_ blocks: UnsafeRawBufferPointer) {
        bytes += blocks.count
        switch state {
        case .library(var sha):
            sha.update(bufferPointer: blocks)
            state = .library(sha)
        case .lane(var lane):
            guard let base = blocks.baseAddress else { return }
            herd_sha256_update(&lane, base, blocks.count / Self.blockBytes)
            state = .lane(lane)
        }
    }

    /// Takes in whole blocks of two files at once, as many of the one as of the other.
    static func update(
        _ first: inout FileHash,
        _ firstBlocks: UnsafeRawBufferPointer,
        _ second: inout FileHash,
        _ secondBlocks: UnsafeRawBufferPointer
    ) {
        guard case .lane(var one) = first.state, case .lane(var other) = second.state,
            let oneBase = firstBlocks.baseAddress, let otherBase = secondBlocks.baseAddress
        else {
            first.update(firstBlocks)
            second.update(secondBlocks)
            return
        }
        let count = firstBlocks.count
        herd_sha256_update_pair(&one, oneBase, &other, otherBase, count / blockBytes)
        (first.state, second.state) = (.lane(one), .lane(other))
        first.bytes += count
        second.bytes += count
    }

    /// The 32 bytes of the digest; `tail` are the file's bytes after those taken in, fewer than a block.
    func finish(_ tail: UnsafeRawBufferPointer) -> [UInt8] {
        let total = bytes + tail.count
        switch state {
        case .library(var sha):
            sha.update(bufferPointer: tail)
            return Array(sha.finalize())
        case .lane(var lane):
            return [UInt8](unsafeUninitializedCapacity: SHA256.byteCount) { digest, count in
                count = SHA256.byteCount
                guard let base = digest.baseAddress else { return }
                herd_sha256_finish(&lane, tail.baseAddress, tail.count, UInt64(total), base)
            }
        }
    }
}

extension SharedFile {
    /// The SHA-256, 32 bytes, of the first `end` bytes of the file, of which `hash` has taken in all whole blocks.
    /// - Throws: ``FileError``, `.wrongSize` when the file ends before.
    package func digest(finishing hash: FileHash, at end: Int) throws -> [UInt8] {
        let start = hash.bytes
        return try withUnsafeTemporaryAllocation(
            byteCount: FileHash.blockBytes,
            alignment: FileHash.blockBytes
        ) { buffer in
            let tail = UnsafeMutableRawBufferPointer(rebasing: buffer[..<(end - start)])
            try readWhole(tail, at: start)
            return hash.finish(UnsafeRawBufferPointer(tail))
        }
    }

    /// Fills `buffer` with the bytes from `offset` on.
    /// - Throws: ``FileError``, `.wrongSize` when the file ends before.
    func readWhole(_ buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
        guard try read(into: buffer, at: offset) == buffer.count else {
            throw FileError(
                code: .wrongSize,
                what: "hash \(path)",
                why: "it ends before byte \(offset + buffer.count)",
                remedy: "remove it; it will be fetched again"
            )
        }
    }
}
