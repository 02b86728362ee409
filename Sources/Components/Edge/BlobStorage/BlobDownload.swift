// SPDX-License-Identifier: Apache-2.0

package import Content
package import Files
import Logging
import Synchronization
import Telemetry

/// A blob whose pieces are being fetched, in any order.
///
/// The owner writes a piece's bytes into ``file``, puts them through ``check(_:)`` and calls ``markComplete(_:isProved:)``; that is
/// cheap and never blocks. Behind it, one job at a time on the pool keeps the status sidecar up to date.
///
/// Where every piece is proved there is nothing more to check. Of other blobs the job also keeps the SHA-256 of the leading
/// complete pieces up to date, reading them back from the page cache, so that ``commit()`` after the last piece is short.
/// Two downloads of a process are hashed side by side in the time of one.
package final class BlobDownload: Sendable {
    /// How the blob is cut, and its sums.
    package let metaInfo: MetaInfo
    /// The namespace it was asked for under.
    package let namespace: Namespace
    /// Its bytes; all of their blocks are allocated.
    package let file: SharedFile
    /// Where it lies on disk until the commit.
    private let directory: String
    /// The sidecar that says which pieces are here; nil for a blob of one, of which a restart has nothing or all.
    private let status: SharedFile?
    private let store: BlobStore
    private let state: Mutex<State>

    fileprivate struct State {
        var phase = Phase.open
        var held: Bitfield
        /// How many leading pieces are complete.
        var leadingCount = 0
        /// Complete pieces that the status sidecar does not know of yet.
        var unrecorded: [PieceIndex] = []
        /// Whether all pieces so far were proved.
        var isProved: Bool
        /// Of a prefix of the blob, when they were not; nil while the job has it.
        var hash: RunningHash? = RunningHash()
        /// Counts resets, so that the job does not give a stale hash back.
        var generation = 0
        /// Whether the job runs or waits for a thread.
        var isWorking = false
        /// Why the job stopped; what waits for it fails with this.
        var failure: (any Error)?
        /// Those who wait for the job's next step.
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    fileprivate enum Phase { case open, committing, ended }

    /// What one step of the job has to do.
    fileprivate struct Step {
        let pieces: [PieceIndex]
        let hash: RunningHash?
        let hashEnd: Int
        let generation: Int
    }

    /// Bytes hashed before the job lets others have the thread.
    private static let stepBytes = 8 << 20

    init(
        metaInfo: MetaInfo,
        namespace: Namespace,
        file: SharedFile,
        in directory: String,
        status: SharedFile?,
        held: Bitfield,
        store: BlobStore
    ) {
        (self.metaInfo, self.namespace, self.file) = (metaInfo, namespace, file)
        (self.directory, self.status, self.store) = (directory, status, store)
        var state = State(held: held, isProved: metaInfo.hasProofs)
        state.advance()
        self.state = Mutex(state)
        if state.leadingCount > 0 { scheduleWork() }
    }

    deinit { store.forget(digest) }

    /// The blob.
    package var digest: Digest { metaInfo.digest }

    /// The pieces that are in the file and verified.
    package var bitfield: Bitfield { state.withLock { $0.held } }

    func checked(against other: MetaInfo) throws -> BlobDownload {
        guard other.infoHash == metaInfo.infoHash else {
            throw StorageError.metaInfoDiffers(digest)
        }
        return self
    }

    // MARK: - Pieces

    /// What the bytes of `piece`, which the blob has, are to be put through as they come.
    package func check(_ piece: PieceIndex) -> PieceCheck {
        PieceCheck(piece, of: metaInfo, trustsProofs: state.withLock { $0.isProved })
    }

    /// Whether all pieces so far were proved, so that any may be given away before the last is here.
    package var isProved: Bool { state.withLock { $0.isProved } }

    /// `piece` is in the file, and its proof says that it is wrong: asks its CRC-32. If that is right and a host with the
    /// whole blob sent it, the proofs themselves must be wrong; the piece is to be marked complete without, and from then on
    /// proofs are not used.
    /// - Throws: `FileError`.
    package func hasRightSum(_ piece: PieceIndex) throws -> Bool {
        try PieceCheck.holds(piece, of: metaInfo, in: file, trustsProofs: false)
    }

    /// Notes that the bytes of `piece` are in the file and its check is right. Counts at once; on disk soon after.
    /// - Parameter isProved: whether the check was a proof. When one was not, the commit checks the whole blob.
    /// - Throws: ``StorageError`` `.outOfBounds`, `.downloadEnded`.
    package func markComplete(_ piece: PieceIndex, isProved: Bool) throws {
        guard metaInfo.layout.contains(piece) else {
            throw StorageError.outOfBounds("complete piece \(piece)", "\(digest) has no such piece")
        }
        let isWorkNeeded = try state.withLock { state in
            guard state.phase == .open else { throw StorageError.downloadEnded(digest) }
            guard state.held.insert(piece) else { return false }
            if !isProved { state.isProved = false }
            state.unrecorded.append(piece)
            state.advance()
            // After the last proved piece comes the commit: there is nothing to record or to hash before.
            return !(state.isProved && state.held.isComplete)
        }
        if isWorkNeeded { scheduleWork() }
    }

    /// Forgets all pieces: the blob as a whole was wrong, and which piece did it is not known.
    /// - Throws: `FileError`, ``StorageError`` `.downloadEnded`.
    package func reset() async throws {
        try state.withLock { state in
            guard state.phase == .open else { throw StorageError.downloadEnded(digest) }
            state.held = Bitfield(pieceCount: state.held.pieceCount)
            (state.leadingCount, state.unrecorded) = (0, [])
            state.hash = RunningHash()
            state.generation += 1
            state.failure = nil
        }
        // A step that still runs may record a piece of before; it ends first.
        await waitUntilIdle()
        guard let status else { return }
        try await store.pool.runUncancelled {
            let held = self.bitfield
            let claims = (0..<held.pieceCount).map { held.contains(PieceIndex($0)) ? UInt8(1) : 0 }
            try claims.withUnsafeBytes { try status.write($0, at: 0) }
        }
    }

    // MARK: - Ends

    /// Moves the blob into the cache, after its SHA-256 was verified unless each of its pieces was proved. Most of the hash is
    /// done by now.
    /// - Throws: ``StorageError`` `.digestMismatch` (the download stays open: ``reset()`` it), `.incomplete`,
    ///   `.downloadEnded`; `FileError` (the download stays open: commit again).
    package func commit() async throws -> CachedBlob {
        try state.withLock { state in
            guard state.phase == .open else { throw StorageError.downloadEnded(digest) }
            guard state.held.isComplete else {
                throw StorageError.incomplete(digest, missing: state.held.missingCount)
            }
            state.phase = .committing
            // A read error of before may be gone by now.
            if state.failure != nil {
                (state.failure, state.hash) = (nil, RunningHash())
            }
            // Their sidecar is of no use in the cache.
            state.unrecorded = []
        }
        do {
            if !isProved { scheduleWork() }
            await waitUntilIdle()
            let hash = try state.withLock { state in
                if let failure = state.failure { throw failure }
                // The job ends without giving the hash back only when the pool has ended.
                guard let hash = state.hash else { throw CancellationError() }
                return hash
            }
            let blob = try await store.pool.runUncancelled { try self.verifyAndInstall(hash) }
            state.withLock { $0.phase = .ended }
            return blob
        } catch {
            state.withLock { state in
                if state.phase == .committing { state.phase = .open }
            }
            throw error
        }
    }

    private func verifyAndInstall(_ hash: RunningHash) throws -> CachedBlob {
        if !isProved {
            guard let actual = Digest(bytes: hash.digest) else {
                throw StorageError.outOfBounds("hash", "the hash is not 32 bytes long")
            }
            guard actual == digest else {
                throw StorageError.digestMismatch(
                    expected: digest,
                    actual: actual,
                    bytes: metaInfo.layout.blobBytes
                )
            }
        }
        return try store.installDownloadNow(digest, file, from: directory)
    }

    /// Ends the download in this process; what has been fetched stays on disk, unless it is a part of the only piece. Returns
    /// when it is recorded there.
    package func close() async {
        let isWorkNeeded = state.withLock { state in
            if state.phase == .open { state.phase = .ended }
            return !state.unrecorded.isEmpty
        }
        if isWorkNeeded { scheduleWork() }
        await waitUntilIdle()
        store.shard(of: digest).removeDownload(digest)
        if !isResumable { await remove() }
    }

    /// Whether a restart finds it.
    private var isResumable: Bool { directory == store.layout.downloadEntry(digest) }

    /// Ends the download and removes what has been fetched.
    package func delete() async {
        state.withLock { $0.phase = .ended }
        await waitUntilIdle()
        await remove()
    }

    private func remove() async {
        do {
            try await store.pool.runUncancelled {
                try self.store.deleteDownloadNow(self.digest, in: self.directory)
            }
        } catch {
            store.log.warning(
                "could not remove a download",
                metadata: [LogKey.blobDigest: "\(digest)", LogKey.error: "\(error)"]
            )
        }
    }

    // MARK: - The job

    private func scheduleWork() {
        let isMine = state.withLock { state in
            defer { state.isWorking = true }
            return !state.isWorking
        }
        if isMine { store.pool.execute { self.work(isActive: $0) } }
    }

    /// One step of the job: records pieces, hashes a part of the prefix, then queues up again.
    private func work(isActive: Bool) {
        let (next, waiters) = state.withLock { state in
            let step = isActive ? state.nextStep(metaInfo.layout, Self.stepBytes) : nil
            return (step, step == nil ? state.finishWork() : [])
        }
        guard let step = next else {
            for waiter in waiters { waiter.resume() }
            return
        }
        record(step.pieces)
        guard let hash = step.hash else { return store.pool.execute { self.work(isActive: $0) } }
        store.pool.hash(file, hash, upTo: step.hashEnd) { self.hashed($0, step.generation) }
    }

    /// Takes the carried-on hash back and goes on to the next step.
    private func hashed(_ result: Result<RunningHash, any Error>, _ generation: Int) {
        var isActive = true
        state.withLock { state in
            guard generation == state.generation else { return }
            switch result {
            case .success(let hash): state.hash = hash
            case .failure(let error): state.failure = error
            }
        }
        if case .failure(let error) = result, error is CancellationError { isActive = false }
        work(isActive: isActive)
    }

    /// Marks `pieces` in the status sidecar. A failure costs only that they are fetched again after a restart.
    private func record(_ pieces: [PieceIndex]) {
        guard let status else { return }
        do {
            for piece in pieces {
                try withUnsafeBytes(of: UInt8(1)) { try status.write($0, at: piece.value) }
            }
        } catch {
            store.log.warning(
                "could not record pieces",
                metadata: [LogKey.blobDigest: "\(digest)", LogKey.error: "\(error)"]
            )
        }
    }

    private func waitUntilIdle() async {
        await withCheckedContinuation { continuation in
            let isIdle = state.withLock { state in
                if state.isWorking { state.waiters.append(continuation) }
                return !state.isWorking
            }
            if isIdle { continuation.resume() }
        }
    }
}

extension BlobDownload.State {
    init(held: Bitfield, isProved: Bool) { (self.held, self.isProved) = (held, isProved) }

    /// Moves the end of the leading complete pieces forward.
    mutating func advance() {
        while held.contains(PieceIndex(leadingCount)) { leadingCount += 1 }
    }

    /// What the job does next, with the hash lent to it; nil when there is nothing to do.
    mutating func nextStep(_ layout: PieceLayout, _ stepBytes: Int) -> BlobDownload.Step? {
        let pieces = unrecorded
        unrecorded = []
        let end = min(layout.blobBytes, leadingCount * layout.pieceBytes)
        let start = hash?.bytes ?? end
        let isHashing = !isProved && failure == nil && start < end
        guard isHashing || !pieces.isEmpty else { return nil }
        return BlobDownload.Step(
            pieces: pieces,
            hash: isHashing ? hash.take() : nil,
            hashEnd: min(end, start + stepBytes),
            generation: generation
        )
    }

    /// Ends the job; answers who waits for that.
    mutating func finishWork() -> [CheckedContinuation<Void, Never>] {
        defer { waiters = [] }
        isWorking = false
        return waiters
    }
}
