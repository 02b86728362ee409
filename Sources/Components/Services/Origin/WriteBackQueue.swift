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

/// Copies to the backend what the blob store owes it, as soon as it is due, again and again until it is done.
///
/// What is owed is on disk with the blob before anyone is told that it was taken, so this queue is only the order of work:
/// whatever stops it, a restart goes on. What has no room in memory waits on disk.
actor WriteBackQueue {
    private let store: BlobStore
    private let backends: BackendTable
    private let configuration: OriginConfiguration
    private let environment: ComponentEnvironment
    private let eventLoop: any EventLoop
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    private var tasks: [WriteBackTask: Work] = [:]
    private var runningCount = 0
    private var doneCount = 0
    private var lastError: String?
    /// Whether there is work on disk that is not in ``tasks``.
    private var isIncomplete = false
    private var stopDeadline: ContinuousClock.Instant?
    private var timer: Scheduled<Void>?

    private struct Work {
        var dueAt: ContinuousClock.Instant
        let addedAt = ContinuousClock.now
        var isRunning = false
        var failureCount = 0
        var lastError: String?
    }

    init(
        store: BlobStore,
        backends: BackendTable,
        configuration: OriginConfiguration,
        environment: ComponentEnvironment
    ) {
        (self.store, self.backends) = (store, backends)
        (self.configuration, self.environment) = (configuration, environment)
        eventLoop = environment.eventLoopGroup.next()
        (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Queues the copy of `digest`, which the store notes as owed, to the backend of `namespace` after `delay`.
    func add(_ digest: Digest, _ namespace: Namespace, after delay: Duration = .zero) {
        let task = WriteBackTask(digest: digest, namespace: namespace)
        let due = ContinuousClock.now.advanced(by: delay)
        if let work = tasks[task] {
            if !work.isRunning { tasks[task]?.dueAt = min(work.dueAt, due) }
        } else if tasks.count < configuration.limits.writeBackTasksMax {
            tasks[task] = Work(dueAt: due)
            environment.events.record(
                ClusterEvent(.writeBackQueued, blob: digest, detail: ["namespace": namespace.name])
            )
        } else {
            isIncomplete = true
        }
        if delay > .zero { armTimer() } else { signal.yield() }
    }

    /// Queues everything that the store owes, as a restart finds it. What other origins probably copy first waits a little
    /// longer: a copy that is there already costs one question.
    func addPersisted(rank: @Sendable (Digest) -> Int?) async {
        isIncomplete = false
        do {
            for (digest, namespaces) in try await store.persistedBlobs() {
                let known = namespaces.isEmpty ? [.proxyUploads] : namespaces
                for namespace in known {
                    add(digest, namespace, after: .seconds(10) * (rank(digest) ?? 0))
                }
            }
        } catch {
            isIncomplete = true
            environment.log.error(
                "could not find what is owed to the backend",
                metadata: [LogKey.error: "\(error)"]
            )
        }
    }

    /// Works until ``stop(within:)`` or the task is cancelled.
    func run() async {
        signal.yield()
        await withDiscardingTaskGroup { group in
            for await _ in signals {
                if isFinished { break }
                if isIncomplete, tasks.count <= configuration.limits.writeBackTasksMax / 2 {
                    await addPersisted { _ in 0 }
                }
                for task in takeDue() { group.addTask { await self.execute(task) } }
                armTimer()
            }
            group.cancelAll()
        }
        timer?.cancel()
    }

    /// Lets what is due now be copied for at most `limit`, then ends ``run()``.
    func stop(within limit: Duration) {
        stopDeadline = ContinuousClock.now.advanced(by: limit)
        signal.yield()
    }

    /// Copies `digest` now to every backend that is owed it.
    /// - Throws: `BackendError`, `FileError`.
    func finish(_ digest: Digest) async throws {
        for task in tasks.keys where task.digest == digest {
            try await write(task)
            if tasks[task]?.isRunning == false { tasks[task] = nil }
        }
    }

    /// Whether a backend is known to be owed `digest`.
    func owes(_ digest: Digest) -> Bool { tasks.keys.contains { $0.digest == digest } }

    // MARK: - Order of work

    private var isFinished: Bool {
        guard let stopDeadline else { return false }
        let now = ContinuousClock.now
        // What has failed before would fail again; a restart goes on with it.
        let isIdle =
            runningCount == 0
            && !tasks.values.contains { $0.dueAt <= now && $0.failureCount == 0 }
        return isIdle || now >= stopDeadline
    }

    private func takeDue() -> [WriteBackTask] {
        let free = configuration.writeBackWorkers - runningCount
        guard free > 0 else { return [] }
        let now = ContinuousClock.now
        let due = tasks.filter { !$0.value.isRunning && $0.value.dueAt <= now }
        let next = due.sorted { $0.value.dueAt < $1.value.dueAt }.prefix(free).map(\.key)
        for task in next { tasks[task]?.isRunning = true }
        runningCount += next.count
        return next
    }

    /// One timer, for the earliest task that waits; none while nothing does.
    private func armTimer() {
        timer?.cancel()
        var next = tasks.values.filter { !$0.isRunning }.map(\.dueAt).min()
        if let stopDeadline { next = min(next ?? stopDeadline, stopDeadline) }
        guard let next, runningCount < configuration.writeBackWorkers || stopDeadline != nil else {
            return
        }
        let wait = max(0, ContinuousClock.now.duration(to: next).nanoseconds)
        timer = eventLoop.scheduleTask(in: .nanoseconds(wait)) { [signal] in signal.yield() }
    }

    // MARK: - Work

    private func execute(_ task: WriteBackTask) async {
        let start = ContinuousClock.now
        do {
            try await write(task)
            tasks[task] = nil
            doneCount += 1
            environment.counters.counter("blobs_written_back").add()
            environment.events.record(
                ClusterEvent(
                    .writeBackDone,
                    blob: task.digest,
                    tookMilliseconds: Int(start.duration(to: .now).seconds * 1000),
                    detail: ["namespace": task.namespace.name]
                )
            )
        } catch {
            fail(task, error)
        }
        runningCount -= 1
        signal.yield()
    }

    private func write(_ task: WriteBackTask) async throws {
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

    private func fail(_ task: WriteBackTask, _ error: any Error) {
        guard var work = tasks[task] else { return }
        work.isRunning = false
        if !Task.isCancelled {
            work.failureCount += 1
            work.lastError = "\(error)"
            lastError = work.lastError
            environment.log.warning(
                "could not write a blob back; it is tried again",
                metadata: [
                    LogKey.blobDigest: "\(task.digest)", LogKey.error: "\(error)",
                    LogKey.retryAttempt: "\(work.failureCount)",
                ]
            )
            environment.events.record(
                ClusterEvent(
                    .writeBackFailed,
                    blob: task.digest,
                    reason: "\(error)",
                    detail: [
                        "namespace": task.namespace.name, "attempt": "\(work.failureCount)",
                    ]
                )
            )
        }
        work.dueAt = ContinuousClock.now.advanced(by: wait(after: work.failureCount))
        tasks[task] = work
    }

    private func wait(after failureCount: Int) -> Duration {
        let doublings = min(max(failureCount - 1, 0), 16)
        let wait = configuration.writeBackRetryMin * (1 << doublings)
        return min(wait, configuration.writeBackRetryMax)
    }

    // MARK: - Status

    /// The queue for `GET /status`.
    func status() -> QueueStatus {
        let now = ContinuousClock.now
        let failed = tasks.values.filter { $0.failureCount > 0 }
        var status = QueueStatus(
            name: "write-back",
            pendingCount: tasks.count,
            failedCount: failed.count,
            doneCount: doneCount,
            capacity: configuration.limits.writeBackTasksMax
        )
        let byAge = tasks.sorted { $0.value.addedAt < $1.value.addedAt }
        status.oldestSeconds = byAge.first.map { $0.value.addedAt.duration(to: now).seconds }
        status.nextAttemptSeconds = failed.map { max(0, now.duration(to: $0.dueAt).seconds) }.min()
        status.lastError = lastError
        status.tasks = byAge.prefix(16).map { task, work in
            QueueStatus.Task(
                name: task.digest.description,
                failureCount: work.failureCount,
                ageSeconds: work.addedAt.duration(to: now).seconds,
                nextAttemptSeconds: work.isRunning
                    ? nil : max(0, now.duration(to: work.dueAt).seconds),
                lastError: work.lastError
            )
        }
        return status
    }
}

/// A blob that a backend is owed.
private struct WriteBackTask: Hashable, Sendable {
    let digest: Digest
    let namespace: Namespace
}
