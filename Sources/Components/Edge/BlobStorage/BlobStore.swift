// SPDX-License-Identifier: Apache-2.0

package import Content
package import Files
package import Logging
package import Primitives
import Synchronization
import Telemetry

/// Content-addressed files on disk: bytes come in as uploads or downloads and enter the cache once their SHA-256 is right.
///
/// What is on disk is the truth; the store remembers only what is in use at the moment, so it opens at once however many
/// blobs there are. An entry appears in the cache and leaves it by one rename of its directory. All blocking work runs on
/// the pool.
package final class BlobStore: Sendable {
    /// How the store was set up.
    package let configuration: BlobStoreConfiguration
    let layout: DiskLayout
    /// Where its blocking calls run.
    package let pool: BlockingPool
    let clock: @Sendable () -> Int64
    let steadyClock: @Sendable () -> Instant
    let watch: Mutex<ClockWatch>
    let cleanUpWait = Mutex(CleanUpWait())
    let diskUsage: @Sendable (String) throws -> DiskUsage
    let log: Logger
    private let shards = (0..<64).map { _ in StoreShard() }
    private let uploads = Mutex<[String: Upload]>([:])
    let usageCell = Mutex(StorageUsage())
    let bootIdentity: [UInt8]

    /// A store that is to be opened with ``open()``.
    /// - Parameters:
    ///   - pool: where everything that blocks runs.
    ///   - clock: the time in Unix seconds, which somebody may set.
    ///   - steadyClock: the time since whenever, which nobody sets.
    ///   - diskUsage: how full the disk under a path is.
    ///   - bootIdentity: what tells this boot of the machine from others; nil: as the system says.
    package init(
        configuration: BlobStoreConfiguration,
        pool: BlockingPool,
        clock: @escaping @Sendable () -> Int64,
        steadyClock: @escaping @Sendable () -> Instant = { SteadyClock.now },
        diskUsage: @escaping @Sendable (String) throws -> DiskUsage = { try DiskUsage.of($0) },
        bootIdentity: [UInt8]? = nil,
        log: Logger
    ) {
        self.bootIdentity = bootIdentity ?? Self.readBootIdentity()
        layout = DiskLayout(
            upload: configuration.uploadDirectory,
            download: configuration.downloadDirectory,
            cache: configuration.cacheDirectory
        )
        (self.configuration, self.pool, self.clock) = (configuration, pool, clock)
        self.steadyClock = steadyClock
        watch = Mutex(ClockWatch(civil: clock(), steady: steadyClock()))
        (self.diskUsage, self.log) = (diskUsage, log)
    }

    /// Makes the directories and wipes what an earlier run left unfinished, but for downloads, which are resumed, and
    /// uploads that the configuration keeps.
    /// - Throws: `FileError`.
    package func open() async throws {
        let kept = try await pool.run { [layout] in
            for directory in [layout.upload, layout.download, layout.cache] {
                try Directory.create(directory)
            }
            let kept = self.configuration.keepsUploads ? try self.reopenUploads() : []
            let names = Set(kept.flatMap { [$0.id, DiskLayout.labelName(of: $0.id)] })
            for name in try Directory.list(layout.upload) ?? [] where !names.contains(name) {
                try Directory.remove("\(layout.upload)/\(name)")
            }
            return kept
        }
        uploads.withLock { uploads in for upload in kept { uploads[upload.id] = upload } }
    }

    /// The store's time, in Unix seconds.
    package var now: Int64 { clock() }

    func shard(of digest: Digest) -> StoreShard {
        // The hash of a digest is its own best hash; its low bits leave the leading ones, which name directories, alone.
        shards[Int(digest.bytes[31]) % shards.count]
    }

    func forget(_ digest: Digest) { shard(of: digest).forgetUnused(digest) }

    // MARK: - Uploads

    /// Starts an upload.
    /// - Parameter pieceBytes: the piece length that the commit will probably ask for, so that piece sums are taken as the
    ///   bytes arrive; with another one, or none here, the commit reads the bytes again.
    /// - Parameter label: what the upload is found by after a restart, see ``BlobStoreConfiguration/keepsUploads``.
    /// - Parameter use: what becomes of the bytes.
    /// - Throws: ``StorageError`` `.tooManyUploads`, `FileError`.
    package func startUpload(
        pieceBytes: Int? = nil,
        label: String? = nil,
        use: Upload.Use = .cache
    ) async throws -> Upload {
        let max = configuration.limits.uploadSessionsMax
        let id = Self.makeIdentifier()
        guard uploads.withLock({ $0.count }) < max else {
            throw StorageError.tooManyUploads(max: max)
        }
        let upload = try await pool.run {
            let directory = "\(self.layout.upload)/\(id)"
            do {
                let file = try self.makingRoom {
                    try Directory.create(directory)
                    let file = try SharedFile.create(
                        directory.file(.data),
                        bytes: 0,
                        preallocate: false
                    )
                    if let label { try self.writeLabel(label, of: id) }
                    return file
                }
                return Upload(
                    id: id,
                    label: label,
                    directory: directory,
                    file: file,
                    pieceBytes: pieceBytes,
                    use: use,
                    in: self
                )
            } catch {
                self.discard(directory)
                throw error
            }
        }
        // Counted again: others may have started while the file was being made.
        let isKept = uploads.withLock { uploads in
            guard uploads.count < max else { return false }
            uploads[id] = upload
            return true
        }
        guard isKept else {
            await upload.cancel()
            throw StorageError.tooManyUploads(max: max)
        }
        return upload
    }

    /// The upload called `id`; nil when there is none or it has ended.
    package func upload(_ id: String) -> Upload? { uploads.withLock { $0[id] } }

    /// How many uploads are under way.
    package var uploadCount: Int { uploads.withLock { $0.count } }

    /// All uploads under way.
    package func allUploads() -> [Upload] { uploads.withLock { Array($0.values) } }

    /// Removes all uploads that nobody can go on with after a restart; for the end of a component.
    package func discardUploads() async {
        guard !configuration.keepsUploads else { return }
        for upload in allUploads() { await upload.cancel() }
    }

    func removeUpload(_ id: String) { uploads.withLock { $0[id] = nil } }

    /// Puts `bytes` into the cache as `digest`: for manifests and other small blobs. Already there is fine.
    /// - Throws: ``StorageError`` `.digestMismatch`, `FileError`.
    package func put(
        _ bytes: [UInt8],
        as digest: Digest,
        options: CommitOptions = CommitOptions()
    ) async throws -> BlobInfo {
        try await pool.run {
            let directory = self.temporaryPath()
            try Directory.create(directory)
            do {
                var hasher = BlobHasher(pieceBytes: options.pieceBytes)
                bytes.withUnsafeBytes { hasher.update($0) }
                let file = try SharedFile.create(
                    directory.file(.data),
                    bytes: 0,
                    preallocate: false
                )
                try bytes.withUnsafeBytes { try file.write($0, at: 0) }
                return try self.commit(directory, file, hasher, as: digest, options)
            } catch {
                self.discard(directory)
                throw error
            }
        }
    }

    /// A name in the upload directory that nothing else has.
    func temporaryPath() -> String { "\(layout.upload)/\(Self.makeIdentifier())" }

    /// Removes a directory that nobody refers to any more; what can't be removed now goes at the next start.
    func discard(_ directory: String) {
        do {
            try Directory.remove(directory)
        } catch {
            log.warning("could not remove a directory", metadata: [LogKey.error: "\(error)"])
        }
    }

    /// A random UUID, version 4, in lower case.
    private static func makeIdentifier() -> String {
        var generator = SystemRandomNumberGenerator()
        let (high, low) = (generator.next(), generator.next())
        var bytes = (0..<8).map { UInt8(truncatingIfNeeded: high >> UInt64(8 * $0)) }
        bytes += (0..<8).map { UInt8(truncatingIfNeeded: low >> UInt64(8 * $0)) }
        bytes[6] = bytes[6] & 0x0f | 0x40
        bytes[8] = bytes[8] & 0x3f | 0x80
        let groups = [bytes[0..<4], bytes[4..<6], bytes[6..<8], bytes[8..<10], bytes[10..<16]]
        return groups.map { Hex.encode($0) }.joined(separator: "-")
    }
}
