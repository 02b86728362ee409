// SPDX-License-Identifier: Apache-2.0

import Backends
import ClusterClients
import ClusterConfiguration
import Content
import HTTPKit
import Logging
import NIOCore
import Primitives
import RetryStorage
import Telemetry

/// Makes tags name in other clusters what they name here: first everything that the tag needs is there, then the tag.
///
/// There is one task for each tag and remote, which a put of the tag replaces: so a tag that moves ends in the other cluster
/// at its last value, however often an attempt fails in between. What the other cluster has already costs a question each.
/// - Source: uber/kraken build-index, lib/persistedretry/tagreplication.
struct TagReplication: Sendable {
    private let replicator: TagReplicator
    /// The queue itself, for its routes.
    let queue: RetryQueue

    /// The word for this kind of work.
    static let kind = "replication"

    /// Opens the queue in `database`; what goes to remotes that are configured no more is forgotten.
    /// - Throws: `RetryStorageError`; `BackendError` for a pattern that can't be read.
    init(
        store: TagStore,
        backend: TagBackend,
        dependencies: TagDependencies,
        origins: OriginCluster,
        database: RetryDatabase,
        configuration: BuildIndexConfiguration,
        environment: ComponentEnvironment
    ) async throws {
        let replicator = TagReplicator(
            store: store,
            backend: backend,
            dependencies: dependencies,
            origins: origins,
            remotes: try ReplicationRemotes(configuration.remotes),
            identity: ReplicationPath.identity(of: configuration),
            environment: environment
        )
        self.replicator = replicator
        queue = RetryQueue(
            kind: Self.kind,
            database: database,
            rules: configuration.tagReplication,
            destinations: configuration.remotes.map(\.address),
            eventLoop: environment.eventLoopGroup.next(),
            events: environment.events,
            handlers: .init(
                perform: { try await replicator.replicate($0) },
                report: { replicator.report($0, $1, failureCount: $2) }
            )
        )
        try await queue.open()
        for status in await queue.status() {
            guard let target = status.target, !replicator.remotes.addresses.contains(target) else {
                continue
            }
            _ = try await queue.drop(QueueFilter(destination: target))
            await queue.forget(target)
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

/// Which remotes shall have which tags.
struct ReplicationRemotes: Sendable {
    private let rows: [(address: String, patterns: [NamespacePattern])]

    init(_ remotes: [TagRemote]) throws(BackendError) {
        var rows: [(String, [NamespacePattern])] = []
        for remote in remotes {
            var patterns: [NamespacePattern] = []
            for pattern in remote.patterns { patterns.append(try NamespacePattern(pattern)) }
            rows.append((remote.address, patterns))
        }
        self.rows = rows
    }

    /// All remotes.
    var addresses: Set<String> { Set(rows.map(\.address)) }

    /// Those that shall have `tag`, each once.
    func matching(_ tag: QualifiedTag) -> [String] {
        let name = tag.description
        return Set(rows.filter { $0.patterns.contains { $0.isFound(in: name) } }.map(\.address))
            .sorted()
    }
}

extension ReplicatedChange {
    /// `detail` of an event about it.
    fileprivate func detail(_ detail: [String: String]) -> [String: String] {
        guard case .deletion = self else { return detail }
        return detail.merging(["change": "deletion"]) { first, _ in first }
    }
}

/// Does one replication.
private struct TagReplicator: Sendable {
    let store: TagStore
    let backend: TagBackend
    let dependencies: TagDependencies
    let origins: OriginCluster
    let remotes: ReplicationRemotes
    let identity: String
    let environment: ComponentEnvironment
    /// What remotes are not known to have yet.
    let debts = ReplicationDebts()

    /// Blobs sent at a time.
    private static let blobsAtATime = 4

    /// Makes the remote of `task` say of its tag what is said here; answers what to tell about it.
    func replicate(_ task: RetryTask) async throws -> ClusterEvent? {
        let start = ContinuousClock.now
        let tag = try QualifiedTag(parsing: task.name)
        let payload = try ReplicationPayload(parsing: task.payload)
        func done(_ change: ReplicatedChange, _ reason: String?) -> ClusterEvent {
            debts.end(task.id)
            return ClusterEvent(
                .replicationDone,
                blob: change.digest,
                tookMilliseconds: Int(start.duration(to: .now).seconds * 1000),
                reason: reason,
                detail: change.detail(["tag": task.name, "to": task.destination])
            )
        }
        guard remotes.matching(tag).contains(task.destination) else {
            return done(payload.change, "no rule sends it there any more")
        }
        guard let change = try await wanted(tag, payload) else {
            return done(payload.change, "the tag has moved on")
        }
        let remote = BuildIndexClient(address: task.destination, http: environment.httpClient)
        let there = try await remote.digest(of: tag)
        if there == change.digest {
            return done(change, there == nil ? "it was not there" : "it was there")
        }
        let origin = try await remote.origin()
        if ReplicationPath.contains(origin, payload.path) {
            return done(change, "it came from there")
        }
        let path = ReplicationPath.text(payload.path + [identity])
        switch change {
        case .put(let digest):
            let aliases = try await send(digest, of: tag, to: origin, for: task)
            for (alias, stored) in aliases {
                // Before what names content so.
                let name = ReservedTag.alias(alias).tag
                let aliasTag = QualifiedTag(repository: tag.repository, tag: name)
                try await remote.put(aliasTag, stored, replicating: true, path: path)
            }
            try await remote.put(tag, digest, replicating: true, path: path)
            environment.counters.counter("tags_replicated").add()
            return done(change, nil)
        case .deletion(let replaced):
            // A neighbour may have missed a put that came after the deletion, and that is there already.
            let condition = payload.isNeighbours ? replaced.map { TagCondition.names([$0]) } : nil
            return done(change, try await delete(tag, from: remote, condition ?? .none, path))
        }
    }

    /// What shall be at the remote: the tag's last value, whichever change was queued last; nil when that is not for this
    /// task to bring. A deletion that was not queued stays a matter of this cluster.
    ///
    /// A neighbour's put may have been followed by one that this build-index has missed; then the backend, which the
    /// neighbours have in common, knows better.
    private func wanted(
        _ tag: QualifiedTag,
        _ payload: ReplicationPayload
    ) async throws -> ReplicatedChange? {
        let record = await store.record(of: tag)
        switch payload.change {
        case .put(let digest):
            if let record, record.digest == nil { return nil }
            guard payload.isNeighbours, record?.writeBack == nil else {
                return .put(record?.digest ?? digest)
            }
            return .put(try await backend.digest(of: tag) ?? record?.digest ?? digest)
        case .deletion where payload.isNeighbours:
            // Put again since: whoever was asked for that brings it.
            guard record?.digest == nil, try await backend.digest(of: tag) == nil else {
                return nil
            }
            return payload.change
        case .deletion: return record?.digest.map { .put($0) } ?? payload.change
        }
    }

    /// Deletes `tag` from `remote`; nil when that was done, else why it was not.
    ///
    /// What the remote refuses it will refuse again, as Kraken's do, which remove no tags. That is told and given up, since
    /// a queue of what can't be done would fill.
    private func delete(
        _ tag: QualifiedTag,
        from remote: BuildIndexClient,
        _ condition: TagCondition,
        _ path: String
    ) async throws -> String? {
        do {
            try await remote.delete(tag, condition: condition, replicating: true, path: path)
            environment.counters.counter("tag_deletions_replicated").add()
            return nil
        } catch let error as ClusterError {
            switch error.code {
            case .status(412): return "it names something else there"
            // Gone in this moment, unless it is the request that is not known there.
            case .notFound where try await remote.digest(of: tag) == nil: return "it was not there"
            case .notFound, .status(400), .status(403), .status(405), .status(409), .status(501):
                environment.counters.counter("tag_deletions_refused").add()
                environment.log.warning(
                    "a remote does not delete a tag; delete it there",
                    metadata: [
                        LogKey.tag: "\(tag)", LogKey.address: "\(remote.address)",
                        LogKey.error: "\(error)",
                    ]
                )
                return "refused: \(error)"
            default: throw error
            }
        }
    }

    /// Sends everything that `digest` needs to the other cluster's origins, what refers to others after these; answers what
    /// the SHA-512s stand for by which some of it is named.
    private func send(
        _ digest: Digest,
        of tag: QualifiedTag,
        to origin: String,
        for task: RetryTask
    ) async throws -> [SHA512Digest: Digest] {
        let namespace = try Namespace(tag.description)
        let everything = try await dependencies.everything(tag, digest)
        debts.begin(task.id, everything.levels)
        for level in everything.levels {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (index, blob) in level.enumerated() {
                    if index >= Self.blobsAtATime { try await group.next() }
                    group.addTask {
                        try await origins.replicate(blob, namespace: namespace, toRemote: origin)
                        debts.settle(blob, of: task.id)
                    }
                }
                try await group.waitForAll()
            }
        }
        return everything.aliases
    }

    func report(_ task: RetryTask, _ error: any Error, failureCount: Int) {
        environment.events.record(
            ClusterEvent(
                .replicationFailed,
                reason: "\(error)",
                detail: ["tag": task.name, "to": task.destination, "attempt": "\(failureCount)"]
            )
        )
        environment.log.warning(
            "tag not replicated",
            metadata: [
                LogKey.tag: "\(task.name)", LogKey.address: "\(task.destination)",
                LogKey.error: "\(error)", LogKey.retryAttempt: "\(failureCount)",
            ]
        )
    }
}
