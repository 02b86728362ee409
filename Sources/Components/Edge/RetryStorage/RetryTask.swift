// SPDX-License-Identifier: Apache-2.0

package import Telemetry

/// Work that must be done, as whoever owes it hands it over.
package struct NewRetryTask: Hashable, Sendable {
    /// What it is done to: a digest, a tag.
    package var name: String
    /// What tells it from other work on the same ``name``: a namespace, a remote.
    package var scope: String
    /// Where it goes: work for one destination shares a circuit.
    package var destination: String
    /// What else there is to know; opaque here.
    package var payload: String
    /// Whether work that is added once more may have changed, so that a run under way does not count.
    package var isChangeable: Bool
    /// The trace in which it is asked for, as `traceparent`; the queue notes that of the current work.
    var trace: String?

    /// The work on `name` for `destination`.
    package init(
        name: String,
        scope: String,
        destination: String,
        payload: String = "",
        isChangeable: Bool = false
    ) {
        (self.name, self.scope, self.destination) = (name, scope, destination)
        (self.payload, self.isChangeable) = (payload, isChangeable)
    }
}

/// Work as it lies in the queue.
package struct RetryTask: Hashable, Sendable {
    /// Its number, never used again.
    package let id: Int64
    /// Which queue it is in: `write-back`, `replication`.
    package let kind: String
    /// What it is done to.
    package let name: String
    /// What tells it from other work on the same ``name``.
    package let scope: String
    /// Where it goes.
    package let destination: String
    /// What else there is to know.
    package let payload: String
    /// Grows when it is added once more and may have changed.
    package let revision: Int64
    /// Where it stands on disk; `running` is known to the queue only.
    package let state: QueueTask.State
    /// When it was added first.
    package let createdAt: Timestamp
    /// When it is tried next.
    package let dueAt: Timestamp
    /// How often it has failed.
    package let failureCount: Int
    /// When it failed last.
    package let lastAttemptAt: Timestamp?
    /// Why.
    package let lastError: String?
    /// The trace in which it was asked for, as `traceparent`.
    package let trace: String?

    /// The document of it; `isRunning` when it is being done.
    func document(isRunning: Bool) -> QueueTask {
        var task = QueueTask(
            id: id,
            kind: kind,
            destination: destination,
            scope: scope,
            name: name,
            state: isRunning ? .running : state
        )
        (task.failureCount, task.createdAt) = (failureCount, createdAt)
        task.nextAttemptAt = isRunning || state == .dead ? nil : dueAt
        (task.lastAttemptAt, task.lastError) = (lastAttemptAt, lastError)
        return task
    }
}

/// Thrown by whoever does the work when it can't be done, however often it is tried.
package struct ImpossibleWork: Error, CustomStringConvertible {
    /// Why.
    package let description: String

    /// It can't be done because of `why`.
    package init(_ why: String) { description = why }
}

/// Why the queue did not do what it was asked for.
package struct RetryStorageError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure, for callers that switch on it.
    package enum Code: Hashable, Sendable {
        /// It holds as much work as it may.
        case full
        /// The disk is full.
        case noSpace
        /// The file can't be used.
        case unusable
        /// The work runs, so it can't be dropped.
        case running
    }

    /// The kind of failure.
    package let code: Code
    /// What was attempted.
    package let what: String
    /// What went wrong.
    package let why: String
    /// What to do about it.
    package let remedy: String

    package var description: String { "\(what): \(why); \(remedy)" }
}
