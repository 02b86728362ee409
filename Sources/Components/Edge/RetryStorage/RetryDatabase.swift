// SPDX-License-Identifier: Apache-2.0

package import Files
import GRDB
package import Primitives
import Synchronization

/// The file that a component's queues lie in: SQLite, with a write-ahead log that is synced before a call returns.
///
/// What is asked for while a transaction is on its way to the disk goes there together with the next one, so that a
/// burst costs two syncs, not one each.
package actor RetryDatabase {
    /// Tasks of all kinds together; a further one is refused.
    nonisolated let tasksMax: Int
    private let path: String
    private let database: DatabasePool
    private let pool: BlockingPool
    private nonisolated let gate = RetryDatabaseGate()
    private var jobs: [Job] = []
    private var isWriting = false
    /// Whether the writing connection waits for the disk at the end of a transaction; nil: not known.
    private var waitsForDisk: Bool?

    /// A step of the next transaction, told its outcome when that is on disk.
    private struct Job {
        /// Throws only when `isAlone`, so that its transaction is undone.
        let run: @Sendable (Database, _ isAlone: Bool) throws -> Void
        let isDurable: Bool
        let turn: CheckedContinuation<Turn, Never>?
    }

    /// What someone who waited is to do.
    private enum Turn {
        case lead
        case done((any Error)?)
    }

    /// The value that a step leaves, read once its transaction has ended.
    private final class Outcome<Value: Sendable>: Sendable {
        private let result = Mutex<Result<Value, any Error>?>(nil)
        func set(_ value: Result<Value, any Error>) { result.withLock { $0 = value } }
        func get() throws -> Value {
            guard let result = result.withLock({ $0 }) else { throw CancellationError() }
            return try result.get()
        }
    }

    /// Opens the file at `path`, or makes it.
    /// - Throws: ``RetryStorageError``.
    package init(path: String, pool: BlockingPool, limits: Limits = Limits()) async throws {
        (self.path, self.pool, tasksMax) = (path, pool, limits.retryTasksMax)
        database = try await pool.runUncancelled {
            do { return try Self.open(path) } catch {
                throw RetryStorageError(error, "open \(path)")
            }
        }
    }

    private static func open(_ path: String) throws -> DatabasePool {
        if let parent = Directory.parent(of: path) { try Directory.create(parent) }
        var configuration = Configuration()
        configuration.label = "retry"
        configuration.maximumReaderCount = 2
        // A copy of the file that someone looks at with sqlite3 must not make a write fail.
        configuration.busyMode = .timeout(5)
        let database = try DatabasePool(path: path, configuration: configuration)
        let migrator = RetrySchema.migrator
        guard try database.read(migrator.hasBeenSuperseded) == false else {
            throw RetryStorageError(
                code: .unusable,
                what: "open \(path)",
                why: "a later version of Herd wrote it",
                remedy: "run that version, or move the file away and lose the tasks in it"
            )
        }
        try migrator.migrate(database)
        return database
    }

    /// Runs `body` in a transaction, and returns once that is on the disk. Not cut off by a cancelled task.
    ///
    /// What a power cut may undo without harm is not `isDurable`: it outlives the process, and does not wait for the disk.
    /// - Throws: ``RetryStorageError``; what `body` throws undoes what it did, and nothing else.
    func write<Value: Sendable>(
        _ what: String,
        isDurable: Bool = true,
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws -> Value {
        guard gate.enter() else { throw RetryStorageError.closed(path, what) }
        defer { gate.leave() }
        let outcome = Outcome<Value>()
        let step: @Sendable (Database, Bool) throws -> Void = { database, isAlone in
            if isAlone { return outcome.set(.success(try body(database))) }
            outcome.set(
                Result {
                    var value: Value?
                    try database.inSavepoint {
                        value = try body(database)
                        return .commit
                    }
                    guard let value else { throw CancellationError() }
                    return value
                }
            )
        }
        do {
            if isWriting {
                let turn = await withCheckedContinuation {
                    jobs.append(Job(run: step, isDurable: isDurable, turn: $0))
                }
                switch turn {
                case .done(let error?): throw error
                case .done(nil): return try outcome.get()
                case .lead: break
                }
            } else {
                isWriting = true
                jobs.append(Job(run: step, isDurable: isDurable, turn: nil))
            }
            try await commit()
            return try outcome.get()
        } catch { throw RetryStorageError(error, what) }
    }

    /// Writes everything that waits, one's own step first, and hands the lead to whoever came meanwhile.
    private func commit() async throws {
        let batch = jobs
        jobs = []
        let isDurable = batch.contains(where: \.isDurable)
        let isOther = waitsForDisk != isDurable
        waitsForDisk = nil
        let failure: (any Error)?
        do {
            try await pool.runUncancelled { [database] in
                try database.writeWithoutTransaction { database in
                    if isOther {
                        try database.execute(
                            sql: "PRAGMA synchronous = \(isDurable ? "FULL" : "NORMAL")"
                        )
                    }
                    try database.inTransaction {
                        for job in batch { try job.run(database, batch.count == 1) }
                        return .commit
                    }
                }
            }
            waitsForDisk = isDurable
            failure = nil
        } catch { failure = error }
        for job in batch.dropFirst() { job.turn?.resume(returning: .done(failure)) }
        if let next = jobs.first?.turn {
            next.resume(returning: .lead)
        } else {
            isWriting = false
        }
        if let failure { throw failure }
    }

    /// Reads with `body`, beside any write.
    /// - Throws: ``RetryStorageError``.
    nonisolated func read<Value: Sendable>(
        _ what: String,
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws -> Value {
        guard gate.enter() else { throw RetryStorageError.closed(path, what) }
        defer { gate.leave() }
        do {
            return try await pool.runUncancelled { [database] in try database.read(body) }
        } catch { throw RetryStorageError(error, what) }
    }

    /// Closes the file once nobody uses it; a call that comes later fails.
    package func close() async {
        await gate.close()
        do { try await pool.runUncancelled { [database] in try database.close() } } catch {
            // What was acknowledged is in the log already; the next start takes it from there.
        }
    }
}

extension RetryStorageError {
    /// The error of a call that came after the file at `path` was closed.
    fileprivate static func closed(_ path: String, _ what: String) -> RetryStorageError {
        RetryStorageError(
            code: .unusable,
            what: what,
            why: "\(path) is closed, because the component stops",
            remedy: "ask again once it runs"
        )
    }

    /// The error for `cause`, met at `what`.
    init(_ cause: any Error, _ what: String) {
        if let known = cause as? RetryStorageError {
            self = known
            return
        }
        let database = cause as? DatabaseError
        let isFull =
            database?.resultCode == .SQLITE_FULL
            // The index of its log could not be made longer.
            || database?.extendedResultCode == .SQLITE_IOERR_SHMSIZE
            || (cause as? FileError)?.code == .noSpace
        self.init(
            code: isFull ? .noSpace : .unusable,
            what: what,
            why: isFull ? database?.message ?? "\(cause)" : "\(cause)",
            remedy: isFull
                ? "free space on the disk of the data directory"
                : "check the disk; a damaged file can be moved away: what is owed to backends is found again in the store, "
                    + "replications have to be asked for again"
        )
    }
}
