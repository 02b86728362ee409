// SPDX-License-Identifier: Apache-2.0

import GRDB
import Primitives
import Telemetry

/// The statements on the tasks of one kind.
struct RetryTable: Sendable {
    let kind: String

    // MARK: - Adding and settling

    /// Adds `task`, due at `due`, and answers it as it lies there; or notes in the one that is there what is new about it, and
    /// answers nil.
    /// - Throws: ``RetryStorageError`` `.full` when there are `tasksMax` tasks already.
    func add(
        _ task: NewRetryTask,
        due: Instant,
        now: Instant,
        tasksMax: Int,
        in database: Database
    ) throws -> RetryTask? {
        try database.cachedStatement(
            sql: """
                UPDATE task SET destination = :destination, due_at_ns = min(due_at_ns, :due),
                    revision = revision + (:changeable OR payload <> :payload), payload = :payload,
                    trace = coalesce(:trace, trace),
                    failure_count = CASE state WHEN 'dead' THEN 0 ELSE failure_count END,
                    state = CASE state WHEN 'dead' THEN 'pending' ELSE state END
                WHERE kind = :kind AND scope = :scope AND name = :name
                """
        ).execute(arguments: arguments(task, due: due))
        if database.changesCount > 0 { return nil }
        let tally = try database.cachedStatement(sql: "SELECT total(count) FROM tally")
        let count = try Int.fetchOne(tally) ?? 0
        guard count < tasksMax else {
            throw RetryStorageError(
                code: .full,
                what: "queue \(kind) of \(task.name)",
                why: "\(count) tasks wait already",
                remedy: "see why with GET /queue/tasks, and try again later"
            )
        }
        try database.cachedStatement(
            sql: """
                INSERT INTO task
                    (kind, scope, name, destination, payload, revision, state, created_at_ns, due_at_ns, trace)
                VALUES (:kind, :scope, :name, :destination, :payload, :changeable, 'pending', :now, :due, :trace)
                """
        ).execute(arguments: arguments(task, due: due) + ["now": now.nanoseconds])
        return RetryTask(
            task,
            id: database.lastInsertedRowID,
            kind: kind,
            createdAt: Timestamp(unixNanoseconds: now.nanoseconds),
            dueAt: Timestamp(unixNanoseconds: due.nanoseconds)
        )
    }

    private func arguments(_ task: NewRetryTask, due: Instant) -> StatementArguments {
        [
            "kind": kind, "scope": task.scope, "name": task.name, "destination": task.destination,
            "payload": task.payload, "due": due.nanoseconds,
            "changeable": task.isChangeable ? 1 : 0, "trace": task.trace,
        ]
    }

    /// Removes `task`, which is done; one that was added again meanwhile stays, as new, and then it answers false.
    func complete(_ task: RetryTask, in database: Database) throws -> Bool {
        try database.cachedStatement(sql: "DELETE FROM task WHERE id = ? AND revision = ?")
            .execute(arguments: [task.id, task.revision])
        guard database.changesCount == 0 else { return true }
        try database.execute(
            sql: """
                UPDATE task SET state = 'pending', failure_count = 0, last_error = NULL WHERE id = ?
                """,
            arguments: [task.id]
        )
        return false
    }

    /// What a failed attempt leaves behind.
    struct Failure: Sendable {
        let state: QueueTask.State
        let failureCount: Int
        let due: Instant
        let now: Instant
        let error: String
    }

    /// Notes that `task` has failed. One that was added again meanwhile is tried when that said.
    func fail(_ task: RetryTask, _ failure: Failure, in database: Database) throws {
        try database.execute(
            sql: """
                UPDATE task SET failure_count = :failures, last_attempt_at_ns = :now, last_error = :error,
                    state = CASE revision WHEN :revision THEN :state ELSE 'failed' END,
                    due_at_ns = CASE revision WHEN :revision THEN :due ELSE due_at_ns END
                WHERE id = :id
                """,
            arguments: [
                "failures": failure.failureCount, "now": failure.now.nanoseconds,
                "error": String(failure.error.prefix(Self.errorCharactersMax)),
                "state": failure.state.rawValue, "revision": task.revision,
                "due": failure.due.nanoseconds, "id": task.id,
            ]
        )
    }

    /// Characters of a reason that are kept.
    private static let errorCharactersMax = 1000

    /// What a start does: what failed before is tried at once, also what was given up, because what stood in its way may be
    /// what the restart was for; and times from a clock that was ahead are brought back.
    func recover(now: Instant, in database: Database) throws {
        try database.execute(
            sql: """
                UPDATE task SET due_at_ns = :now + max(0, due_at_ns - created_at_ns), created_at_ns = :now
                WHERE kind = :kind AND created_at_ns > :now
                """,
            arguments: ["now": now.nanoseconds, "kind": kind]
        )
        try database.execute(
            sql: """
                UPDATE task SET state = 'failed', due_at_ns = :now
                WHERE kind = :kind AND state IN ('failed', 'dead')
                """,
            arguments: ["now": now.nanoseconds, "kind": kind]
        )
    }

    // MARK: - Looking

    /// Tasks of `state` for `destination` that are due at `now`, longest due first, without those in `running`.
    func due(
        _ state: QueueTask.State,
        for destination: String,
        now: Instant,
        except running: [Int64],
        limit: Int,
        in database: Database
    ) throws -> [RetryTask] {
        let statement = try database.cachedStatement(
            sql: """
                SELECT * FROM task
                WHERE kind = ? AND destination = ? AND state = ? AND due_at_ns <= ?
                    AND id NOT IN (SELECT value FROM json_each(?))
                ORDER BY due_at_ns LIMIT ?
                """
        )
        let excepted = "[\(running.map(String.init).joined(separator: ","))]"
        return try Row.fetchAll(
            statement,
            arguments: [
                kind, destination, state.rawValue, now.nanoseconds, excepted, limit,
            ]
        ).map(RetryTask.init)
    }

    /// When the next task for one of `destinations` falls due after `now`.
    func nextDue(
        for destinations: [String],
        after now: Instant,
        in database: Database
    ) throws -> Instant? {
        var next: Int64?
        let statement = try database.cachedStatement(
            sql: """
                SELECT min(due_at_ns) FROM task
                WHERE kind = ? AND destination = ? AND state = ? AND due_at_ns > ?
                """
        )
        for destination in destinations {
            for state in ["pending", "failed"] {
                let found = try Int64.fetchOne(
                    statement,
                    arguments: [kind, destination, state, now.nanoseconds]
                )
                if let found { next = min(next ?? found, found) }
            }
        }
        return next.map(Instant.init(nanoseconds:))
    }

    /// How many tasks there are, by destination and state.
    func tally(in database: Database) throws -> [String: [QueueTask.State: Int]] {
        var tally: [String: [QueueTask.State: Int]] = [:]
        let rows = try Row.fetchCursor(
            database,
            sql: "SELECT destination, state, count FROM tally WHERE kind = ?",
            arguments: [kind]
        )
        while let row = try rows.next() {
            guard let state = QueueTask.State(rawValue: row["state"]) else { continue }
            tally[row["destination"], default: [:]][state] = row["count"]
        }
        return tally
    }

    /// The oldest tasks for `destination`.
    func oldest(
        for destination: String,
        limit: Int,
        in database: Database
    ) throws -> [RetryTask] {
        try Row.fetchAll(
            database,
            sql:
                "SELECT * FROM task WHERE kind = ? AND destination = ? ORDER BY created_at_ns LIMIT ?",
            arguments: [kind, destination, limit]
        ).map(RetryTask.init)
    }

    /// When the first failed task for `destination` is tried again.
    func nextRetry(for destination: String, in database: Database) throws -> Instant? {
        try Int64.fetchOne(
            database,
            sql: """
                SELECT min(due_at_ns) FROM task WHERE kind = ? AND destination = ? AND state = 'failed'
                """,
            arguments: [kind, destination]
        ).map(Instant.init(nanoseconds:))
    }
}

extension RetryTask {
    /// `task`, which was just added.
    fileprivate init(
        _ task: NewRetryTask,
        id: Int64,
        kind: String,
        createdAt: Timestamp,
        dueAt: Timestamp
    ) {
        self.init(
            id: id,
            kind: kind,
            name: task.name,
            scope: task.scope,
            destination: task.destination,
            payload: task.payload,
            revision: task.isChangeable ? 1 : 0,
            state: .pending,
            createdAt: createdAt,
            dueAt: dueAt,
            failureCount: 0,
            lastAttemptAt: nil,
            lastError: nil,
            trace: task.trace
        )
    }

    init(_ row: Row) {
        let lastAttempt: Int64? = row["last_attempt_at_ns"]
        self.init(
            id: row["id"],
            kind: row["kind"],
            name: row["name"],
            scope: row["scope"],
            destination: row["destination"],
            payload: row["payload"],
            revision: row["revision"],
            // The table takes no other word.
            state: QueueTask.State(rawValue: row["state"]) ?? .failed,
            createdAt: Timestamp(unixNanoseconds: row["created_at_ns"]),
            dueAt: Timestamp(unixNanoseconds: row["due_at_ns"]),
            failureCount: row["failure_count"],
            lastAttemptAt: lastAttempt.map(Timestamp.init(unixNanoseconds:)),
            lastError: row["last_error"],
            trace: row["trace"]
        )
    }
}
