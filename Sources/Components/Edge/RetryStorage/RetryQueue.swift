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
    private let events: EventLog
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    var scheduler: RetryScheduler
    /// Work that has ended and whose end is being written: not to be started again meanwhile.
    private var settling: Set<Int64> = []
    var doneCounts: [String: Int] = [:]
    var lastErrors: [String: String] = [:]
    private var refused: RefusedTasks
    /// Whether the last look found all there was to do, and nothing has come since: then what ends makes room for nothing.
    private var isIdle = false
    private var stopDeadline: Instant?
    private var timer: Scheduled<Void>?

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
            try await add([entry], "queue \(kind) of \(task.name)", isDurable: isDurable)
            refused.settle(task, at: now)
        } catch let error as RetryStorageError where error.code == .noSpace {
            refused.note(entry, at: now, scheduler.rules)
            lastErrors[task.destination] = "\(error)"
            wake()
            throw error
        }
        wake()
    }

    /// Writes all of `entries` down, or none.
    private func add(
        _ entries: [RefusedTasks.Entry],
        _ what: String,
        isDurable: Bool = true
    ) async throws {
        let (now, tasksMax) = (now, database.tasksMax)
        let areNew = try await database.write(what, isDurable: isDurable) { [table] database in
            try entries.map { entry in
                try table.add(
                    entry.task,
                    due: entry.due,
                    now: now,
                    tasksMax: tasksMax,
                    in: database
                )
            }
        }
        for (entry, isNew) in zip(entries, areNew) {
            scheduler.know(entry.task.destination)
            if isNew, let event = entry.event { events.record(event) }
        }
    }

    /// Queues what the disk had no room for, if it is time and there is room.
    private func addRefused() async {
        guard let nextTry = refused.nextTry, nextTry <= now else { return }
        let entries = refused.all
        do {
            try await add(entries, "queue what there was no room for")
            refused.settle(entries, at: now)
        } catch {
            refused.fail(at: now, scheduler.rules)
        }
    }

    /// Has the driver look again.
    func wake() {
        isIdle = false
        signal.yield()
    }

    // MARK: - Work

    /// Works until ``stop(within:)`` or the task is cancelled.
    package func run() async {
        signal.yield()
        await withDiscardingTaskGroup { group in
            for await _ in signals {
                await addRefused()
                let look = await startDue()
                for task in look.started { group.addTask { await self.execute(task) } }
                if isFinished(look.started) { break }
                await armTimer(after: look)
            }
            group.cancelAll()
        }
        timer?.cancel()
    }

    /// Lets new work that is due be done for at most `limit`, then ends ``run()``.
    package func stop(within limit: Duration) {
        stopDeadline = now.advanced(by: limit)
        wake()
    }

    /// What has failed before would fail again, and a restart goes on with it: a stop waits for new work only.
    private func isFinished(_ started: [RetryTask]) -> Bool {
        guard let stopDeadline else { return false }
        if now >= stopDeadline { return true }
        return started.isEmpty && scheduler.runningIDs.isEmpty && settling.isEmpty
    }

    /// Ends of work that wait for the disk; while there are more, nothing is started.
    private static let settlingMax = 64

    /// What was found to do.
    private struct Look {
        var started: [RetryTask] = []
        /// When was looked last: what falls due later is not among it.
        var endedAt: Instant
        /// When the next work falls due after that; nil when that is not known.
        var next: NextDue?
        /// Whether the disk did not say.
        var hasFailed = false
    }

    /// When work falls due; nil: none waits.
    private struct NextDue: Sendable { let at: Instant? }

    /// What one look into the table found.
    private struct Found: Sendable {
        var tasks: [Int64: RetryTask] = [:]
        /// Whether that is all there is to do now.
        var isAll: Bool
        var next: NextDue?
    }

    /// Marks due work as running, as much as there is room for.
    private func startDue() async -> Look {
        var look = Look(endedAt: now)
        isIdle = true
        while settling.count < Self.settlingMax {
            look.endedAt = now
            guard let found = await due(at: look.endedAt) else {
                look.hasFailed = true
                break
            }
            let admitted = scheduler.admit(found.tasks.values.map(\.candidate), at: look.endedAt)
            look.started += admitted.compactMap { found.tasks[$0.id] }
            if found.isAll, admitted.count == found.tasks.count {
                look.next = found.next
                return look
            }
            if admitted.isEmpty { break }
        }
        isIdle = false
        return look
    }

    /// What is due at `now`, as much as there is room for, and when more will be; nil when the disk does not say.
    private func due(at now: Instant) async -> Found? {
        let busy = scheduler.runningIDs + settling
        let demands = scheduler.demands(at: now).filter { stopDeadline == nil || $0.lane == .fresh }
        let destinations = scheduler.admittedDestinations(at: now)
        // Behind a circuit that is not closed more may wait than is asked for.
        let isForAll = scheduler.hasRoomForAll && stopDeadline == nil
        do {
            // One look for all of it: each takes a thread and a transaction.
            return try await database.read("look into the queue \(kind)") { [table] database in
                var found = Found(isAll: isForAll)
                for demand in demands {
                    let tasks = try table.due(
                        demand.lane == .fresh ? .pending : .failed,
                        for: demand.destination,
                        now: now,
                        except: busy,
                        limit: demand.count,
                        in: database
                    )
                    if tasks.count >= demand.count { found.isAll = false }
                    for task in tasks { found.tasks[task.id] = task }
                }
                found.next = NextDue(
                    at: try table.nextDue(for: destinations, after: now, in: database)
                )
                return found
            }
        } catch {
            for demand in demands { lastErrors[demand.destination] = "\(error)" }
            return nil
        }
    }

    /// The trace in which `task` was asked for, so that what came of a push is found with it, whenever that is.
    private nonisolated func surroundings(of task: RetryTask) -> ServiceContext {
        var context = ServiceContext.topLevel
        context.component = events.component
        context.trace = task.trace.flatMap { TraceContext(parent: $0) }
        return context
    }

    private func execute(_ task: RetryTask) async {
        do {
            let event = try await withSpan(
                kind,
                context: surroundings(of: task),
                ofKind: .consumer
            ) { span in
                if span.isRecording { span.attributes["task.name"] = task.name }
                return try await handlers.perform(task)
            }
            settling.insert(task.id)
            _ = scheduler.finish(task.id, .done, at: now)
            let isGone = await settle(task) { table, database in
                try table.complete(task, in: database)
            }
            doneCounts[task.destination, default: 0] += 1
            // Last, so that whoever hears of it finds the queue without it.
            if let event { events.record(event) }
            if isGone != true { wake() } else if !isIdle { signal.yield() }
        } catch {
            await fail(task, error)
            wake()
        }
    }

    private func fail(_ task: RetryTask, _ error: any Error) async {
        // One that a stop has cut off has not failed.
        let outcome: RetryScheduler.Outcome =
            Task.isCancelled ? .interrupted : error is ImpossibleWork ? .impossible : .failed
        let now = now
        settling.insert(task.id)
        let verdict = scheduler.finish(task.id, outcome, at: now)
        let failure: RetryTable.Failure
        switch verdict {
        case .forget, .keep:
            settling.remove(task.id)
            return
        case .tryAgain(let due, let failureCount):
            failure = .init(
                state: .failed,
                failureCount: failureCount,
                due: due,
                now: now,
                error: "\(error)"
            )
        case .bury(let failureCount):
            failure = .init(
                state: .dead,
                failureCount: failureCount,
                due: now,
                now: now,
                error: "\(error)"
            )
        }
        lastErrors[task.destination] = failure.error
        await settle(task) { table, database in try table.fail(task, failure, in: database) }
        handlers.report(task, error, failure.failureCount)
    }

    /// Writes down how `task` ended, as soon as the disk takes it. If the process ends before, the work is done once more.
    /// - Returns: what `write` does; nil when the process ends before.
    private func settle<Value: Sendable>(
        _ task: RetryTask,
        _ write: @escaping @Sendable (RetryTable, Database) throws -> Value
    ) async -> Value? {
        defer { settling.remove(task.id) }
        repeat {
            do {
                return try await database.write(
                    "note the end of \(task.name)",
                    isDurable: false
                ) { [table] database in try write(table, database) }
            } catch {
                lastErrors[task.destination] = "\(error)"
                // Back-off: a full disk does not tell when there is room again.
                do { try await Task.sleep(for: scheduler.rules.pauseMin) } catch { return nil }
            }
        } while !Task.isCancelled
        return nil
    }

    private func nextDue(after look: Look) async throws -> Instant? {
        if let known = look.next { return known.at }
        let (last, destinations) = (look.endedAt, scheduler.admittedDestinations(at: look.endedAt))
        return try await database.read("look into the queue \(kind)") { [table] database in
            try table.nextDue(for: destinations, after: last, in: database)
        }
    }

    /// One timer, for the earliest work that waits; none while nothing does.
    private func armTimer(after look: Look) async {
        let last = look.endedAt
        var next = scheduler.nextDeadline(after: last)
        var hasFailed = look.hasFailed
        do {
            if let due = try await nextDue(after: look) { next = min(next ?? due, due) }
        } catch {
            hasFailed = true
        }
        if let nextTry = refused.nextTry { next = min(next ?? nextTry, nextTry) }
        // A disk that fails is asked again after a while.
        if hasFailed {
            next = min(next ?? .distantFuture, last.advanced(by: scheduler.rules.pauseMax))
        }
        if let stopDeadline { next = min(next ?? stopDeadline, stopDeadline) }
        timer?.cancel()
        guard let next else { return }
        let wait = max(0, self.now.duration(to: next).nanoseconds)
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
