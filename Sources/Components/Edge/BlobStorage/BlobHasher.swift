// SPDX-License-Identifier: Apache-2.0

import CChecksum
import Content
import Files

/// The SHA-256 of a blob and what checks its pieces, taken in one pass over its bytes in order.
struct BlobHasher {
    private var sha = RunningHash()
    /// The piece length; nil when nothing is noted of pieces.
    let pieceBytes: Int?
    /// The CRC-32 of each whole piece so far.
    private var finishedSums: [UInt32] = []
    /// The state of the hash at the end of each of them.
    private var states: [UInt8] = []
    private var currentSum: UInt32 = 0
    private var currentBytes = 0

    /// Bytes read at a time; fits the second-level cache, so that the hash reads what was just copied there.
    static let readBytes = 256 << 10

    /// The same, with the pieces taken together into ones of `pieceBytes`; nil where that is no multiple of theirs.
    func coarsened(to coarse: Int) -> BlobHasher? {
        guard let pieceBytes, coarse > pieceBytes, coarse.isMultiple(of: pieceBytes) else {
            return nil
        }
        let stride = coarse / pieceBytes
        var other = BlobHasher(pieceBytes: coarse)
        other.sha = sha
        for (index, sum) in finishedSums.enumerated() {
            other.currentSum = herd_crc32_combine(other.currentSum, sum, UInt64(pieceBytes))
            other.currentBytes += pieceBytes
            guard (index + 1).isMultiple(of: stride) else { continue }
            other.finishedSums.append(other.currentSum)
            other.states += states[(index * Self.stateBytes)..<((index + 1) * Self.stateBytes)]
            (other.currentSum, other.currentBytes) = (0, 0)
        }
        other.currentSum = herd_crc32_combine(other.currentSum, currentSum, UInt64(currentBytes))
        other.currentBytes += currentBytes
        return other
    }

    private static let stateBytes = PieceProof.stateBytes

    /// A hasher of no bytes yet.
    init(pieceBytes: Int?) { self.pieceBytes = pieceBytes }

    /// How many bytes have been taken in.
    var bytes: Int { sha.bytes }

    /// Takes in the bytes that follow.
    mutating func update(_ buffer: UnsafeRawBufferPointer) {
        guard let pieceBytes else { return sha.update(buffer) }
        var rest = buffer[...]
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest.prefix(pieceBytes - currentBytes))
            sha.update(part)
            currentSum = crc32(part, seed: currentSum)
            currentBytes += part.count
            rest = rest.dropFirst(part.count)
            if currentBytes == pieceBytes { finishPiece() }
        }
    }

    private mutating func finishPiece() {
        finishedSums.append(currentSum)
        states += sha.state
        (currentSum, currentBytes) = (0, 0)
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
                try file.readWhole(part, at: bytes)
                update(UnsafeRawBufferPointer(part))
            }
        }
    }

    /// The digest of the bytes so far.
    /// - Throws: never in practice; a SHA-256 always has 32 bytes.
    func digest() throws -> Digest {
        guard let digest = Digest(bytes: sha.digest) else {
            throw StorageError.outOfBounds("hash", "the hash is not 32 bytes long")
        }
        return digest
    }

    /// The meta info of the blob that was taken in and has `digest`; nil when nothing was noted of pieces.
    /// - Throws: `ContentError`, ``StorageError`` `.outOfBounds` for a piece length that is none.
    func metaInfo(of digest: Digest) throws -> MetaInfo? {
        guard let pieceBytes else { return nil }
        guard let layout = PieceLayout(blobBytes: bytes, pieceBytes: pieceBytes) else {
            throw StorageError.outOfBounds("cut \(digest) into pieces", "\(pieceBytes) a piece")
        }
        let sums = currentBytes > 0 ? finishedSums + [currentSum] : finishedSums
        // The last piece leads to the digest, so that its end is no state of the chain.
        let stateCount = pieceBytes.isMultiple(of: PieceProof.blockBytes) ? sums.count - 1 : 0
        return try MetaInfo(
            digest: digest,
            layout: layout,
            pieceSums: sums,
            pieceStates: Array(states.prefix(PieceProof.stateBytes * max(0, stateCount)))
        )
    }
}

/// The CRC-32 of `buffer`, continuing from `seed`, zero to begin.
func crc32(_ buffer: UnsafeRawBufferPointer, seed: UInt32) -> UInt32 {
    guard let base = buffer.baseAddress else { return seed }
    return herd_crc32(seed, base.assumingMemoryBound(to: UInt8.self), buffer.count)
}
