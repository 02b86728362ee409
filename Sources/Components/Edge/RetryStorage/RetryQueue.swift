// SPDX-License-Identifier: Apache-2.0

import GRDB
package import NIOCore
import Primitives
package import RetryCore
package import Telemetry
import Tracing

/// Does each piece of work of one kind as soon as it is due, again and again until it is done, whatever stops the process
/// in between: all work lies in a ``RetryDatabase``, and here is only what runs. ``RetryScheduler`` decides.
package actor RetryQueue {
    /// What a queue does with its work.
    package struct Handlers: Sendable {
        /// Does it; what it answers is recorded once the queue is without it. ``ImpossibleWork`` gives it up.
        var perform: @Sendable (RetryTask) async throws -> ClusterEvent?
        /// Is told of each failure.
        var report: @Sendable (RetryTask, any Error, _ failureCount: Int) -> Void
        /// Sees to it that nobody owes it any more, when it is dropped undone.
        var drop: @Sendable (RetryTask) async throws -> Void

        /// Does work by `perform`.
        package init(
            perform: @escaping @Sendable (RetryTask) async throws -> ClusterEvent?,
            report: @escaping @Sendable (RetryTask, any Error, _ failureCount: Int) -> Void,
            drop: @escaping @Sendable (RetryTask) async throws -> Void = { _ in }
        ) {
            (self.perform, self.report, self.drop) = (perform, report, drop)
        }
    }

    /// What kind of work it does: `write-back`.
    package nonisolated let kind: String
    nonisolated let table: RetryTable
    nonisolated let database: RetryDatabase
    nonisolated let handlers: Handlers
    private nonisolated let clock = QueueClock()
    private let eventLoop: any EventLoop
    let events: EventLog
    private let signals: AsyncStream<Void>
    let signal: AsyncStream<Void>.Continuation

    var scheduler: RetryScheduler
    /// Work that has ended and whose end is not written yet: not to be started again meanwhile.
    var settling: Set<Int64> = []
    /// What of it has failed, and so is not done.
    var failing: Set<Int64> = []
    /// Work that is just being dropped: not to be started meanwhile.
    var dropping: Set<Int64> = []
    /// What was being dropped at some time while a look goes on: what it finds of that may be gone. Nil while none does.
    var droppedDuringLook: Set<Int64>?
    /// Those of it that are done; the disk is told with what comes next. A crash within this time has them done twice.
    var done = HeldTasks(for: .milliseconds(100), countMax: 64)
    /// New work that is to be started without a look for it, several pieces at once, so that they share syncs of the disk, and
    /// whoever has asked for it does not have to share his.
    var handedOver = HeldTasks(for: .milliseconds(50), countMax: 16)
    var doneCounts: [String: Int] = [:]
    var lastErrors: [String: String] = [:]
    var refused: RefusedTasks
    /// Whether the last look found all there was to do, and all that has come since was handed over: then what ends makes room
    /// for nothing.
    var isIdle = false
    /// The greatest number that a look, or an operator, has found: whoever adds a task may hear later than they do that it is on
    /// the disk.
    var lastFound: Int64 = 0
    /// Whether something has come while a look went on.
    var hasMoreCome = false
    /// When to look again even though nothing comes.
    private var nextLook: Instant?
    var stopDeadline: Instant?
    private var timer: Scheduled<Void>?
    /// When it rings; nil when none is set.
    private var timerAt: Instant?

    /// The queue of `kind` in `database`; its one timer is on `eventLoop`. `destinations` show even while they have no work.
    package init(
        kind: String,
        database: RetryDatabase,
        rules: RetryRules,
        destinations: [String] = [],
        eventLoop: any EventLoop,
        events: EventLog,
        seed: UInt64 = .random(in: .min ... .max),
        handlers: Handlers
    ) {
        (self.kind, self.database, self.eventLoop) = (kind, database, eventLoop)
        (self.events, self.handlers) = (events, handlers)
        table = RetryTable(kind: kind)
        scheduler = RetryScheduler(rules: rules, seed: seed)
        refused = RefusedTasks(seed: seed)
        for destination in destinations { scheduler.know(destination) }
        (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// The time now, on the clock of the tasks.
    nonisolated var now: Instant { clock.now }

    /// Takes up what an earlier run has left; comes before ``run()``.
    /// - Throws: ``RetryStorageError``.
    package func open() async throws {
        let tally = try await database.write("take up the queue \(kind)") { [table, now] database in
            try table.recover(now: now, in: database)
            return try table.tally(in: database)
        }
        for destination in tally.keys.sorted() { scheduler.know(destination) }
    }

    /// Queues `task` to be done after `delay`; returns once it is on the disk. `event` is recorded when it is new here. What the
    /// disk has no room for is refused, and queued once there is some.
    ///
    /// What is queued again after a power cut, because something else on the disk says that it is owed, need not be `isDurable`.
    /// - Throws: ``RetryStorageError``: `.full`, `.noSpace`, `.unusable`.
    package func add(
        _ task: NewRetryTask,
        after delay: Duration = .zero,
        isDurable: Bool = true,
        recording event: ClusterEvent? = nil
    ) async throws {
        var task = task
        task.trace = ServiceContext.current?.trace?.parent
        let entry = RefusedTasks.Entry(task: task, due: now.advanced(by: delay), event: event)
        do {
            let isStarted = try await add(
                [entry],
                "queue \(kind) of \(task.name)",
                isDurable: isDurable
            )
            refused.settle(task, at: now)
            if !isStarted {
                wake()
            } else if handedOver.isFull {
                signal.yield()
            } else {
                armTimer()
            }
        } catch let error as RetryStorageError where error.code == .noSpace {
            refused.note(entry, at: now, scheduler.rules)
            lastErrors[task.destination] = "\(error)"
            wake()
            throw error
        }
    }

    /// Writes all of `entries` down, or none, after what is done. Answers whether all are handed over.
    private func add(
        _ entries: [RefusedTasks.Entry],
        _ what: String,
        isDurable: Bool = true
    ) async throws -> Bool {
        let (now, tasksMax, done) = (now, database.tasksMax, done.take())
        let (ends, added): ([Bool], [RetryTask?])
        do {
            (ends, added) = try await database.write(what, isDurable: isDurable) {
                [table] database in
                let ends = try done.map { try table.complete($0, in: database) }
                let added = try entries.map { entry in
                    try table.add(
                        entry.task,
                        due: entry.due,
                        now: now,
                        tasksMax: tasksMax,
                        in: database
                    )
                }
                return (ends, added)
            }
        } catch {
            keep(done, after: error)
            throw error
        }
        noteSettled(done, areGone: ends)
        for (entry, task) in zip(entries, added) {
            scheduler.know(entry.task.destination)
            if task != nil, let event = entry.event { events.record(event) }
        }
        return added.count { !handOver($0) } == 0
    }

    /// Has `task`, which is new, started without a look for it, if nothing else waits.
    private func handOver(_ task: RetryTask?) -> Bool {
        guard isIdle, stopDeadline == nil, !handedOver.isOverfull, let task,
            task.id > lastFound, task.dueAt.unixNanoseconds <= now.nanoseconds
        else { return false }
        handedOver.append(task, at: now)
        return true
    }

    /// Leaves what is handed over and not started to a look for it, and so what is handed over late up to the number `last`,
    /// because somebody is about to change it on the disk.
    func takeBack(upTo last: Int64 = 0) {
        lastFound = max(lastFound, last)
        if !handedOver.take().isEmpty { wake() }
    }

    /// Queues what the disk had no room for, if it is time and there is room.
    private func addRefused() async {
        guard let nextTry = refused.nextTry, nextTry <= now else { return }
        let entries = refused.all
        do {
            if try await !add(entries, "queue what there was no room for") { wake() }
            refused.settle(entries, at: now)
        } catch {
            refused.fail(at: now, scheduler.rules)
        }
    }

    /// Has the driver look again.
    func wake() {
        (isIdle, hasMoreCome) = (false, true)
        signal.yield()
    }

    // MARK: - Work

    /// Works until ``stop(within:)`` or the task is cancelled.
    package func run() async {
        signal.yield()
        await withDiscardingTaskGroup { group in
            for await _ in signals {
                if let timerAt, hasCome(timerAt) { self.timerAt = nil }
                await addRefused()
                for task in startHandedOver() { group.addTask { await self.execute(task) } }
                if isFlushDue { await flush() }
                if isLookDue {
                    let look = await startDue()
                    for task in look.started { group.addTask { await self.execute(task) } }
                    if isFinished(look) { break }
                    nextLook = await nextLook(after: look)
                }
                armTimer()
            }
            group.cancelAll()
        }
        timer?.cancel()
        await flush()
    }

    /// Marks what was handed over as running, if it is time, as much as there is room for.
    private func startHandedOver() -> [RetryTask] {
        guard handedOver.isFull || stopDeadline != nil || isHandedOverDue else { return [] }
        let now = now
        // Most ask while there is room for none of it, which must not cost a look at each.
        var room: [String: Int] = [:]
        for demand in scheduler.demands(at: now) where demand.lane == .fresh {
            room[demand.destination] = demand.count
        }
        guard !room.isEmpty else { return [] }
        let tasks = handedOver.take(keepingUntil: now) { task in
            guard let left = room[task.destination], left > 0 else { return false }
            room[task.destination] = left - 1
            return true
        }
        let admitted = Set(scheduler.admit(tasks.map(\.candidate), at: now).map(\.id))
        // The rest is next when something ends.
        handedOver.putBack(tasks.filter { !admitted.contains($0.id) }, until: now)
        return tasks.filter { admitted.contains($0.id) }
    }

    var isHandedOverDue: Bool { handedOver.dueAt.map(hasCome) ?? false }

    private var isFlushDue: Bool {
        done.isFull || stopDeadline != nil || done.dueAt.map(hasCome) ?? false
    }

    private var isLookDue: Bool {
        guard isIdle else { return true }
        return nextLook.map { hasCome($0) } ?? false
    }

    /// Whether it is `moment`, as far as a timer by another clock can tell.
    private func hasCome(_ moment: Instant) -> Bool {
        now.advanced(by: Self.clockTolerance) >= moment
    }

    private static let clockTolerance = Duration.milliseconds(1)

    /// Lets new work that is due be done for at most `limit`, then ends ``run()``.
    package func stop(within limit: Duration) {
        stopDeadline = now.advanced(by: limit)
        wake()
    }

    /// What has failed before would fail again, and a restart goes on with it: a stop waits for new work only.
    private func isFinished(_ look: Look) -> Bool {
        guard let stopDeadline else { return false }
        if now >= stopDeadline { return true }
        return look.started.isEmpty && look.hadRoom && isAlone
    }

    /// Whether nothing runs and every end is written.
    var isAlone: Bool {
        scheduler.runningIDs.isEmpty && settling.isEmpty && dropping.isEmpty
    }

    /// One timer, for what comes first: a look, an end to be written, work to be started; none while nothing waits.
    func armTimer() {
        // What was handed over and has waited long enough waits for room.
        let started = isHandedOverDue ? nil : handedOver.dueAt
        let next = [nextLook, done.dueAt, started].compactMap { $0 }.min()
        guard let next, timerAt.map({ next < $0 }) ?? true else { return }
        timer?.cancel()
        timerAt = next
        let wait = max(0, now.duration(to: next).nanoseconds)
        timer = eventLoop.scheduleTask(in: .nanoseconds(wait)) { [signal] in signal.yield() }
    }
}

extension RetryTask {
    /// The task as the scheduler sees it.
    var candidate: RetryScheduler.Candidate {
        RetryScheduler.Candidate(
            id: id,
            destination: destination,
            dueAt: Instant(nanoseconds: dueAt.unixNanoseconds),
            failureCount: failureCount
        )
    }
}

/// Civil time as it was at the start plus what has passed since: someone who sets the clock moves nothing.
private struct QueueClock: Sendable {
    private let wall = Timestamp.now.unixNanoseconds
    private let start = ContinuousClock.now

    var now: Instant { Instant(nanoseconds: wall).advanced(by: start.duration(to: .now)) }
}
