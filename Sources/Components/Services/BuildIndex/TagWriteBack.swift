// SPDX-License-Identifier: Apache-2.0

import Backends
import Content
import Logging
import NIOCore
import Primitives
import Telemetry

/// Writes to the backend what the tag store owes it; what is owed is on disk with the tag.
struct TagWriteBack: Sendable {
    private let store: TagStore
    private let queue: RetryQueue<QualifiedTag>

    /// How many tags are written at a time.
    private static let runningMax = 8

    init(
        store: TagStore,
        backend: TagBackend,
        retryInterval: Duration,
        eventLoop: any EventLoop,
        events: EventLog,
        log: Logger
    ) {
        self.store = store
        let writer = TagWriter(store: store, backend: backend)
        queue = RetryQueue(
            rules: .init(
                runningMax: Self.runningMax,
                pauseMin: retryInterval,
                pauseMax: retryInterval,
                // A tag may have been put again.
                repeatsWhatRuns: true
            ),
            eventLoop: eventLoop,
            events: events,
            perform: { try await writer.write($0) },
            report: { tag, error, _ in
                events.record(
                    ClusterEvent(.writeBackFailed, reason: "\(error)", detail: ["tag": "\(tag)"])
                )
                log.warning(
                    "tag not written back, will try again",
                    metadata: [LogKey.tag: "\(tag)", LogKey.error: "\(error)"]
                )
            }
        )
    }

    /// Queues `tag`, which the store owes the backend, to be written after `delay`.
    func add(_ tag: QualifiedTag, after delay: Duration) async {
        await queue.add(tag, after: delay)
    }

    /// Queues everything that the store owes, as a restart finds it.
    func addPending() async {
        let now = Timestamp.now
        for (tag, dueAt) in await store.pendingWriteBacks {
            let nanoseconds = max(0, dueAt.unixNanoseconds - now.unixNanoseconds)
            await queue.add(tag, after: .nanoseconds(nanoseconds))
        }
    }

    /// Works until ``stop(within:)`` or the task is cancelled.
    func run() async { await queue.run() }

    /// Lets what is due now be written for at most `limit`, then ends ``run()``.
    func stop(within limit: Duration) async { await queue.stop(within: limit) }

    /// The queue for `GET /status`.
    func status() async -> QueueStatus { await queue.status("write-back") { "\($0)" } }
}

/// Writes one tag.
private struct TagWriter: Sendable {
    let store: TagStore
    let backend: TagBackend

    /// Makes the backend say what the store says of `tag`; answers what to tell about it.
    func write(_ tag: QualifiedTag) async throws -> ClusterEvent? {
        guard let record = await store.record(of: tag) else { return nil }
        // A run that came just before wrote this value, too.
        guard let owed = record.writeBack else { return done(tag, record.digest, "it was there") }
        var reason: String?
        if case .neighbour(let replaced) = owed.origin {
            let current = try await backend.digest(of: tag)
            if let current, current != record.digest, current != replaced {
                // Somebody else's put came later and is in the backend already: it stays.
                try await store.adopt(current, for: tag, insteadOf: record)
                return done(tag, current, "a newer put is there")
            }
            if current == record.digest { reason = "it was there" }
        }
        if reason == nil { try await backend.write(record.digest, for: tag) }
        try await store.markWrittenBack(tag, record.digest)
        return done(tag, record.digest, reason)
    }

    private func done(_ tag: QualifiedTag, _ digest: Digest, _ reason: String?) -> ClusterEvent {
        ClusterEvent(.writeBackDone, blob: digest, reason: reason, detail: ["tag": "\(tag)"])
    }
}
