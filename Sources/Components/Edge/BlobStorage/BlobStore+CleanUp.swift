// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
package import Content
import Files
import Logging
import Primitives
import Synchronization
import Telemetry

// The clean-up, and the scans of the disk that it and others need.
extension BlobStore {
    /// Removes what the policy says: blobs and unfinished downloads that are idle or old, then, when the disk is too
    /// full, the least recently used ones. Never one that is in use or not written back.
    /// - Parameter now: the time in Unix seconds.
    /// - Throws: `FileError`.
    package func cleanUp(now: Int64) async throws -> CleanupReport {
        var report = CleanupReport()
        let policy = configuration.cleanup
        guard !policy.isDisabled else { return report }
        report.deletedUploadCount = await cancelIdleUploads(policy)
        let jump = watch.withLock { [steadyClock] in $0.look(civil: now, steady: steadyClock()) }
        if let jump {
            log.warning(
                "the clock was set; the times of what is stored are set by as much",
                metadata: ["seconds": "\(jump.seconds)"]
            )
        }
        let usage = try await pool.run { [layout, diskUsage] in try diskUsage(layout.cache) }
        let isFull = policy.diskHighPercent.map { usage.percent >= Double($0) } ?? false
        report.isDiskFull = isFull
        var kept: [CleanupCandidate] = []
        for state in [CleanupCandidate.State.cache, .download] {
            for prefix in try await entryPrefixes(of: root(of: state)) {
                let (partial, rest) = try await pool.run {
                    try self.cleanUpNow(prefix, state, now, jump, isFull: isFull)
                }
                report.add(partial)
                if isFull, policy.diskLowPercent != nil { kept += rest }
            }
        }
        if isFull, let low = policy.diskLowPercent {
            let excess = usage.usedBytes - usage.totalBytes / 100 * low - report.deletedBytes
            report.add(try await free(excess, from: kept))
        }
        _ = try await measure()
        return report
    }

    /// Cleans up now and then, as the policy says, and when the disk is full, until the task is cancelled.
    package func cleanUpPeriodically() async {
        while !Task.isCancelled {
            do {
                try await waitForCleanUp()
                defer { noteCleanUp() }
                let report = try await cleanUp(now: clock())
                log.info(
                    "cleaned up",
                    metadata: [
                        "examined": "\(report.examinedCount)", "deleted": "\(report.deletedCount)",
                        "bytes": "\(report.deletedBytes)", "in_use": "\(report.inUseCount)",
                    ]
                )
            } catch is CancellationError {
                return
            } catch {
                log.warning("could not clean up", metadata: [LogKey.error: "\(error)"])
            }
        }
    }

    private func cancelIdleUploads(_ policy: CleanupPolicy) async -> Int {
        let now = steadyClock()
        var count = 0
        for upload in allUploads()
        where upload.lastUsedAt.duration(to: now) > policy.timeToIdle {
            await upload.cancel()
            count += 1
        }
        return count
    }

    /// Cleans one shard directory; answers what remains in it besides what it did.
    private func cleanUpNow(
        _ prefix: String,
        _ state: CleanupCandidate.State,
        _ now: Int64,
        _ jump: ClockWatch.Jump?,
        isFull: Bool
    ) throws -> (CleanupReport, [CleanupCandidate]) {
        let policy = configuration.cleanup
        var report = CleanupReport()
        var kept: [CleanupCandidate] = []
        for digest in try entriesNow(in: prefix) {
            guard var candidate = try candidateNow(digest, state) else { continue }
            if let jump { candidate = try redateNow(candidate, jump) }
            report.examinedCount += 1
            report.examinedBytes += candidate.bytes
            if candidate.isDue(by: policy, now: now, isFull: isFull) {
                try report.count(removeNow(candidate), candidate)
            } else {
                kept.append(candidate)
            }
        }
        return (report, kept)
    }

    /// Gives `candidate` the times that it would bear if the clock had always been what it is after `jump`.
    private func redateNow(
        _ candidate: CleanupCandidate,
        _ jump: ClockWatch.Jump
    ) throws -> CleanupCandidate {
        var redated = candidate
        redated.modifiedAt = jump.corrected(candidate.modifiedAt)
        redated.lastUsedAt = jump.corrected(candidate.lastUsedAt)
        let entry = entry(of: candidate)
        try shard(of: candidate.digest).files.withLock { _ in
            if redated.modifiedAt != candidate.modifiedAt {
                try FileStatus.setModified(entry.file(.data), at: redated.modifiedAt)
            }
            // Somebody may have used it since it was examined.
            if redated.lastUsedAt != candidate.lastUsedAt,
                try lastAccess(in: entry) == candidate.lastUsedAt
            {
                try writeAccess(redated.lastUsedAt, in: entry)
            }
        }
        return redated
    }

    /// Removes the least recently used of `candidates` until `excess` bytes are free.
    private func free(
        _ excess: Int,
        from candidates: [CleanupCandidate]
    ) async throws
        -> CleanupReport
    {
        guard excess > 0 else { return CleanupReport() }
        let ordered = candidates.sorted { ($0.lastUsedAt, $0.digest) < ($1.lastUsedAt, $1.digest) }
        return try await pool.run {
            var report = CleanupReport()
            for candidate in ordered where report.deletedBytes < excess {
                try report.count(self.removeNow(candidate), candidate)
            }
            return report
        }
    }

    /// Removes `candidate` unless it is in use, or cached and not written back; the check and the removal are one step.
    private func removeNow(_ candidate: CleanupCandidate) throws -> CleanupOutcome {
        let shard = shard(of: candidate.digest)
        let entry = entry(of: candidate)
        let (outcome, trash) = try shard.files.withLock { _ -> (CleanupOutcome, String?) in
            if shard.isInUse(candidate.digest) { return (.inUse, nil) }
            if try isPersistedNow(in: entry) { return (.persisted, nil) }
            // Somebody may have used it since it was examined.
            if let used = try lastAccess(in: entry), used > candidate.lastUsedAt {
                return (.inUse, nil)
            }
            guard let trash = try moveToTrashNow(entry) else { return (.gone, nil) }
            if candidate.state == .cache { try noteRemoved(trash) }
            return (.deleted, trash)
        }
        if let trash { discard(trash) }
        return outcome
    }

    private func root(of state: CleanupCandidate.State) -> String {
        state == .cache ? layout.cache : layout.download
    }

    private func entry(of candidate: CleanupCandidate) -> String {
        candidate.state == .cache
            ? layout.cacheEntry(candidate.digest) : layout.downloadEntry(candidate.digest)
    }

    private func candidateNow(
        _ digest: Digest,
        _ state: CleanupCandidate.State
    ) throws -> CleanupCandidate? {
        let entry = state == .cache ? layout.cacheEntry(digest) : layout.downloadEntry(digest)
        guard let status = try FileStatus.of(entry.file(.data)) else { return nil }
        return CleanupCandidate(
            state: state,
            digest: digest,
            bytes: status.bytes,
            modifiedAt: status.modifiedAt,
            lastUsedAt: try lastAccess(in: entry) ?? status.modifiedAt
        )
    }

    // MARK: - Scans

    /// All cached blobs, in no order.
    ///
    /// - Complexity: reads the whole cache directory, a part at a time; for start-up work and operators.
    /// - Throws: `FileError`.
    package func digests() async throws -> [Digest] {
        var digests: [Digest] = []
        for prefix in try await entryPrefixes(of: layout.cache) {
            digests += try await pool.run {
                try self.entriesNow(in: prefix).filter { try self.infoNow($0) != nil }
            }
        }
        return digests
    }

    /// All cached blobs with their sizes and times, in no order.
    /// - Complexity: as ``digests()``, and reads each blob's sidecars.
    /// - Throws: `FileError`.
    package func entries() async throws -> [BlobEntry] {
        var entries: [BlobEntry] = []
        for prefix in try await entryPrefixes(of: layout.cache) {
            entries += try await cacheEntries(in: prefix)
        }
        return entries
    }

    /// Some of the cached blobs: those after the page that ended with `position`, all from the start when that is nil; and
    /// where the page ends, nil on the last one.
    /// - Complexity: as ``entries()``, for a page of some thousands.
    /// - Throws: `FileError`.
    package func entries(
        after position: String?
    ) async throws -> (entries: [BlobEntry], next: String?) {
        var entries: [BlobEntry] = []
        for prefix in try await entryPrefixes(of: layout.cache) {
            let name = String(prefix.suffix(2))
            if let position, name <= position { continue }
            entries += try await cacheEntries(in: prefix)
            if entries.count >= Self.pageEntriesMin { return (entries, name) }
        }
        return (entries, nil)
    }

    /// Entries on a page, at least, but for the last one.
    private static let pageEntriesMin = 4096

    private func cacheEntries(in prefix: String) async throws -> [BlobEntry] {
        try await pool.run {
            try self.entriesNow(in: prefix).compactMap { digest in
                guard let candidate = try self.candidateNow(digest, .cache) else { return nil }
                return BlobEntry(
                    digest: digest,
                    bytes: candidate.bytes,
                    modifiedAt: candidate.modifiedAt,
                    lastUsedAt: candidate.lastUsedAt,
                    isPersisted: try self.isPersistedNow(in: self.layout.cacheEntry(digest))
                )
            }
        }
    }

    /// Whether somebody reads or fetches `digest` here.
    package func isInUse(_ digest: Digest) -> Bool { shard(of: digest).isInUse(digest) }

    /// The first-level shard directories under `root`, so that a scan takes a thread for a part at a time only.
    func entryPrefixes(of root: String) async throws -> [String] {
        try await pool.run {
            try (Directory.list(root) ?? []).filter { $0.utf8.count == 2 }.sorted()
                .map { "\(root)/\($0)" }
        }
    }

    /// The digests that have an entry under the first-level shard directory `prefix`.
    func entriesNow(in prefix: String) throws -> [Digest] {
        var digests: [Digest] = []
        for shard in try Directory.list(prefix) ?? [] where shard.utf8.count == 2 {
            digests += try (Directory.list("\(prefix)/\(shard)") ?? []).compactMap { name in
                // Only what this store could have made: an entry that is found is then also found by its digest.
                Digest(hex: name).flatMap { $0.hex == name ? $0 : nil }
            }
        }
        return digests
    }
}

/// An entry that may be removed.
private struct CleanupCandidate {
    enum State { case cache, download }

    let state: State
    let digest: Digest
    let bytes: Int
    var modifiedAt: Int64
    var lastUsedAt: Int64

    /// Whether `policy` wants it gone whatever else there is.
    func isDue(by policy: CleanupPolicy, now: Int64, isFull: Bool) -> Bool {
        func isOver(_ limit: Duration?, since time: Int64) -> Bool {
            limit.map { now - time > $0.components.seconds } ?? false
        }
        if isOver(policy.timeToLive, since: modifiedAt) { return true }
        if isOver(policy.timeToIdle, since: lastUsedAt) { return true }
        return isFull && policy.diskLowPercent == nil
            && isOver(policy.aggressiveTimeToLive, since: modifiedAt)
    }
}

private enum CleanupOutcome { case deleted, inUse, persisted, gone }

extension CleanupReport {
    fileprivate mutating func count(_ outcome: CleanupOutcome, _ candidate: CleanupCandidate) {
        switch outcome {
        case .deleted:
            deletedCount += 1
            deletedBytes += candidate.bytes
        case .inUse: inUseCount += 1
        case .persisted: persistedCount += 1
        case .gone: break
        }
    }

    fileprivate mutating func add(_ other: CleanupReport) {
        examinedCount += other.examinedCount
        examinedBytes += other.examinedBytes
        deletedCount += other.deletedCount
        deletedBytes += other.deletedBytes
        inUseCount += other.inUseCount
        persistedCount += other.persistedCount
    }
}

extension DiskUsage {
    /// The share in use, in per cent.
    fileprivate var percent: Double {
        totalBytes > 0 ? Double(usedBytes) * 100 / Double(totalBytes) : 0
    }
}
