// SPDX-License-Identifier: Apache-2.0

import Backends
import BlobStorage
import ClusterConfiguration
import Content
import HTTPKit
import Logging
import NIOCore
import Primitives
import Telemetry

/// Copies to the backend what the blob store owes it. What is owed is on disk with the blob before anyone is told that it
/// was taken; what has no room in memory waits there.
struct WriteBackQueue: Sendable {
    private let writer: BlobWriter
    private let queue: RetryQueue<WriteBackTask>

    init(
        store: BlobStore,
        backends: BackendTable,
        configuration: OriginConfiguration,
        environment: ComponentEnvironment
    ) {
        let writer = BlobWriter(store: store, backends: backends, environment: environment)
        self.writer = writer
        queue = RetryQueue(
            rules: .init(
                runningMax: configuration.writeBackWorkers,
                capacity: configuration.limits.writeBackTasksMax,
                pauseMin: configuration.writeBackRetryMin,
                pauseMax: configuration.writeBackRetryMax,
                // A blob is what it was.
                repeatsWhatRuns: false
            ),
            eventLoop: environment.eventLoopGroup.next(),
            events: environment.events,
            perform: { try await writer.write($0) },
            report: { writer.report($0, $1, failureCount: $2) },
            refill: { await writer.addPersisted(to: $0) { _ in 0 } }
        )
    }

    /// Queues the copy of `digest`, which the store notes as owed, to the backend of `namespace` after `delay`.
    func add(_ digest: Digest, _ namespace: Namespace, after delay: Duration = .zero) async {
        let task = WriteBackTask(digest: digest, namespace: namespace)
        await queue.add(task, after: delay, recording: task.event(.writeBackQueued))
    }

    /// Queues everything that the store owes, as a restart finds it. What other origins probably copy first waits a little
    /// longer: a copy that is there already costs one question.
    func addPersisted(rank: @Sendable (Digest) -> Int?) async {
        await writer.addPersisted(to: queue, rank: rank)
    }

    /// Works until ``stop(within:)`` or the task is cancelled.
    func run() async { await queue.run() }

    /// Lets what is due now be copied for at most `limit`, then ends ``run()``.
    func stop(within limit: Duration) async { await queue.stop(within: limit) }

    /// Copies `digest` now to every backend that is owed it.
    /// - Throws: `BackendError`, `FileError`.
    func finish(_ digest: Digest) async throws {
        for task in await queue.work(where: { $0.digest == digest }) {
            try await writer.copy(task)
            await queue.remove(task)
        }
    }

    /// Whether a backend is known to be owed `digest`.
    func owes(_ digest: Digest) async -> Bool {
        await !queue.work { $0.digest == digest }.isEmpty
    }

    /// The queue for `GET /status`.
    func status() async -> QueueStatus {
        await queue.status("write-back") { $0.digest.description }
    }
}

/// A blob that a backend is owed.
private struct WriteBackTask: Hashable, Sendable {
    let digest: Digest
    let namespace: Namespace

    func event(_ kind: EventKind) -> ClusterEvent {
        ClusterEvent(kind, blob: digest, detail: ["namespace": namespace.name])
    }
}

/// Copies one blob.
private struct BlobWriter: Sendable {
    let store: BlobStore
    let backends: BackendTable
    let environment: ComponentEnvironment

    /// Copies the blob of `task`; answers what to tell about it.
    func write(_ task: WriteBackTask) async throws -> ClusterEvent? {
        let start = ContinuousClock.now
        try await copy(task)
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

    func report(_ task: WriteBackTask, _ error: any Error, failureCount: Int) {
        environment.log.warning(
            "could not write a blob back; it is tried again",
            metadata: [
                LogKey.blobDigest: "\(task.digest)", LogKey.error: "\(error)",
                LogKey.retryAttempt: "\(failureCount)",
            ]
        )
        var event = task.event(.writeBackFailed)
        event.reason = "\(error)"
        event.detail?["attempt"] = "\(failureCount)"
        environment.events.record(event)
    }

    func addPersisted(
        to queue: RetryQueue<WriteBackTask>,
        rank: @Sendable (Digest) -> Int?
    ) async {
        do {
            for (digest, namespaces) in try await store.persistedBlobs() {
                for namespace in namespaces.isEmpty ? [.proxyUploads] : namespaces {
                    let task = WriteBackTask(digest: digest, namespace: namespace)
                    await queue.add(
                        task,
                        after: .seconds(10) * (rank(digest) ?? 0),
                        recording: task.event(.writeBackQueued)
                    )
                }
            }
        } catch {
            await queue.noteMissing()
            environment.log.error(
                "could not find what is owed to the backend",
                metadata: [LogKey.error: "\(error)"]
            )
        }
    }
}
