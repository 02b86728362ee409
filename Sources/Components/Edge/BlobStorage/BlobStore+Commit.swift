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
        let isNew =
            if options.isDurable {
                try installDurably(directory, file, as: digest, bytes: bytes)
            } else {
                try installUnflushed(directory, as: digest, bytes: bytes)
            }
        if !isNew {
            discard(directory)
            // The entry that was there first lacks what this commit promises.
            if options.isPersisted { try setPersistedNow(true, digest, options.namespace) }
        }
        return BlobInfo(digest: digest, bytes: bytes)
    }

    /// Bytes of the largest blob that is flushed in its place, for which others of its shard may have to wait.
    private static let flushedInPlaceBytesMax = 1 << 20

    /// Gives `directory` its place and returns once bytes and names are on the disk; false when the blob was there already.
    private func installDurably(
        _ directory: String,
        _ file: SharedFile,
        as digest: Digest,
        bytes: Int
    ) throws -> Bool {
        guard bytes > Self.flushedInPlaceBytesMax || bootIdentity.isEmpty else {
            return try installAndFlush(directory, file, as: digest, bytes: bytes)
        }
        try file.synchronize()
        try Directory.synchronize(directory)
        let installation = try install(directory, as: digest, bytes: bytes)
        if installation.isNew {
            try synchronizeName(of: layout.cacheEntry(digest), installation)
        }
        return installation.isNew
    }

    /// The same the other way round, so that a file system with a journal writes bytes and names together instead of one after
    /// the other. Until then its mark says that the bytes have to be looked at after a power cut.
    ///
    /// Others can read it before it is on the disk. Who relies on it, because a second upload need not come or a manifest refers
    /// to it, waits in ``trustedInfoNow(_:)`` or ``setPersistedNow(_:_:_:)`` until it is, or finds it gone.
    private func installAndFlush(
        _ directory: String,
        _ file: SharedFile,
        as digest: Digest,
        bytes: Int
    ) throws -> Bool {
        try markUnflushed(directory)
        // Someone may delete it, and put another one in its place, before it is on the disk.
        let own = try OpenDirectory(directory)
        let shard = shard(of: digest)
        return try shard.sidecars.withLock { _ in
            shard.beginFlushing(digest)
            defer { shard.endFlushing() }
            let installation = try install(directory, as: digest, bytes: bytes)
            guard installation.isNew else { return false }
            do {
                try file.synchronize()
                try own.synchronize()
                try synchronizeName(of: layout.cacheEntry(digest), installation)
                try own.remove(DiskLayout.File.unflushed.rawValue)
            } catch let error as FileError where error.code == .notFound {
                // It was deleted, with the directory that it was in.
            } catch {
                // What the disk has lost the system takes for written from now on, so nobody may find it.
                try removeDamagedNow(digest) { try own.isNamed(layout.cacheEntry(digest)) }
                throw error
            }
            return true
        }
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

    /// What became of an entry that was to have its place.
    struct Installation {
        /// Whether it has it; else the blob was there already, and the entry lies where it was.
        let isNew: Bool
        /// The directories that were made for it, the topmost one; nil when there are none.
        fileprivate let made: String?
    }

    /// Gives `directory` its place in the cache in one step, unless the blob is there already.
    /// - Throws: `FileError`.
    func install(_ directory: String, as digest: Digest, bytes: Int) throws -> Installation {
        let entry = layout.cacheEntry(digest)
        let made = try Directory.create(Directory.parent(of: entry) ?? layout.cache)
        let isNew = try shard(of: digest).files.withLock { _ in
            if try FileStatus.of(entry.file(.data)) != nil { return false }
            // Sidecars without data, as Kraken's own move leaves them after a crash, are in the way.
            let remains = try moveToTrashNow(entry)
            try Directory.rename(directory, to: entry)
            if let remains { discard(remains) }
            return true
        }
        if isNew { noteAdded(bytes: bytes) }
        return Installation(isNew: isNew, made: made)
    }

    /// Returns once the disk knows that `entry` is where it is.
    private func synchronizeName(of entry: String, _ installation: Installation) throws {
        let parent = Directory.parent(of: entry) ?? layout.cache
        try Directory.synchronize(parent, made: installation.made)
    }
}
