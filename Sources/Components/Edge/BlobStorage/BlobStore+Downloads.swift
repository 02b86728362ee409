// SPDX-License-Identifier: Apache-2.0

package import Content
import Files
import Primitives
import Synchronization

// Downloads: opened, resumed, listed. Methods that end in `Now` block and run on the pool.
extension BlobStore {
    /// The cached blob that `metaInfo` describes or, when there is none, its download, resumed where an earlier run of the
    /// process stopped. Whoever opens the same download meanwhile gets the same object.
    ///
    /// Pieces that the sidecar claims are summed again before they count, so a power cut can't make us serve wrong bytes.
    /// - Throws: ``StorageError`` `.metaInfoDiffers`; `FileError`, `.noSpace` when the disk can't take the blob.
    package func openDownload(
        _ metaInfo: MetaInfo,
        namespace: Namespace
    ) async throws -> DownloadTarget {
        let shard = shard(of: metaInfo.digest)
        if let blob = shard.cachedBlob(metaInfo.digest) {
            blob.noteUse()
            return .cached(blob)
        }
        if let download = shard.download(metaInfo.digest) {
            return .download(try download.checked(against: metaInfo))
        }
        await shard.beginOpening(metaInfo.digest)
        defer { shard.endOpening(metaInfo.digest) }
        return try await pool.run {
            try self.makingRoom { try self.openDownloadNow(metaInfo, namespace) }
        }
    }

    private func openDownloadNow(
        _ metaInfo: MetaInfo,
        _ namespace: Namespace
    ) throws -> DownloadTarget {
        let digest = metaInfo.digest
        if let blob = try openCachedNow(digest) {
            if try metaInfoNow(in: layout.cacheEntry(digest), of: digest) == nil,
                metaInfo.layout.blobBytes == blob.bytes
            {
                try AtomicFile.write(
                    metaInfo.json,
                    to: layout.cacheEntry(digest).file(.metaInfo),
                    durable: false,
                    temporaryDirectory: layout.upload
                )
            }
            return .cached(blob)
        }
        let shard = shard(of: digest)
        if let download = shard.download(digest) {
            return .download(try download.checked(against: metaInfo))
        }
        let download = try resumeNow(metaInfo, namespace) ?? createNow(metaInfo, namespace)
        shard.insert(download)
        return .download(download)
    }

    /// What an earlier run has left of the download; nil when there is nothing, or nothing that fits.
    private func resumeNow(_ metaInfo: MetaInfo, _ namespace: Namespace) throws -> BlobDownload? {
        let entry = layout.downloadEntry(metaInfo.digest)
        guard try metaInfoNow(in: entry, of: metaInfo.digest)?.infoHash == metaInfo.infoHash,
            try FileStatus.of(entry.file(.data))?.bytes == metaInfo.layout.blobBytes
        else { return nil }
        let file = try SharedFile.openForUpdate(entry.file(.data))
        guard Self.needsStatus(metaInfo) else {
            return BlobDownload(
                metaInfo: metaInfo,
                namespace: namespace,
                file: file,
                in: entry,
                status: nil,
                held: Bitfield(pieceCount: metaInfo.layout.pieceCount),
                store: self
            )
        }
        let claims =
            try AtomicFile.read(
                entry.file(.status),
                bytesMax: configuration.limits.piecesPerBlobMax
            ) ?? []
        var held = Bitfield(pieceCount: metaInfo.layout.pieceCount)
        for index in 0..<min(claims.count, metaInfo.layout.pieceCount) where claims[index] == 1 {
            let piece = PieceIndex(index)
            if try PieceCheck.holds(piece, of: metaInfo, in: file) { held.insert(piece) }
        }
        // The claims are written anew: one that turned out to be wrong must not survive another restart.
        let status = (0..<held.pieceCount).map { held.contains(PieceIndex($0)) ? UInt8(1) : 0 }
        try AtomicFile.write(
            status,
            to: entry.file(.status),
            durable: false,
            temporaryDirectory: layout.upload
        )
        return try BlobDownload(
            metaInfo: metaInfo,
            namespace: namespace,
            file: file,
            in: entry,
            status: SharedFile.openForUpdate(entry.file(.status)),
            held: held,
            store: self
        )
    }

    /// Whether there may be anything for a restart to go on with: with one piece, the blob is whole as soon as there is.
    private static func needsStatus(_ metaInfo: MetaInfo) -> Bool { metaInfo.layout.pieceCount > 1 }

    /// A new, empty download; its entry appears in one step, complete with sidecars and all of its blocks. One of a single
    /// piece has none and waits for its commit among what a restart throws away, which spares it three directories.
    private func createNow(_ metaInfo: MetaInfo, _ namespace: Namespace) throws -> BlobDownload {
        let staged = temporaryPath()
        try Directory.create(staged)
        do {
            let pieceCount = metaInfo.layout.pieceCount
            let file = try SharedFile.create(
                staged.file(.data),
                bytes: metaInfo.layout.blobBytes,
                preallocate: true
            )
            let status =
                Self.needsStatus(metaInfo)
                ? try SharedFile.create(
                    staged.file(.status),
                    bytes: pieceCount,
                    preallocate: false
                ) : nil
            func stage(_ file: DiskLayout.File, _ bytes: [UInt8]) throws {
                try AtomicFile.stage(bytes, at: staged.file(file), durable: false)
            }
            try stage(.metaInfo, metaInfo.json)
            try stage(.namespace, Array(namespace.name.utf8))
            try stage(.lastAccess, AccessTime.encode(clock()))
            if status != nil { try placeDownloadNow(staged, metaInfo.digest) }
            return BlobDownload(
                metaInfo: metaInfo,
                namespace: namespace,
                file: file,
                in: status == nil ? staged : layout.downloadEntry(metaInfo.digest),
                status: status,
                held: Bitfield(pieceCount: pieceCount),
                store: self
            )
        } catch {
            discard(staged)
            throw error
        }
    }

    private func placeDownloadNow(_ staged: String, _ digest: Digest) throws {
        let entry = layout.downloadEntry(digest)
        try Directory.create(Directory.parent(of: entry) ?? layout.download)
        let shard = shard(of: digest)
        let remains = try shard.files.withLock { _ -> String? in
            // What lies there did not fit, and nobody uses it: opening is one at a time.
            let remains = try moveToTrashNow(entry)
            try Directory.rename(staged, to: entry)
            return remains
        }
        if let remains { discard(remains) }
    }

    /// What earlier runs of the process have begun to download and not finished, with the namespace if it is known.
    /// - Throws: `FileError`.
    package func unfinishedDownloads() async throws -> [(MetaInfo, Namespace?)] {
        var found: [(MetaInfo, Namespace?)] = []
        for prefix in try await entryPrefixes(of: layout.download) {
            found += try await pool.run {
                try self.entriesNow(in: prefix).compactMap { digest in
                    let entry = self.layout.downloadEntry(digest)
                    guard let metaInfo = try self.metaInfoNow(in: entry, of: digest) else {
                        return nil
                    }
                    return (metaInfo, try self.namespacesNow(in: entry).first)
                }
            }
        }
        return found
    }

    /// Moves the finished download of `digest` in `entry`, whose bytes are verified, into the cache.
    /// - Throws: `FileError`.
    func installDownloadNow(
        _ digest: Digest,
        _ file: SharedFile,
        from entry: String
    ) throws -> CachedBlob {
        let isNew = try installUnflushed(entry, as: digest, bytes: try file.size())
        let shard = shard(of: digest)
        if !isNew, let trash = try moveToTrashNow(entry) { discard(trash) }
        shard.removeDownload(digest)
        // In a new entry the mark that would have it checked is our own.
        guard let blob = try openCachedNow(digest, isTrusted: isNew) else {
            throw StorageError.notCached(digest, "open")
        }
        return blob
    }

    /// Removes what has been downloaded of `digest`, which lies in `entry`.
    /// - Throws: `FileError`.
    func deleteDownloadNow(_ digest: Digest, in entry: String) throws {
        let shard = shard(of: digest)
        let trash = try shard.files.withLock { _ -> String? in
            shard.removeDownload(digest)
            return try moveToTrashNow(entry)
        }
        if let trash { discard(trash) }
    }
}
