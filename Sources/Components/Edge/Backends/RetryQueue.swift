// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import Primitives
package import Telemetry

/// Does each piece of work as soon as it is due, again and again until it is done.
///
/// What is owed is on disk with whoever owes it, so this queue is only the order of work: whatever stops it, a restart goes
/// on. What has no room in memory waits on disk, too.
package actor RetryQueue<Work: Hashable & Sendable> {
    /// How much is done at a time, and how soon again.
    package struct Rules: Sendable {
        /// Pieces of work done at a time.
        package var runningMax: Int
        /// Pieces of work in memory; further ones are left for ``RetryQueue/refill``.
        package var capacity: Int
        /// The pause after the first failure; doubles with each further one.
        package var pauseMin: Duration
        /// The longest pause.
        package var pauseMax: Duration
        /// Whether work that is added while it runs is done again, because it may have changed meanwhile.
        package var repeatsWhatRuns: Bool

        /// `runningMax` at a time of `capacity` in all.
        package init(
            runningMax: Int,
            capacity: Int = .max,
            pauseMin: Duration,
            pauseMax: Duration,
            repeatsWhatRuns: Bool
        ) {
            (self.runningMax, self.capacity) = (runningMax, capacity)
            (self.pauseMin, self.pauseMax) = (pauseMin, pauseMax)
            self.repeatsWhatRuns = repeatsWhatRuns
        }

        func pause(after failureCount: Int) -> Duration {
            min(pauseMin * (1 << min(max(failureCount - 1, 0), 16)), pauseMax)
        }
    }

    private struct Entry {
        var dueAt: ContinuousClock.Instant
        let addedAt = ContinuousClock.now
        var isRunning = false
        /// Added again while it ran: the outcome of the run says nothing about what it is now.
        var isRepeated = false
        var failureCount = 0
        var lastError: String?
    }

    private let rules: Rules
    private let eventLoop: any EventLoop
    private let events: EventLog
    private let perform: @Sendable (Work) async throws -> ClusterEvent?
    private let report: @Sendable (Work, any Error, _ failureCount: Int) -> Void
    private let refill: @Sendable (RetryQueue) async -> Void
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    private var entries: [Work: Entry] = [:]
    private var runningCount = 0
    private var doneCount = 0
    private var lastError: String?
    /// Whether there is work on disk that is not in ``entries``.
    private var isIncomplete = false
    private var stopDeadline: ContinuousClock.Instant?
    private var timer: Scheduled<Void>?

    /// An empty queue.
    ///
    /// - Parameters:
    ///   - eventLoop: where its one timer is.
    ///   - perform: does the work; what it answers is recorded in `events` once the queue is without it.
    ///   - report: is told of each failure.
    ///   - refill: adds what had no room, when there is room again.
    package init(
        rules: Rules,
        eventLoop: any EventLoop,
        events: EventLog,
        perform: @escaping @Sendable (Work) async throws -> ClusterEvent?,
        report: @escaping @Sendable (Work, any Error, _ failureCount: Int) -> Void,
        refill: @escaping @Sendable (RetryQueue) async -> Void = { _ in }
    ) {
        (self.rules, self.eventLoop, self.events) = (rules, eventLoop, events)
        (self.perform, self.report, self.refill) = (perform, report, refill)
        (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Queues `work` to be done after `delay`; `event` is recorded when it is new here.
    package func add(_ work: Work, after delay: Duration, recording event: ClusterEvent? = nil) {
        let due = ContinuousClock.now.advanced(by: delay)
        if let entry = entries[work] {
            if !entry.isRunning {
                entries[work]?.dueAt = min(entry.dueAt, due)
            } else if rules.repeatsWhatRuns {
                entries[work]?.dueAt = due
                entries[work]?.isRepeated = true
            }
        } else if entries.count < rules.capacity {
            entries[work] = Entry(dueAt: due)
            if let event { events.record(event) }
        } else {
            isIncomplete = true
        }
        if delay > .zero { armTimer() } else { signal.yield() }
    }

    /// Notes that there may be work that was not added.
    package func noteMissing() { isIncomplete = true }

    /// The work that `matches`.
    package func work(where matches: (Work) -> Bool) -> [Work] { entries.keys.filter(matches) }

    /// Forgets `work`, which was done elsewhere, unless it runs.
    package func remove(_ work: Work) {
        if entries[work]?.isRunning == false { entries[work] = nil }
    }

    /// Works until ``stop(within:)`` or the task is cancelled.
    package func run() async {
        signal.yield()
        await withDiscardingTaskGroup { group in
            for await _ in signals {
                if isFinished { break }
                if isIncomplete, entries.count <= rules.capacity / 2 {
                    isIncomplete = false
                    await refill(self)
                }
                for work in takeDue() { group.addTask { await self.execute(work) } }
                armTimer()
            }
            group.cancelAll()
        }
        timer?.cancel()
    }

    /// Lets what is due now be done for at most `limit`, then ends ``run()``.
    package func stop(within limit: Duration) {
        stopDeadline = ContinuousClock.now.advanced(by: limit)
        signal.yield()
    }

    // MARK: - Order of work

    private var isFinished: Bool {
        guard let stopDeadline else { return false }
        let now = ContinuousClock.now
        // What has failed before would fail again; a restart goes on with it.
        let isIdle =
            runningCount == 0
            && !entries.values.contains { $0.dueAt <= now && $0.failureCount == 0 }
        return isIdle || now >= stopDeadline
    }

    private func takeDue() -> [Work] {
        let free = rules.runningMax - runningCount
        guard free > 0 else { return [] }
        let now = ContinuousClock.now
        let due = entries.filter { !$0.value.isRunning && $0.value.dueAt <= now }
        let next = due.sorted { $0.value.dueAt < $1.value.dueAt }.prefix(free).map(\.key)
        for work in next { entries[work]?.isRunning = true }
        runningCount += next.count
        return next
    }

    /// One timer, for the earliest work that waits; none while nothing does.
    private func armTimer() {
        timer?.cancel()
        var next = entries.values.filter { !$0.isRunning }.map(\.dueAt).min()
        if let stopDeadline { next = min(next ?? stopDeadline, stopDeadline) }
        guard let next, runningCount < rules.runningMax || stopDeadline != nil else { return }
        let wait = max(0, ContinuousClock.now.duration(to: next).nanoseconds)
        timer = eventLoop.scheduleTask(in: .nanoseconds(wait)) { [signal] in signal.yield() }
    }

    // MARK: - Work

    private func execute(_ work: Work) async {
        do {
            let event = try await perform(work)
            finish(work)
            // Last, so that whoever hears of it finds the queue without it.
            if let event { events.record(event) }
        } catch {
            retry(work, after: error)
        }
        runningCount -= 1
        signal.yield()
    }

    private func finish(_ work: Work) {
        doneCount += 1
        guard var entry = entries[work], entry.isRepeated else {
            entries[work] = nil
            return
        }
        (entry.isRunning, entry.isRepeated, entry.failureCount) = (false, false, 0)
        entries[work] = entry
    }

    private func retry(_ work: Work, after failure: any Error) {
        guard var entry = entries[work] else { return }
        // One that a stop has cut off has not failed.
        if !Task.isCancelled {
            entry.failureCount += 1
            entry.lastError = "\(failure)"
            lastError = entry.lastError
            report(work, failure, entry.failureCount)
        }
        if !entry.isRepeated {
            let pause = rules.pause(after: entry.failureCount)
            entry.dueAt = ContinuousClock.now.advanced(by: pause)
        }
        (entry.isRunning, entry.isRepeated) = (false, false)
        entries[work] = entry
    }

    // MARK: - Status

    /// The queue for `GET /status`, each piece of work as `describe` calls it.
    package func status(_ name: String, describe: (Work) -> String) -> QueueStatus {
        let now = ContinuousClock.now
        let failed = entries.values.filter { $0.failureCount > 0 }
        var status = QueueStatus(
            name: name,
            pendingCount: entries.count,
            failedCount: failed.count,
            doneCount: doneCount,
            capacity: rules.capacity == .max ? nil : rules.capacity
        )
        let byAge = entries.sorted { $0.value.addedAt < $1.value.addedAt }
        status.oldestSeconds = byAge.first.map { $0.value.addedAt.duration(to: now).seconds }
        status.nextAttemptSeconds = failed.map { max(0, now.duration(to: $0.dueAt).seconds) }.min()
        status.lastError = lastError
        status.tasks = byAge.prefix(16).map { work, entry in
            QueueStatus.Task(
                name: describe(work),
                failureCount: entry.failureCount,
                ageSeconds: entry.addedAt.duration(to: now).seconds,
                nextAttemptSeconds: entry.isRunning
                    ? nil : max(0, now.duration(to: entry.dueAt).seconds),
                lastError: entry.lastError
            )
        }
        return status
    }
}
