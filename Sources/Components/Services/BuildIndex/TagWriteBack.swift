// SPDX-License-Identifier: Apache-2.0

import Content
import Logging
import NIOCore
import Primitives
import Telemetry

/// Writes to the backend what the tag store owes it, as soon as it is due, again and again until it
/// is done.
///
/// What is owed is on disk with the tag, so this queue is only the order of work: whatever stops
/// it, a restart goes on.
actor TagWriteBack {
    private let store: TagStore
    private let backend: TagBackend
    private let retryInterval: Duration
    private let eventLoop: any EventLoop
    private let events: EventLog
    private let log: Logger
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    private var tasks: [QualifiedTag: Work] = [:]
    private var runningCount = 0
    private var doneCount = 0
    private var lastError: String?
    private var stopDeadline: ContinuousClock.Instant?
    private var timer: Scheduled<Void>?

    private struct Work {
        var dueAt: ContinuousClock.Instant
        let addedAt = ContinuousClock.now
        var isRunning = false
        /// Put again while it ran: the outcome of the run says nothing about the newer value.
        var isRepeated = false
        var failureCount = 0
        var lastError: String?
    }

    /// How many tags are written at a time.
    private static let runningMax = 8

    init(
        store: TagStore,
        backend: TagBackend,
        retryInterval: Duration,
        eventLoop: any EventLoop,
        events: EventLog,
        log: Logger
    ) {
        (self.store, self.backend, self.retryInterval) = (store, backend, retryInterval)
        (self.eventLoop, self.events, self.log) = (eventLoop, events, log)
        (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Queues `tag`, which the store owes the backend, to be written after `delay`.
    func add(_ tag: QualifiedTag, after delay: Duration) {
        let due = ContinuousClock.now.advanced(by: delay)
        if var work = tasks[tag] {
            work.dueAt = work.isRunning ? due : min(work.dueAt, due)
            work.isRepeated = work.isRunning
            tasks[tag] = work
        } else {
            tasks[tag] = Work(dueAt: due)
        }
        if delay > .zero { armTimer() } else { signal.yield() }
    }

    /// Queues everything that the store owes, as a restart finds it.
    func addPending() async {
        let now = Timestamp.now
        for (tag, dueAt) in await store.pendingWriteBacks {
            let nanoseconds = max(0, dueAt.unixNanoseconds - now.unixNanoseconds)
            add(tag, after: .nanoseconds(nanoseconds))
        }
    }

    /// Works until ``stop(within:)`` or the task is cancelled.
    func run() async {
        signal.yield()
        await withDiscardingTaskGroup { group in
            for await _ in signals {
                if isFinished { break }
                for tag in takeDue() { group.addTask { await self.execute(tag) } }
                armTimer()
            }
            group.cancelAll()
        }
        timer?.cancel()
    }

    /// Lets what is due now be written for at most `limit`, then ends ``run()``.
    func stop(within limit: Duration) {
        stopDeadline = ContinuousClock.now.advanced(by: limit)
        signal.yield()
    }

    /// The queue for `GET /status`.
    func status() -> QueueStatus {
        let now = ContinuousClock.now
        let failed = tasks.values.filter { $0.failureCount > 0 }
        var status = QueueStatus(
            name: "write-back",
            pendingCount: tasks.count,
            failedCount: failed.count,
            doneCount: doneCount
        )
        let byAge = tasks.sorted { $0.value.addedAt < $1.value.addedAt }
        status.oldestSeconds = byAge.first.map { $0.value.addedAt.duration(to: now).seconds }
        status.nextAttemptSeconds = failed.map { max(0, now.duration(to: $0.dueAt).seconds) }.min()
        status.lastError = lastError
        status.tasks = byAge.prefix(16).map { tag, work in
            QueueStatus.Task(
                name: tag.description,
                failureCount: work.failureCount,
                ageSeconds: work.addedAt.duration(to: now).seconds,
                nextAttemptSeconds: work.isRunning
                    ? nil : max(0, now.duration(to: work.dueAt).seconds),
                lastError: work.lastError
            )
        }
        return status
    }

    // MARK: - Order of work

    private var isFinished: Bool {
        guard let stopDeadline else { return false }
        let now = ContinuousClock.now
        let isIdle = runningCount == 0 && !tasks.values.contains { $0.dueAt <= now }
        return isIdle || now >= stopDeadline
    }

    private func takeDue() -> [QualifiedTag] {
        guard runningCount < Self.runningMax else { return [] }
        let now = ContinuousClock.now
        let due = tasks.filter { !$0.value.isRunning && $0.value.dueAt <= now }
        let next = due.sorted { $0.value.dueAt < $1.value.dueAt }
            .prefix(Self.runningMax - runningCount).map(\.key)
        for tag in next { tasks[tag]?.isRunning = true }
        runningCount += next.count
        return next
    }

    /// One timer, for the earliest task that waits; none while nothing does.
    private func armTimer() {
        timer?.cancel()
        var next = tasks.values.filter { !$0.isRunning }.map(\.dueAt).min()
        if let stopDeadline { next = min(next ?? stopDeadline, stopDeadline) }
        guard let next, runningCount < Self.runningMax || stopDeadline != nil else { return }
        let wait = max(0, ContinuousClock.now.duration(to: next).nanoseconds)
        timer = eventLoop.scheduleTask(in: .nanoseconds(wait)) { [signal] in signal.yield() }
    }

    private func execute(_ tag: QualifiedTag) async {
        let outcome: Result<ClusterEvent?, any Error>
        do { outcome = .success(try await write(tag)) } catch { outcome = .failure(error) }
        runningCount -= 1
        switch outcome {
        case .success(let event):
            finish(tag)
            // Last, so that whoever hears of it finds the queue without it.
            if let event { events.record(event) }
        case .failure(let error): retry(tag, after: error)
        }
        signal.yield()
    }

    private func finish(_ tag: QualifiedTag) {
        guard var work = tasks[tag] else { return }
        doneCount += 1
        guard work.isRepeated else {
            tasks[tag] = nil
            return
        }
        work.isRunning = false
        work.isRepeated = false
        work.failureCount = 0
        tasks[tag] = work
    }

    private func retry(_ tag: QualifiedTag, after failure: any Error) {
        guard var work = tasks[tag] else { return }
        work.isRunning = false
        work.failureCount += 1
        work.lastError = "\(failure)"
        lastError = work.lastError
        if !work.isRepeated { work.dueAt = ContinuousClock.now.advanced(by: retryInterval) }
        work.isRepeated = false
        tasks[tag] = work
        events.record(
            ClusterEvent(.writeBackFailed, reason: "\(failure)", detail: ["tag": "\(tag)"])
        )
        log.warning(
            "tag not written back, will try again",
            metadata: [LogKey.tag: "\(tag)", LogKey.error: "\(failure)"]
        )
    }

    /// Makes the backend say what the store says of `tag`; answers what to tell about it.
    private func write(_ tag: QualifiedTag) async throws -> ClusterEvent? {
        guard let record = await store.record(of: tag) else { return nil }
        // A run that came just before wrote this value, too.
        guard let owed = record.writeBack else { return done(tag, record.digest, "it was there") }
        var reason: String?
        if case .neighbour(let replaced) = owed.origin {
            let current = try await backend.digest(of: tag)
            if let current, current != record.digest, current != replaced {
                // Somebody else's put came later and is in the backend already: it stays.
                try await store.adopt(current, for: tag, insteadOf: record)
                return done(tag, current, "a newer put is there")
            }
            if current == record.digest { reason = "it was there" }
        }
        if reason == nil { try await backend.write(record.digest, for: tag) }
        try await store.markWrittenBack(tag, record.digest)
        return done(tag, record.digest, reason)
    }

    private func done(_ tag: QualifiedTag, _ digest: Digest, _ reason: String?) -> ClusterEvent {
        ClusterEvent(.writeBackDone, blob: digest, reason: reason, detail: ["tag": "\(tag)"])
    }
}
