// SPDX-License-Identifier: Apache-2.0

package import Content
import Files
import Logging
import Primitives
import Synchronization
import Telemetry

// What is asked of the cache and its sidecars. Methods that end in `Now` block and run on the pool.
extension BlobStore {
    /// Whether `digest` is cached, and how long it is; nil when it is not. Waits for a small one that is just being flushed.
    /// - Throws: `FileError`.
    package func info(of digest: Digest) async throws -> BlobInfo? {
        if let blob = shard(of: digest).flushedBlob(digest) {
            return BlobInfo(digest: digest, bytes: blob.bytes)
        }
        return try await pool.run { try self.trustedInfoNow(digest) }
    }

    /// Whether all of `digests` are cached, in the sense of ``info(of:)``.
    /// - Throws: `FileError`.
    package func hasAll(of digests: [Digest]) async throws -> Bool {
        let rest = digests.filter { shard(of: $0).flushedBlob($0) == nil }
        guard !rest.isEmpty else { return true }
        return try await pool.run {
            try rest.allSatisfy { try self.trustedInfoNow($0) != nil }
        }
    }

    /// What is cached as `digest`, if that may be opened; nil when nothing is. Waits for one that is being flushed, and so is not
    /// to be called holding a lock of its shard.
    func trustedInfoNow(_ digest: Digest) throws -> BlobInfo? {
        func look() throws -> BlobInfo? {
            try isTrustworthyNow(digest) ? infoNow(digest) : nil
        }
        let shard = shard(of: digest)
        let flushChanges = shard.flushChanges()
        guard let info = try look() else { return nil }
        if shard.isSettled(digest, since: flushChanges) { return info }
        return try shard.sidecars.withLock { _ in try look() }
    }

    func infoNow(_ digest: Digest) throws -> BlobInfo? {
        let path = layout.cacheEntry(digest).file(.data)
        return try FileStatus.of(path).map { BlobInfo(digest: digest, bytes: $0.bytes) }
    }

    /// The cached blob `digest`, open for reading; nil when it is not cached. It stays while the value lives.
    /// - Throws: `FileError`.
    package func cachedBlob(_ digest: Digest) async throws -> CachedBlob? {
        if let blob = shard(of: digest).cachedBlob(digest) {
            blob.noteUse()
            return blob
        }
        return try await pool.run { try self.openCachedNow(digest) }
    }

    /// - Parameter isTrusted: whether its entry is known to be as it was committed in this boot.
    func openCachedNow(_ digest: Digest, isTrusted: Bool = false) throws -> CachedBlob? {
        let shard = shard(of: digest)
        guard try isTrusted || shard.cachedBlob(digest) != nil || isTrustworthyNow(digest) else {
            return nil
        }
        let entry = layout.cacheEntry(digest)
        let blob = try shard.files.withLock { _ -> CachedBlob? in
            if let blob = shard.cachedBlob(digest) { return blob }
            let file: SharedFile
            do {
                file = try SharedFile.openForReading(entry.file(.data))
            } catch let error as FileError where error.code == .notFound {
                return nil
            }
            let blob = CachedBlob(
                digest: digest,
                bytes: try file.size(),
                file: file,
                // While it is owed there need be none.
                recordedAt: try lastAccess(in: entry) ?? (isPersistedNow(in: entry) ? clock() : 0),
                store: self
            )
            shard.insert(blob)
            return blob
        }
        blob?.noteUse()
        return blob
    }

    func lastAccess(in entry: String) throws -> Int64? {
        try AtomicFile.read(entry.file(.lastAccess), bytesMax: 64).flatMap(AccessTime.decode)
    }

    func writeAccess(_ time: Int64, in entry: String) throws {
        try AtomicFile.write(
            AccessTime.encode(time),
            to: entry.file(.lastAccess),
            durable: false,
            temporaryDirectory: layout.upload
        )
    }

    /// Records in the background that `digest` was used at `time`; without effect when it is gone by then.
    func recordAccess(to digest: Digest, at time: Int64) {
        pool.execute { [self] isActive in
            guard isActive else { return }
            do {
                try writeAccess(time, in: layout.cacheEntry(digest))
            } catch let error as FileError where error.code == .notFound {
                return
            } catch {
                log.warning("could not record an access time", metadata: [LogKey.error: "\(error)"])
            }
        }
    }

    /// The meta info kept beside the cached or downloading blob `digest`; nil when there is none that can be read.
    /// - Throws: `FileError`.
    package func metaInfo(of digest: Digest) async throws -> MetaInfo? {
        try await pool.run {
            try self.metaInfoNow(in: self.layout.cacheEntry(digest), of: digest)
        }
    }

    func metaInfoNow(in entry: String, of digest: Digest) throws -> MetaInfo? {
        let limits = configuration.limits
        guard
            let bytes = try AtomicFile.read(
                entry.file(.metaInfo),
                bytesMax: limits.metaInfoBytesMax
            )
        else { return nil }
        do {
            let metaInfo = try MetaInfo(parsing: bytes, limits: limits)
            return metaInfo.digest == digest ? metaInfo : nil
        } catch {
            log.warning(
                "ignoring unreadable meta info",
                metadata: [LogKey.blobDigest: "\(digest)", LogKey.error: "\(error)"]
            )
            return nil
        }
    }

    /// Keeps `metaInfo` beside its cached blob, in place of what was there.
    /// - Throws: ``StorageError`` `.notCached` or `.outOfBounds` when it speaks of another length, `FileError`.
    package func setMetaInfo(_ metaInfo: MetaInfo) async throws {
        try await pool.run {
            let digest = metaInfo.digest
            guard let info = try self.infoNow(digest) else {
                throw StorageError.notCached(digest, "set the meta info of")
            }
            guard info.bytes == metaInfo.layout.blobBytes else {
                throw StorageError.outOfBounds(
                    "set the meta info of \(digest)",
                    "it is \(info.bytes) bytes long, not \(metaInfo.layout.blobBytes)"
                )
            }
            try self.writeSidecar(.metaInfo, metaInfo.json, of: digest, durable: false)
        }
    }

    /// Makes the meta info of the cached blob `digest` anew, in pieces of `pieceBytes`, and keeps it.
    /// - Throws: ``StorageError`` `.notCached`, `FileError`, `ContentError`.
    package func makeMetaInfo(of digest: Digest, pieceBytes: Int) async throws -> MetaInfo {
        guard let blob = try await cachedBlob(digest) else {
            throw StorageError.notCached(digest, "make the meta info of")
        }
        return try await pool.run {
            var hasher = BlobHasher(pieceBytes: pieceBytes)
            try hasher.update(from: blob.file, upTo: blob.bytes)
            guard let metaInfo = try hasher.metaInfo(of: digest) else {
                throw StorageError.outOfBounds("cut \(digest) into pieces", "no piece length")
            }
            try self.writeSidecar(.metaInfo, metaInfo.json, of: digest, durable: false)
            return metaInfo
        }
    }

    /// Replaces a sidecar of the cached blob `digest`.
    ///
    /// The bytes are written beside the cache; only the rename happens under the shard's lock, so that the clean-up sees
    /// either the old entry or the new one.
    func writeSidecar(
        _ file: DiskLayout.File,
        _ bytes: [UInt8],
        of digest: Digest,
        durable: Bool
    ) throws {
        let entry = layout.cacheEntry(digest)
        let staged = temporaryPath()
        try AtomicFile.stage(bytes, at: staged, durable: durable)
        do {
            try shard(of: digest).files.withLock { _ in
                guard try FileStatus.of(entry.file(.data)) != nil else {
                    throw StorageError.notCached(digest, "note something about")
                }
                try Directory.rename(staged, to: entry.file(file))
            }
        } catch {
            discard(staged)
            throw error
        }
        if durable { try Directory.synchronize(entry) }
    }

    /// Removes `digest` from the cache, and what has been downloaded of it unless that goes on; who has it open may read
    /// on. Answers whether there was anything.
    /// - Throws: ``StorageError`` `.isPersisted` while it is not written back, `FileError`.
    @discardableResult package func delete(_ digest: Digest) async throws -> Bool {
        try await pool.run {
            let shard = self.shard(of: digest)
            let cached = self.layout.cacheEntry(digest)
            let download = self.layout.downloadEntry(digest)
            let removed = try shard.files.withLock { _ -> [String] in
                guard try !self.isPersistedNow(in: cached) else {
                    throw StorageError.isPersisted(digest)
                }
                var removed: [String] = []
                if let trash = try self.moveToTrashNow(cached) {
                    removed.append(trash)
                    try self.noteRemoved(trash)
                }
                shard.removeCached(digest)
                if !shard.isDownloading(digest),
                    let trash = try self.moveToTrashNow(download)
                {
                    removed.append(trash)
                }
                return removed
            }
            for trash in removed { self.discard(trash) }
            return !removed.isEmpty
        }
    }

    /// Takes the entry out of its place in one step; answers where it lies until it is removed, nil when there was none.
    func moveToTrashNow(_ entry: String) throws -> String? {
        // Mostly there is nothing; then no name need be made up.
        guard try FileStatus.of(entry) != nil else { return nil }
        let trash = temporaryPath()
        do {
            try Directory.rename(entry, to: trash)
            return trash
        } catch let error as FileError where error.code == .notFound {
            return nil
        }
    }
}
