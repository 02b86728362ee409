// SPDX-License-Identifier: Apache-2.0

import GRDB
import Primitives
import Telemetry

// What an operator asks for: lists, another attempt, the end.
extension RetryTable {
    /// The tasks that `filter` lets through, by number, from above `id` on. `running` says which ones run.
    func page(
        _ filter: QueueFilter,
        after id: Int64,
        limit: Int,
        running: [Int64],
        in database: Database
    ) throws -> [RetryTask] {
        let (condition, arguments) = condition(filter, running: running)
        return try Row.fetchAll(
            database,
            sql: "SELECT * FROM task WHERE \(condition) AND id > ? ORDER BY id LIMIT ?",
            arguments: arguments + [id, limit]
        ).map(RetryTask.init)
    }

    /// Makes every task that `filter` lets through due at `now`, as if new; answers how many those are, and where they go.
    func retry(
        _ filter: QueueFilter,
        now: Instant,
        running: [Int64],
        in database: Database
    ) throws -> (count: Int, destinations: [String]) {
        let (condition, arguments) = condition(filter, running: running)
        let destinations = try String.fetchAll(
            database,
            sql: "SELECT DISTINCT destination FROM task WHERE \(condition)",
            arguments: arguments
        )
        // With the failures forgotten, work that was given up gets as many attempts as at first.
        try database.execute(
            sql: """
                UPDATE task SET due_at_ns = min(due_at_ns, ?), failure_count = min(failure_count, 1),
                    state = CASE state WHEN 'dead' THEN 'failed' ELSE state END
                WHERE \(condition)
                """,
            arguments: [now.nanoseconds] + arguments
        )
        return (database.changesCount, destinations)
    }

    /// Whether the task `id` is there and has not been added once more since it was `revision`.
    func has(_ id: Int64, revision: Int64, in database: Database) throws -> Bool {
        try Bool.fetchOne(
            database,
            sql: "SELECT EXISTS (SELECT 1 FROM task WHERE id = ? AND revision = ?)",
            arguments: [id, revision]
        ) ?? false
    }

    /// Removes the task `id`, unless it has been added once more since it was `revision`.
    func drop(_ id: Int64, revision: Int64, in database: Database) throws -> Bool {
        try database.execute(
            sql: "DELETE FROM task WHERE id = ? AND revision = ?",
            arguments: [id, revision]
        )
        return database.changesCount > 0
    }

    private func condition(
        _ filter: QueueFilter,
        running: [Int64]
    ) -> (String, StatementArguments) {
        let ids = running.map(String.init).joined(separator: ",")
        var condition = "kind = ?"
        var arguments: StatementArguments = [kind]
        if let id = filter.id {
            condition += " AND id = ?"
            arguments += [id]
        }
        if let name = filter.name {
            condition += " AND name = ?"
            arguments += [name]
        }
        if let destination = filter.destination {
            condition += " AND destination = ?"
            arguments += [destination]
        }
        switch filter.state {
        case .running: condition += " AND id IN (\(ids))"
        case let state?:
            condition += " AND state = ? AND id NOT IN (\(ids))"
            arguments += [state.rawValue]
        case nil: break
        }
        return (condition, arguments)
    }
}
