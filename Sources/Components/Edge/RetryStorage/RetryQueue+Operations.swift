// SPDX-License-Identifier: Apache-2.0

import Primitives
import RetryCore
package import Telemetry

// What an operator sees and asks for.
extension RetryQueue {
    /// The tasks that `filter` lets through, by number, from above `after` on, `limit` of them.
    /// - Throws: ``RetryStorageError``.
    package func page(
        _ filter: QueueFilter,
        after: Int64 = 0,
        limit: Int
    ) async throws -> [QueueTask] {
        guard filter.kind ?? kind == kind else { return [] }
        await flush()
        let running = scheduler.runningIDs
        return try await database.read("list the queue \(kind)") { [table] database in
            try table.page(filter, after: after, limit: limit, running: running, in: database)
                .map { $0.document(isRunning: running.contains($0.id)) }
        }
    }

    /// Has every task that `filter` lets through tried now, also what was given up and what a circuit holds back; answers
    /// how many those are.
    /// - Throws: ``RetryStorageError``.
    package func retry(_ filter: QueueFilter) async throws -> Int {
        guard filter.kind ?? kind == kind else { return 0 }
        await flush()
        takeBack()
        let (now, running) = (now, scheduler.runningIDs)
        let result = try await database.write("retry in the queue \(kind)") { [table] database in
            try table.retry(filter, now: now, running: running, in: database)
        }
        for destination in result.destinations {
            scheduler.know(destination)
            scheduler.allowProbe(of: destination, at: now)
        }
        wake()
        return result.count
    }

    /// Removes the tasks that `filter` lets through, undone: what they owe is owed no more. Answers how many those were; what
    /// runs is left.
    /// - Throws: ``RetryStorageError``, and what forgetting a debt throws.
    package func drop(_ filter: QueueFilter) async throws -> Int {
        guard filter.kind ?? kind == kind else { return 0 }
        await flush()
        // What is left of them can be started again, and a stop may have waited.
        defer { wake() }
        var (count, last): (Int, Int64) = (0, 0)
        while true {
            let running = scheduler.runningIDs
            let tasks = try await database.read("list the queue \(kind)") {
                [table, last] database in
                try table.page(
                    filter,
                    after: last,
                    limit: Self.dropsPerStep,
                    running: running,
                    in: database
                )
            }
            guard let end = tasks.last?.id else { return count }
            last = end
            takeBack(upTo: end)
            for task in tasks where try await drop(task, "drop", after: handlers.drop) {
                count += 1
            }
        }
    }

    /// Removes `task` from the disk after `body`, unless it runs, is done or has been added once more; it is not started meanwhile. The
    /// driver has to look again afterwards. Answers whether it was there.
    private func drop(
        _ task: RetryTask,
        _ what: String,
        after body: ((RetryTask) async throws -> Void)? = nil
    ) async throws -> Bool {
        let isDone = settling.contains(task.id) && !failing.contains(task.id)
        guard !isDone, !scheduler.isRunning(task.id), dropping.insert(task.id).inserted else {
            return false
        }
        droppedDuringLook?.insert(task.id)
        defer { dropping.remove(task.id) }
        if let body {
            let isThere = try await database.read("look for \(task.name)") { [table] database in
                try table.has(task.id, revision: task.revision, in: database)
            }
            guard isThere else { return false }
            try await body(task)
        }
        return try await database.write("\(what) \(task.name)") { [table] database in
            try table.drop(task.id, revision: task.revision, in: database)
        }
    }

    private static let dropsPerStep = 100

    /// Shows `destination` even while it has no work.
    package func know(_ destination: String) { scheduler.know(destination) }

    /// Shows `destination`, for which nothing waits any more, no longer.
    package func forget(_ destination: String) {
        // What was handed over is started for destinations that are known.
        if !handedOver.contains(destination) { scheduler.forget(destination) }
    }

    /// Work on `name` that waits or runs.
    /// - Throws: ``RetryStorageError``.
    package func tasks(on name: String) async throws -> [RetryTask] {
        await flush()
        return try await database.read("look for \(name)") { [table] database in
            try table.page(
                QueueFilter(name: name),
                after: 0,
                limit: Self.dropsPerStep,
                running: [],
                in: database
            )
        }
    }

    /// Removes `task`, which someone else has done, unless it runs.
    /// - Throws: ``RetryStorageError``.
    package func remove(_ task: RetryTask) async throws {
        takeBack(upTo: task.id)
        defer { wake() }
        _ = try await drop(task, "remove")
    }

    // MARK: - Status

    /// Tasks of each destination that a snapshot shows.
    private static let shownMax = 16

    /// The queue for `GET /status`, one row for each destination.
    package func status() async -> [QueueStatus] {
        await flush()
        let known = scheduler.knownDestinations
        do {
            let parts = try await database.read("look into the queue \(kind)") { [table] database in
                let tally = try table.tally(in: database)
                return try Set(known).union(tally.keys).sorted().map { destination in
                    Part(
                        destination: destination,
                        tally: tally[destination] ?? [:],
                        oldest: try table.oldest(
                            for: destination,
                            limit: Self.shownMax,
                            in: database
                        ),
                        nextRetry: try table.nextRetry(for: destination, in: database)
                    )
                }
            }
            return parts.map(status)
        } catch {
            var status = QueueStatus(name: kind, pendingCount: 0)
            status.lastError = "\(error)"
            return [status]
        }
    }

    /// What is read for one row.
    private struct Part: Sendable {
        let destination: String
        let tally: [QueueTask.State: Int]
        let oldest: [RetryTask]
        let nextRetry: Instant?
    }

    private func status(_ part: Part) -> QueueStatus {
        let now = now
        let (failed, dead) = (part.tally[.failed] ?? 0, part.tally[.dead] ?? 0)
        var status = QueueStatus(
            name: kind,
            target: part.destination,
            pendingCount: (part.tally[.pending] ?? 0) + failed,
            failedCount: failed,
            doneCount: doneCounts[part.destination] ?? 0,
            capacity: database.tasksMax
        )
        status.deadCount = dead
        status.circuit = circuit(of: part.destination)
        status.oldestSeconds = part.oldest.first.map { seconds(since: $0.createdAt, now) }
        status.nextAttemptSeconds = part.nextRetry.map { max(0, now.duration(to: $0).seconds) }
        status.lastError =
            lastErrors[part.destination] ?? part.oldest.lazy.compactMap(\.lastError).first
        status.tasks = part.oldest.map { task in
            let isRunning = scheduler.isRunning(task.id)
            let due = Instant(nanoseconds: task.dueAt.unixNanoseconds)
            var shown = QueueStatus.Task(
                name: task.name,
                failureCount: task.failureCount,
                ageSeconds: seconds(since: task.createdAt, now),
                nextAttemptSeconds: isRunning || task.state == .dead
                    ? nil : max(0, now.duration(to: due).seconds),
                lastError: task.lastError
            )
            shown.id = task.id
            shown.lastAttemptSeconds = task.lastAttemptAt.map { seconds(since: $0, now) }
            shown.state = isRunning ? .running : task.state
            return shown
        }
        return status
    }

    private func circuit(of destination: String) -> QueueStatus.Circuit {
        switch scheduler.circuit(of: destination) {
        case .closed: .closed
        case .open: .open
        case .probing: .probing
        }
    }

    private func seconds(since time: Timestamp, _ now: Instant) -> Double {
        max(0, Instant(nanoseconds: time.unixNanoseconds).duration(to: now).seconds)
    }
}
