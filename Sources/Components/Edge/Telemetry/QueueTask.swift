// SPDX-License-Identifier: Apache-2.0

/// One task of a persisted queue, as `GET /queue/tasks` tells of it.
package struct QueueTask: Codable, Hashable, Sendable {
    /// Where a task stands.
    package enum State: String, Codable, Hashable, Sendable, CaseIterable {
        /// Never tried so far.
        case pending
        /// Being done.
        case running
        /// It failed, and is tried again.
        case failed
        /// It was given up: it is tried again when someone says so, or after a restart.
        case dead
    }

    /// Its number in the component that holds it; never used again.
    package var id: Int64
    /// What is done: `write-back`, `replication`.
    package var kind: String
    /// Where to: a backend, a remote.
    package var destination: String
    /// The namespace or the remote.
    package var scope: String
    /// What it is done to: a digest, a tag.
    package var name: String
    /// Where it stands.
    package var state: State
    /// How often it has failed.
    package var failureCount = 0
    /// When it was asked for first.
    package var createdAt = Timestamp(unixNanoseconds: 0)
    /// When it is tried next; nil when it runs or was given up.
    package var nextAttemptAt: Timestamp?
    /// When it was tried last.
    package var lastAttemptAt: Timestamp?
    /// What went wrong then.
    package var lastError: String?

    /// The task `id`.
    package init(
        id: Int64,
        kind: String,
        destination: String,
        scope: String,
        name: String,
        state: State
    ) {
        (self.id, self.kind, self.destination, self.scope) = (id, kind, destination, scope)
        (self.name, self.state) = (name, state)
    }

    private enum CodingKeys: String, CodingKey {
        case id, kind, destination, scope, name, state
        case failureCount = "failure_count"
        case createdAt = "created_at"
        case nextAttemptAt = "next_attempt_at"
        case lastAttemptAt = "last_attempt_at"
        case lastError = "last_error"
    }
}

/// Some tasks, and where to go on.
package struct QueueTaskPage: Codable, Hashable, Sendable {
    /// The tasks, by number.
    package var tasks: [QueueTask]
    /// What to ask for the next page with, as `after`; nil on the last one.
    package var nextAfter: Int64?

    /// `tasks`, followed by those above `nextAfter`.
    package init(tasks: [QueueTask], nextAfter: Int64? = nil) {
        (self.tasks, self.nextAfter) = (tasks, nextAfter)
    }

    private enum CodingKeys: String, CodingKey {
        case tasks
        case nextAfter = "next_after"
    }
}

/// Which tasks are meant; nil lets any through.
package struct QueueFilter: Hashable, Sendable {
    /// The one with that number.
    package var id: Int64?
    /// Those of that kind.
    package var kind: String?
    /// Those that stand there.
    package var state: QueueTask.State?
    /// Those that go there.
    package var destination: String?
    /// Those that are done to that digest or tag.
    package var name: String?

    /// All tasks of `kind` in `state` for `destination`.
    package init(
        id: Int64? = nil,
        kind: String? = nil,
        state: QueueTask.State? = nil,
        destination: String? = nil,
        name: String? = nil
    ) {
        (self.id, self.kind, self.state) = (id, kind, state)
        (self.destination, self.name) = (destination, name)
    }
}

/// How many tasks a request concerned.
package struct QueueTaskCount: Codable, Hashable, Sendable {
    /// How many.
    package var count: Int

    /// `count` tasks.
    package init(count: Int) { self.count = count }
}
