// SPDX-License-Identifier: Apache-2.0

import Backends
import ClusterConfiguration
import Content
import HTTPKit
import Logging
import NIOCore
import Primitives
import RetryStorage
import Telemetry

/// Makes tags name in other clusters and registries what they name here: first everything that the tag needs is there, then the
/// tag.
///
/// There is one task for each tag and remote, which a put of the tag replaces: so a tag that moves ends at the remote at its last
/// value, however often an attempt fails in between. What the remote has already costs a question each.
/// - Source: uber/kraken build-index, lib/persistedretry/tagreplication.
struct TagReplication: Sendable {
    private let replicator: TagReplicator
    /// What other clusters know this one by.
    let clusterName: ClusterName
    /// The queue itself, for its routes.
    let queue: RetryQueue

    /// The word for this kind of work.
    static let kind = "replication"

    /// Opens the queue in `database`; what goes to remotes that are configured no more is forgotten.
    /// - Throws: `RetryStorageError`; `BackendError` for a pattern that can't be read, `ConfigurationError` for a registry.
    init(
        _ sources: ReplicationSources,
        context: BackendContext,
        database: RetryDatabase,
        configuration: BuildIndexConfiguration,
        environment: ComponentEnvironment
    ) async throws {
        let clusterName = ClusterName(configuration)
        self.clusterName = clusterName
        let replicator = TagReplicator(
            sources: sources,
            remotes: try ReplicationRemotes(configuration.remotes, context: context),
            clusterName: clusterName,
            environment: environment
        )
        self.replicator = replicator
        queue = RetryQueue(
            kind: Self.kind,
            database: database,
            rules: configuration.tagReplication,
            destinations: configuration.remotes.map(\.name),
            eventLoop: environment.eventLoopGroup.next(),
            events: environment.events,
            handlers: .init(
                perform: { try await replicator.replicate($0) },
                report: { replicator.report($0, $1, failureCount: $2) }
            )
        )
        try await queue.open()
        let known = Set(await queue.status().compactMap(\.target))
        try await forget(known.subtracting(replicator.remotes.names))
    }

    /// Owes nothing to `remotes` any more.
    private func forget(_ remotes: Set<String>) async throws {
        for remote in remotes.sorted() {
            _ = try await queue.drop(QueueFilter(destination: remote))
            await queue.forget(remote)
        }
    }

    /// Goes on with the remotes of `configuration`; what those that were changed have not taken before is tried at once.
    /// - Throws: as ``init(_:context:database:configuration:environment:)``; when `configuration` is at fault, all stays as it was.
    func reconfigure(_ configuration: BuildIndexConfiguration) async throws {
        let change = try replicator.remotes.replace(by: configuration.remotes)
        clusterName.replace(configuration)
        try await forget(change.removed)
        for remote in change.changed.sorted() {
            await queue.know(remote)
            // Not those that wait for their time: a neighbour does them first.
            for state in [QueueTask.State.failed, .dead] {
                _ = try await queue.retry(QueueFilter(state: state, destination: remote))
            }
        }
    }

    /// Whether any remote shall have `tag`.
    func concerns(_ tag: QualifiedTag) -> Bool { !replicator.remotes.matching(tag).isEmpty }

    /// Queues `change` of `tag` for every remote that shall have the tag, after `delay`; returns once that is on the disk.
    /// - Throws: 503 and 507 as `RetryStorageError` has them.
    func add(
        _ tag: QualifiedTag,
        _ change: ReplicatedChange,
        after delay: Duration = .zero,
        cause: ReplicationCause
    ) async throws {
        let payload = ReplicationPayload(change, cause: cause).text
        for remote in replicator.remotes.matching(tag) {
            let task = NewRetryTask(
                name: tag.description,
                scope: remote,
                destination: remote,
                payload: payload,
                isChangeable: true
            )
            let event = ClusterEvent(
                .replicationQueued,
                blob: change.digest,
                detail: change.detail(["tag": "\(tag)", "to": remote])
            )
            do {
                try await queue.add(task, after: delay, recording: event)
            } catch let error as RetryStorageError { throw error.problem }
        }
    }

    /// Works until ``stop(within:)`` or the task is cancelled.
    func run() async { await queue.run() }

    /// Lets what is due now be replicated for at most `limit`, then ends ``run()``.
    func stop(within limit: Duration) async { await queue.stop(within: limit) }

    /// The queue for `GET /status`, a row for each remote: its length is the backlog, its oldest task the lag.
    func status() async -> [QueueStatus] {
        var rows = await queue.status()
        for row in rows.indices { replicator.debts.describe(&rows[row]) }
        return rows
    }
}
