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
        let metaInfo = try options.pieceBytes.flatMap { pieceBytes in
            if hasher.pieceBytes == pieceBytes { return try hasher.metaInfo(of: digest) }
            // Taken in before the size was known, and so in the shortest pieces.
            if let coarse = hasher.coarsened(to: pieceBytes) {
                return try coarse.metaInfo(of: digest)
            }
            var other = BlobHasher(pieceBytes: pieceBytes)
            try other.update(from: file, upTo: bytes)
            return try other.metaInfo(of: digest)
        }
        try stageSidecars(in: directory, metaInfo: metaInfo, options)
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

    /// None of them waits for the disk: what the entry's directory is flushed for is that they are there. After a power cut one
    /// may be empty, and then `_persist` says that the blob is owed, as does the queue, which knows to whom; meta info is made
    /// anew.
    private func stageSidecars(
        in directory: String,
        metaInfo: MetaInfo?,
        _ options: CommitOptions
    ) throws {
        func stage(_ file: DiskLayout.File, _ bytes: [UInt8]) throws {
            try AtomicFile.stage(bytes, at: directory.file(file), durable: false)
        }
        if let metaInfo { try stage(.metaInfo, metaInfo.json) }
        if let namespace = options.namespace { try stage(.namespace, Array(namespace.name.utf8)) }
        if options.isPersisted { try stage(.persist, Array("true".utf8)) }
        // What is owed can't be evicted, so that when it was used matters from its write-back on.
        if !options.isPersisted { try stage(.lastAccess, AccessTime.encode(clock())) }
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
            // A directory that was made for it has its name in the one above.
            if let created, let above = Directory.parent(of: created) {
                try Directory.synchronizeNames(from: above, to: parent)
            }
        }
        return isNew
    }
}
