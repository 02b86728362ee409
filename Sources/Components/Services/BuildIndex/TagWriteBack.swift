// SPDX-License-Identifier: Apache-2.0

import Backends
import ClusterClients
import Content
import HTTPKit
import Logging
import NIOCore
import Primitives
import RetryCore
import RetryStorage
import Telemetry

/// Writes to the backend what the tag store owes it; that it is owed is on disk with the tag, the queue says when it is tried.
struct TagWriteBack: Sendable {
    private let store: TagStore
    private let backend: TagBackend
    /// The queue itself, for its routes.
    let queue: RetryQueue

    /// The word for this kind of work.
    static let kind = "write-back"

    /// Opens the queue in `database`.
    /// - Throws: `RetryStorageError`.
    init(
        store: TagStore,
        backend: TagBackend,
        neighbours: @escaping @Sendable () async -> [BuildIndexClient],
        database: RetryDatabase,
        rules: RetryRules,
        environment: ComponentEnvironment
    ) async throws {
        (self.store, self.backend) = (store, backend)
        let writer = TagWriter(store: store, backend: backend, neighbours: neighbours)
        queue = RetryQueue(
            kind: Self.kind,
            database: database,
            rules: rules,
            destinations: backend.table.destinations,
            eventLoop: environment.eventLoopGroup.next(),
            events: environment.events,
            handlers: .init(
                perform: { try await writer.write(try QualifiedTag(parsing: $0.name)) },
                report: { [events = environment.events, log = environment.log] task, error, count in
                    events.record(
                        ClusterEvent(
                            .writeBackFailed,
                            reason: "\(error)",
                            detail: ["tag": task.name, "attempt": "\(count)"]
                        )
                    )
                    log.warning(
                        "tag not written back",
                        metadata: [LogKey.tag: "\(task.name)", LogKey.error: "\(error)"]
                    )
                },
                drop: { try await writer.forget(try QualifiedTag(parsing: $0.name)) }
            )
        )
        try await queue.open()
    }

    /// Queues `tag`, which the store owes the backend, to be written after `delay`.
    /// - Throws: `RetryStorageError`.
    func add(_ tag: QualifiedTag, after delay: Duration) async throws {
        let task = NewRetryTask(
            name: tag.description,
            scope: tag.description,
            destination: backend.destination(of: tag),
            // A tag may have been put again.
            isChangeable: true
        )
        // The store says so, too, on the disk.
        try await queue.add(task, after: delay, isDurable: false)
    }

    /// Queues everything that the store owes and that is not queued, as after a version without this queue.
    /// - Throws: `RetryStorageError`.
    func addPending() async throws {
        for (tag, delay) in await store.pendingWriteBacks
        where try await queue.tasks(on: tag.description).isEmpty {
            do { try await add(tag, after: delay) } catch let error as RetryStorageError
                where error.code == .noSpace
            {
                // It comes by itself once there is room.
            }
        }
    }

    /// Works until ``stop(within:)`` or the task is cancelled.
    func run() async { await queue.run() }

    /// Lets what is due now be written for at most `limit`, then ends ``run()``.
    func stop(within limit: Duration) async { await queue.stop(within: limit) }

    /// The queue for `GET /status`, a row for each backend.
    func status() async -> [QueueStatus] { await queue.status() }
}

/// Writes one tag.
private struct TagWriter: Sendable {
    let store: TagStore
    let backend: TagBackend
    let neighbours: @Sendable () async -> [BuildIndexClient]

    /// After how long what is to be written may have been changed at a neighbour without this build-index being told.
    private static let lateAfter = Duration.seconds(2)
    /// How often a neighbour may know better.
    private static let attemptsMax = 8

    /// Makes the backend say what the store says of `tag`; answers what to tell about it.
    func write(_ tag: QualifiedTag) async throws -> ClusterEvent? {
        do { return try await attempt(tag) } catch let error as BackendError where error.isFinal {
            throw ImpossibleWork("\(error)")
        }
    }

    private func attempt(_ tag: QualifiedTag) async throws -> ClusterEvent? {
        for _ in 0..<Self.attemptsMax {
            guard let record = await store.record(of: tag),
                let change = await laterChange(of: tag, than: record)
            else { break }
            _ = try await store.apply(change, to: tag, over: .init(record: record))
        }
        guard let record = await store.record(of: tag) else { return nil }
        // A run that came just before wrote this value, too.
        guard let owed = record.writeBack else { return done(tag, record.digest, "it was there") }
        var reason: String?
        if case .neighbour(let replaced) = owed.origin {
            let current = try await backend.digest(of: tag)
            // A tag that was deleted is deleted still if the backend says what it named before.
            if let current, current != record.digest, current != replaced {
                // Somebody else's put came later and is in the backend already: it stays.
                try await store.adopt(current, for: tag, insteadOf: record)
                return done(tag, current, "a newer put is there")
            }
            if current == record.digest { reason = "it was there" }
        }
        if reason == nil { try await backend.apply(record.digest, to: tag) }
        try await store.markWrittenBack(tag, record.digest)
        return done(tag, record.digest, reason)
    }

    /// What a neighbour says happened to `tag` after what is to be written late; nil when none that answers knows better.
    ///
    /// A build-index that was down comes back owing what others have deleted or moved meanwhile, and may come to write it
    /// before they come to tell.
    private func laterChange(
        of tag: QualifiedTag,
        than record: TagRecord
    ) async -> TagChange? {
        let age = Timestamp.now.unixNanoseconds - record.putAt.unixNanoseconds
        guard record.writeBack != nil, age > Self.lateAfter.nanoseconds else { return nil }
        for neighbour in await neighbours() {
            // One that gives no answer, or none of this kind as Kraken's, can't be waited for.
            guard let known = try? await neighbour.lastChange(of: tag) else { continue }
            let moment = Timestamp(unixNanoseconds: known.madeAtNanoseconds)
            guard record.precedes(known.digest, madeAt: moment) else { continue }
            // Whoever deleted it has told the backend.
            let delay: Duration? = known.digest == nil ? nil : .zero
            return TagChange(
                digest: known.digest,
                madeAt: moment,
                writeBackAfter: delay,
                isNeighbours: true
            )
        }
        return nil
    }

    /// Sees to it that the store does not owe `tag` any more, as an operator wants it.
    func forget(_ tag: QualifiedTag) async throws {
        guard let record = await store.record(of: tag) else { return }
        try await store.markWrittenBack(tag, record.digest)
    }

    private func done(_ tag: QualifiedTag, _ digest: Digest?, _ reason: String?) -> ClusterEvent {
        ClusterEvent(.writeBackDone, blob: digest, reason: reason, detail: ["tag": "\(tag)"])
    }
}
