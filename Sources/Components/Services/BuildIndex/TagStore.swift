// SPDX-License-Identifier: Apache-2.0

import Backends
import Content
import Files
import HTTPKit
import Logging
import Primitives
import Telemetry

/// The tags that this build-index holds: in memory to be read, on disk to outlive a crash.
///
/// A put returns once its file is on the disk, with the write-back it owes in the same file:
/// neither can be lost without the other. At `tagsMax` tags, the one put longest ago among those in
/// the backend is dropped here; when there is none, a new tag is refused.
actor TagStore {
    private let files: TagFiles
    private let pool: BlockingPool
    private let tagsMax: Int
    private let now: @Sendable () -> Timestamp
    private let log: Logger
    private var records: [QualifiedTag: TagRecord] = [:] {
        didSet { changes += 1 }
    }
    /// How often what is known here has changed.
    private(set) var changes = 0
    /// How many of them say that the tag was deleted.
    private var deletedCount = 0
    /// Tags whose file is being written, with those who wait to write it next.
    private var locks: [QualifiedTag: [CheckedContinuation<Void, Never>]] = [:]
    private var latest: [QualifiedTag] = []

    /// A store below `root`; ``open()`` comes first.
    init(
        root: String,
        pool: BlockingPool,
        limits: Limits = Limits(),
        log: Logger,
        now: @escaping @Sendable () -> Timestamp = { .now }
    ) {
        files = TagFiles(root: root)
        (self.pool, tagsMax, self.log, self.now) = (pool, limits.tagsMax, log, now)
    }

    /// Reads what is on disk.
    func open() async throws {
        records = try await pool.run { [files, log] in try files.open(log: log) }
        deletedCount = records.values.count { $0.digest == nil }
        latest = records.sorted { $0.value.putAt < $1.value.putAt }.suffix(Self.latestMax).map(
            \.key
        )
    }

    /// How many tags there are.
    var count: Int { records.count - deletedCount }

    /// The tags put last, the latest first.
    var latestEntries: [TagStatus.Entry] {
        latest.reversed().compactMap { tag in
            records[tag]?.digest.map { TagStatus.Entry(tag: tag.description, digest: $0) }
        }
    }

    /// What is known of `tag`; nil when nothing is.
    func record(of tag: QualifiedTag) -> TagRecord? { records[tag] }

    /// The tags that the backend has yet to learn of, with after how long.
    var pendingWriteBacks: [(tag: QualifiedTag, delay: Duration)] {
        let now = now()
        return records.compactMap { tag, record in
            record.writeBackDelay(at: now).map { (tag, $0) }
        }
    }

    /// What lists of the backend don't know yet among the names that begin with `prefix`: those it lacks, and those that
    /// were deleted.
    func pendingNames(prefix: String) -> (added: [String], removed: Set<String>) {
        var (added, removed) = ([String](), Set<String>())
        for (tag, record) in records where record.writeBack != nil {
            let name = tag.description
            guard name.hasPrefix(prefix) else { continue }
            if record.digest == nil { removed.insert(name) } else { added.append(name) }
        }
        return (added, removed)
    }

    /// Makes `change` of `tag`, durably.
    ///
    /// - Parameters:
    ///   - expected: what the store must still say of the tag; nil: anything.
    ///   - through: done first, while no other change of the tag can be made.
    /// - Returns: what holds afterwards, which is what held before when that was made later; nil when the store does not
    ///   say what was expected.
    func apply(
        _ change: TagChange,
        to tag: QualifiedTag,
        over expected: Expectation? = nil,
        through: (@Sendable () async throws -> Void)? = nil
    ) async throws -> TagRecord? {
        await lock(tag)
        defer { unlock(tag) }
        let before = records[tag]
        if let expected, !expected.isMet(by: before) { return nil }
        if let before, let moment = change.madeAt, !before.precedes(change.digest, madeAt: moment) {
            return before
        }
        if before == nil { try await makeRoom() }
        let record = change.record(after: before, at: now())
        try await through?()
        try await write(record, for: tag, durable: true)
        noteLatest(tag)
        return record
    }

    /// What the store must say of a tag for a change to be made.
    struct Expectation: Sendable {
        let record: TagRecord?

        func isMet(by current: TagRecord?) -> Bool {
            current?.digest == record?.digest && current?.putAt == record?.putAt
        }
    }

    /// Notes that the backend says `digest` for `tag`; no effect when the tag has moved on
    /// meanwhile.
    func markWrittenBack(_ tag: QualifiedTag, _ digest: Digest?) async throws {
        await lock(tag)
        defer { unlock(tag) }
        guard var record = records[tag], record.digest == digest, record.writeBack != nil else {
            return
        }
        record.writeBack = nil
        // Not durable: if a crash undoes it, the same value is written back once more.
        try await write(record, for: tag, durable: false)
    }

    /// Takes over the backend's `digest` for `tag`, unless the tag was put again since it named
    /// `stale`.
    func adopt(_ digest: Digest, for tag: QualifiedTag, insteadOf stale: TagRecord) async throws {
        await lock(tag)
        defer { unlock(tag) }
        guard records[tag] == stale else { return }
        try await write(TagRecord(digest: digest, putAt: now()), for: tag, durable: false)
    }

    private func write(_ record: TagRecord, for tag: QualifiedTag, durable: Bool) async throws {
        try await pool.run { [files] in try files.write(record, for: tag, durable: durable) }
        set(record, for: tag)
    }

    private func set(_ record: TagRecord?, for tag: QualifiedTag) {
        if let before = records[tag], before.digest == nil { deletedCount -= 1 }
        if let record, record.digest == nil { deletedCount += 1 }
        records[tag] = record
    }

    private func makeRoom() async throws {
        guard records.count >= tagsMax else { return }
        let droppable = records.filter { $0.value.writeBack == nil && locks[$0.key] == nil }
        guard let oldest = droppable.min(by: { $0.value.putAt < $1.value.putAt })?.key else {
            throw HTTPProblem.unavailable(
                "too many tags wait for the backend",
                retryAfter: .seconds(30)
            )
        }
        // Nobody holds it: that was asked for above, and nothing has suspended since.
        locks[oldest] = []
        defer { unlock(oldest) }
        set(nil, for: oldest)
        try await pool.run { [files] in try files.remove(oldest) }
    }

    private static let latestMax = 32

    private func noteLatest(_ tag: QualifiedTag) {
        latest.removeAll { $0 == tag }
        latest.append(tag)
        if latest.count > Self.latestMax { latest.removeFirst() }
    }

    // MARK: - One writer a tag

    private func lock(_ tag: QualifiedTag) async {
        guard locks[tag] != nil else {
            locks[tag] = []
            return
        }
        await withCheckedContinuation { locks[tag]?.append($0) }
    }

    private func unlock(_ tag: QualifiedTag) {
        guard var waiters = locks[tag], !waiters.isEmpty else {
            locks[tag] = nil
            return
        }
        let next = waiters.removeFirst()
        locks[tag] = waiters
        next.resume()
    }
}
