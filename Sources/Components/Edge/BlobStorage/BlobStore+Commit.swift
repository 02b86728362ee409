// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import Synchronization

// How an entry enters the cache. Everything here blocks and runs on the pool.
extension BlobStore {
    /// Verifies `directory`, whose `data` is `file`, against `digest` and makes it the cache's entry of that name.
    ///
    /// `hasher` has taken in some prefix of the file, perhaps all of it; the rest is read here. The directory is gone
    /// after success; after a failure the caller discards it.
    /// - Throws: ``StorageError`` `.digestMismatch`, `FileError`.
    func commit(
        _ directory: String,
        _ file: SharedFile,
        _ hasher: consuming BlobHasher,
        as digest: Digest,
        _ options: CommitOptions
    ) throws -> BlobInfo {
        let bytes = try file.size()
        try hasher.update(from: file, upTo: bytes)
        let actual = try hasher.digest()
        guard actual == digest else {
            throw StorageError.digestMismatch(expected: digest, actual: actual, bytes: bytes)
        }
        let sums = try options.pieceBytes.map { pieceBytes in
            if hasher.pieceBytes == pieceBytes {
                return try MetaInfo(digest: digest, blobBytes: bytes, pieceBytes, hasher.pieceSums)
            }
            var summer = PieceSummer(pieceBytes: pieceBytes)
            try summer.update(from: file, upTo: bytes)
            return try summer.metaInfo(of: digest, blobBytes: bytes)
        }
        try stageSidecars(in: directory, metaInfo: sums, options)
        if options.isDurable {
            try file.synchronize()
            try Directory.synchronize(directory)
        } else {
            try markUnflushed(directory)
        }
        let isNew = try install(
            directory,
            as: digest,
            bytes: bytes,
            isDurable: options.isDurable
        )
        if !isNew {
            discard(directory)
            // The entry that was there first lacks what this commit promises.
            if options.isPersisted { try setPersistedNow(true, digest, options.namespace) }
        }
        return BlobInfo(digest: digest, bytes: bytes)
    }

    private func stageSidecars(
        in directory: String,
        metaInfo: MetaInfo?,
        _ options: CommitOptions
    ) throws {
        func stage(_ file: DiskLayout.File, _ bytes: [UInt8]) throws {
            try AtomicFile.stage(bytes, at: directory.file(file), durable: options.isDurable)
        }
        if let metaInfo { try stage(.metaInfo, metaInfo.json) }
        if let namespace = options.namespace { try stage(.namespace, Array(namespace.name.utf8)) }
        if options.isPersisted { try stage(.persist, Array("true".utf8)) }
        try AtomicFile.stage(
            AccessTime.encode(clock()),
            at: directory.file(.lastAccess),
            durable: false
        )
    }

    /// Gives `directory` its place in the cache in one step; answers false, and leaves it where it is, when the blob is
    /// there already.
    /// - Throws: `FileError`.
    func install(
        _ directory: String,
        as digest: Digest,
        bytes: Int,
        isDurable: Bool
    ) throws -> Bool {
        let entry = layout.cacheEntry(digest)
        let parent = Directory.parent(of: entry) ?? layout.cache
        let created = try Directory.create(parent)
        let shard = shard(of: digest)
        let isNew = try shard.files.withLock { _ in
            if try FileStatus.of(entry.file(.data)) != nil { return false }
            // Sidecars without data, as Kraken's own move leaves them after a crash, are in the way.
            let remains = try moveToTrashNow(entry)
            try Directory.rename(directory, to: entry)
            if let remains { discard(remains) }
            return true
        }
        if isNew { noteAdded(bytes: bytes) }
        if isDurable, isNew {
            try Directory.synchronize(parent)
            if created != nil { try synchronizeParents(of: parent) }
        }
        return isNew
    }

    /// Makes the two levels of shard directories above an entry durable.
    private func synchronizeParents(of directory: String) throws {
        guard let first = Directory.parent(of: directory) else { return }
        try Directory.synchronize(first)
        try Directory.synchronize(layout.cache)
    }
}

/// The CRC-32 of a file's pieces without its SHA-256, for blobs whose digest is known to be right.
struct PieceSummer {
    private let pieceBytes: Int
    private var sums: [UInt32] = []

    /// A summer of pieces of `pieceBytes`, positive.
    init(pieceBytes: Int) { self.pieceBytes = pieceBytes }

    /// Sums the pieces of `file`, which is `end` bytes long.
    /// - Throws: `FileError`, ``StorageError`` `.outOfBounds` for a piece length that is none.
    mutating func update(from file: SharedFile, upTo end: Int) throws {
        guard let layout = PieceLayout(blobBytes: end, pieceBytes: pieceBytes) else {
            throw StorageError.outOfBounds("cut a blob into pieces", "\(pieceBytes) bytes a piece")
        }
        for index in 0..<layout.pieceCount {
            let piece = PieceIndex(index)
            let start = layout.offset(of: piece)
            sums.append(try Self.sum(of: file, start..<start + layout.bytes(of: piece)))
        }
    }

    /// The meta info of the blob that was summed.
    /// - Throws: `ContentError`.
    func metaInfo(of digest: Digest, blobBytes: Int) throws -> MetaInfo {
        try MetaInfo(digest: digest, blobBytes: blobBytes, pieceBytes, sums)
    }

    /// The CRC-32 of `range` of `file`, read in parts through one buffer.
    /// - Throws: `FileError`, `.wrongSize` when the file ends before.
    static func sum(of file: SharedFile, _ range: Range<Int>) throws -> UInt32 {
        guard !range.isEmpty else { return 0 }
        return try withUnsafeTemporaryAllocation(
            byteCount: min(BlobHasher.readBytes, range.count),
            alignment: 64
        ) { buffer in
            var (sum, offset) = (UInt32(0), range.lowerBound)
            while offset < range.upperBound {
                let wanted = min(buffer.count, range.upperBound - offset)
                let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])
                guard try file.read(into: part, at: offset) == wanted else {
                    throw FileError(
                        code: .wrongSize,
                        what: "sum \(file.path)",
                        why: "it ends before byte \(range.upperBound)",
                        remedy: "remove it; it will be fetched again"
                    )
                }
                sum = crc32(UnsafeRawBufferPointer(part), seed: sum)
                offset += wanted
            }
            return sum
        }
    }
}

extension MetaInfo {
    /// The meta info of a blob of `blobBytes` bytes whose pieces of `pieceBytes` have the checksums `sums`.
    /// - Throws: `ContentError`.
    init(digest: Digest, blobBytes: Int, _ pieceBytes: Int, _ sums: [UInt32]) throws {
        guard let layout = PieceLayout(blobBytes: blobBytes, pieceBytes: pieceBytes) else {
            throw StorageError.outOfBounds("cut \(digest) into pieces", "\(pieceBytes) a piece")
        }
        try self.init(digest: digest, layout: layout, pieceSums: sums)
    }
}
