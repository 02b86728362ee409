// SPDX-License-Identifier: Apache-2.0

import Backends
import BlobStorage
import ClusterConfiguration
import Content
import HTTPKit
import Logging
import NIOCore
import Primitives
import RetryStorage
import Telemetry

/// Copies to the backend what the blob store owes it.
///
/// That a blob is owed is noted with the blob, in the same step that stores it, so that it can't be evicted; the queue says
/// when it is tried. What is noted and not queued, as by a version without this queue, is queued at the next start; what a
/// full disk had no room for, once it has some.
struct WriteBackQueue: Sendable {
    private let writer: BlobWriter
    private let database: RetryDatabase
    /// The queue itself, for its routes.
    let queue: RetryQueue

    /// The word for this kind of work.
    static let kind = "write-back"

    /// Opens the queue in the origin's directory.
    /// - Throws: `RetryStorageError`.
    init(
        store: BlobStore,
        backends: BackendTable,
        configuration: OriginConfiguration,
        environment: ComponentEnvironment
    ) async throws {
        let writer = BlobWriter(store: store, backends: backends, environment: environment)
        self.writer = writer
        database = try await RetryDatabase(
            path: "\(configuration.dataDirectory)/queue.sqlite",
            pool: environment.pool,
            limits: configuration.limits
        )
        queue = RetryQueue(
            kind: Self.kind,
            database: database,
            rules: configuration.writeBack,
            destinations: backends.destinations,
            eventLoop: environment.eventLoopGroup.next(),
            events: environment.events,
            handlers: .init(
                perform: { try await writer.write(try WriteBackTask($0)) },
                report: { writer.report($0, $1, failureCount: $2) },
                drop: { try await writer.forget(try WriteBackTask($0)) }
            )
        )
        try await queue.open()
    }

    /// Queues the copy of `digest`, which the store notes as owed, to the backend of `namespace` after `delay`. Returns once
    /// that is on the disk.
    /// - Throws: `RetryStorageError`.
    func add(_ digest: Digest, _ namespace: Namespace, after delay: Duration = .zero) async throws {
        let task = WriteBackTask(digest: digest, namespace: namespace)
        try await queue.add(
            writer.new(task),
            after: delay,
            recording: task.event(.writeBackQueued)
        )
    }

    /// Queues everything that the store owes and that is not queued. What other origins probably copy first waits a little
    /// longer: a copy that is there already costs one question.
    func addPersisted(rank: @escaping @Sendable (Digest) -> Int?) async {
        do {
            let owed = try await writer.store.persistedBlobs()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (index, (digest, namespaces)) in owed.enumerated() {
                    if index >= Self.additionsMax { try await group.next() }
                    group.addTask { try await take(digest, namespaces, rank(digest) ?? 0) }
                }
                try await group.waitForAll()
            }
        } catch {
            writer.environment.log.error(
                "could not queue all that is owed to the backend; the next start tries again",
                metadata: [LogKey.error: "\(error)"]
            )
        }
    }

    /// Debts queued at a time, which share syncs of the disk.
    private static let additionsMax = 64

    private func take(_ digest: Digest, _ namespaces: [Namespace], _ rank: Int) async throws {
        let queued = Set(try await queue.tasks(on: digest.description).map(\.scope))
        // A power cut may have emptied the list beside the blob; the queue's rows were on the disk before it was acknowledged.
        for scope in queued.subtracting(namespaces.map(\.name)) {
            try await writer.store.setPersisted(true, digest, namespace: try Namespace(scope))
        }
        if namespaces.isEmpty, !queued.isEmpty { return }
        for namespace in namespaces.isEmpty ? [.proxyUploads] : namespaces
        where !queued.contains(namespace.name) {
            do {
                try await add(digest, namespace, after: .seconds(10) * rank)
            } catch let error as RetryStorageError where error.code == .noSpace {
                // It comes by itself once there is room; the next one may find some.
            }
        }
    }

    /// Works until ``stop(within:)`` or the task is cancelled.
    func run() async { await queue.run() }

    /// Lets what is due now be copied for at most `limit`, then ends ``run()``.
    func stop(within limit: Duration) async { await queue.stop(within: limit) }

    /// Closes the file, after ``run()`` has ended.
    func close() async { await database.close() }

    /// Copies `digest` now to every backend that is owed it.
    /// - Throws: `BackendError`, `FileError`, `RetryStorageError`.
    func finish(_ digest: Digest) async throws {
        for task in try await queue.tasks(on: digest.description) {
            try await writer.copy(try WriteBackTask(task))
            try await queue.remove(task)
        }
    }

    /// Whether a backend is known to be owed `digest`.
    /// - Throws: `RetryStorageError`.
    func owes(_ digest: Digest) async throws -> Bool {
        try await !queue.tasks(on: digest.description).isEmpty
    }

    /// The queue for `GET /status`, a row for each backend.
    func status() async -> [QueueStatus] {
        var rows = await queue.status()
        for row in rows.indices {
            guard var tasks = rows[row].tasks else { continue }
            for index in tasks.indices {
                // Of what can't be looked at the size is not shown.
                guard let digest = try? Digest(parsing: tasks[index].name) else { continue }
                // As above.
                tasks[index].bytes = try? await writer.store.info(of: digest)?.bytes
            }
            rows[row].tasks = tasks
        }
        return rows
    }
}

/// A blob that a backend is owed.
private struct WriteBackTask: Hashable, Sendable {
    let digest: Digest
    let namespace: Namespace

    init(digest: Digest, namespace: Namespace) {
        (self.digest, self.namespace) = (digest, namespace)
    }

    /// The task that the queue holds as `task`.
    init(_ task: RetryTask) throws {
        (digest, namespace) = (try Digest(parsing: task.name), try Namespace(task.scope))
    }

    func event(_ kind: EventKind) -> ClusterEvent {
        ClusterEvent(kind, blob: digest, detail: ["namespace": namespace.name])
    }
}

/// Copies one blob.
private struct BlobWriter: Sendable {
    let store: BlobStore
    let backends: BackendTable
    let environment: ComponentEnvironment

    /// `task` for the queue.
    func new(_ task: WriteBackTask) -> NewRetryTask {
        NewRetryTask(
            name: task.digest.description,
            scope: task.namespace.name,
            destination: backends.destination(of: task.namespace)
        )
    }

    /// Copies the blob of `task`; answers what to tell about it.
    func write(_ task: WriteBackTask) async throws -> ClusterEvent? {
        let start = ContinuousClock.now
        do { try await copy(task) } catch let error as BackendError where error.isFinal {
            throw ImpossibleWork("\(error)")
        }
        environment.counters.counter("blobs_written_back").add()
        var event = task.event(.writeBackDone)
        event.tookMilliseconds = Int(start.duration(to: .now).seconds * 1000)
        return event
    }

    func copy(_ task: WriteBackTask) async throws {
        guard let blob = try await store.cachedBlob(task.digest) else {
            // Removed from the disk by hand: there is nothing left to copy.
            environment.log.error(
                "a blob that was owed to the backend is gone",
                metadata: [LogKey.blobDigest: "\(task.digest)"]
            )
            return
        }
        let backend = try backends.backend(for: task.namespace)
        let object = try await backend.stat(task.digest.hex, namespace: task.namespace)
        if object?.bytes != blob.bytes {
            try await backend.upload(
                task.digest.hex,
                namespace: task.namespace,
                from: .file(blob.file, count: blob.bytes)
            )
        }
        try await store.finishWriteBack(of: task.digest, namespace: task.namespace)
    }

    /// Sees to it that the store does not owe the blob any more, as an operator wants it.
    func forget(_ task: WriteBackTask) async throws {
        environment.log.notice(
            "a blob is not written back, because its task was dropped",
            metadata: [
                LogKey.blobDigest: "\(task.digest)", LogKey.namespace: "\(task.namespace.name)",
            ]
        )
        guard try await store.isPersisted(task.digest) else { return }
        try await store.finishWriteBack(of: task.digest, namespace: task.namespace)
    }

    func report(_ task: RetryTask, _ error: any Error, failureCount: Int) {
        environment.log.warning(
            "could not write a blob back",
            metadata: [
                LogKey.blobDigest: "\(task.name)", LogKey.error: "\(error)",
                LogKey.retryAttempt: "\(failureCount)",
            ]
        )
        var event = ClusterEvent(.writeBackFailed, reason: "\(error)")
        // Only digests are queued under names; one that can't be read is told of without it.
        event.blob = try? Digest(parsing: task.name)
        event.detail = ["namespace": task.scope, "attempt": "\(failureCount)"]
        environment.events.record(event)
    }
}
