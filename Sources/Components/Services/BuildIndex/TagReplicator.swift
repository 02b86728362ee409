// SPDX-License-Identifier: Apache-2.0

import Backends
import ClusterClients
import Content
import HTTPKit
import Logging
import Primitives
import RetryStorage
import Telemetry

/// Where replication looks things up.
struct ReplicationSources: Sendable {
    let store: TagStore
    let backend: TagBackend
    let dependencies: TagDependencies
    let origins: OriginCluster
    let referrers: TagReferrers
    let manifests: ManifestReader

    init(
        store: TagStore,
        backend: TagBackend,
        dependencies: TagDependencies,
        origins: OriginCluster,
        reader: TagReader,
        lists: TagLists,
        limits: Limits
    ) {
        (self.store, self.backend, self.origins) = (store, backend, origins)
        self.dependencies = dependencies
        manifests = ManifestReader(origins: origins, limits: limits)
        referrers = TagReferrers(
            reader: reader,
            lists: lists,
            manifests: manifests,
            limits: limits
        )
    }
}

/// How an attempt at a replication ended that is not to be repeated.
enum ReplicationOutcome: Hashable, Sendable {
    /// The tag is there now.
    case put
    /// It is there no more.
    case deleted
    /// There was nothing to do.
    case unneeded(String)
    /// The remote does not do that, and will not the next time.
    ///
    /// That is told and given up, since a queue of what can't be done would fill.
    case refused(String)
}

/// Does one replication.
struct TagReplicator: Sendable {
    let sources: ReplicationSources
    let remotes: ReplicationRemotes
    /// This cluster.
    let clusterName: ClusterName
    let environment: ComponentEnvironment
    /// What remotes are not known to have yet.
    let debts = ReplicationDebts()

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
        guard remotes.matching(tag).contains(task.destination),
            let destination = remotes.destination(task.destination)
        else { return done(payload.change, "no rule sends it there any more") }
        guard let change = try await wanted(tag, payload) else {
            return done(payload.change, "the tag has moved on")
        }
        let outcome: ReplicationOutcome
        do {
            outcome = try await apply(change, of: tag, payload, at: destination, for: task)
        } catch let error as BackendError where error.isFinal {
            throw ImpossibleWork("\(error)")
        }
        return done(change, note(outcome, tag, task))
    }

    private func apply(
        _ change: ReplicatedChange,
        of tag: QualifiedTag,
        _ payload: ReplicationPayload,
        at destination: ReplicationRemotes.Destination,
        for task: RetryTask
    ) async throws -> ReplicationOutcome {
        switch destination {
        case .cluster(let address):
            let cluster = ClusterReplication(
                sources: sources,
                remote: BuildIndexClient(address: address, http: environment.httpClient),
                tag: tag,
                payload: payload,
                identity: clusterName.identity,
                debt: ReplicationDebt(debts: debts, id: task.id)
            )
            return try await cluster.apply(change)
        case .registry(let registry, let turns):
            guard let repository = registry.repository(tag.repository) else {
                return .unneeded("the registry has no such repository")
            }
            let replication = try RegistryReplication(
                sources: sources,
                repository: repository,
                turns: turns,
                tag: tag,
                payload: payload,
                debt: ReplicationDebt(debts: debts, id: task.id),
                environment: environment
            )
            return try await replication.apply(change)
        }
    }

    /// Counts how `task` ended; answers why nothing was done, if so.
    private func note(
        _ outcome: ReplicationOutcome,
        _ tag: QualifiedTag,
        _ task: RetryTask
    ) -> String? {
        switch outcome {
        case .put:
            environment.counters.counter("tags_replicated").add()
            return nil
        case .deleted:
            environment.counters.counter("tag_deletions_replicated").add()
            return nil
        case .unneeded(let reason): return reason
        case .refused(let why):
            environment.counters.counter("tag_deletions_refused").add()
            environment.log.warning(
                "a remote does not delete a tag; delete it there",
                metadata: [
                    LogKey.tag: "\(tag)", LogKey.address: "\(task.destination)",
                    LogKey.error: "\(why)",
                ]
            )
            return "refused: \(why)"
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
        let record = await sources.store.record(of: tag)
        switch payload.change {
        case .put(let digest):
            if let record, record.digest == nil { return nil }
            guard payload.isNeighbours, record?.writeBack == nil else {
                return .put(record?.digest ?? digest)
            }
            return .put(try await sources.backend.digest(of: tag) ?? record?.digest ?? digest)
        case .deletion where payload.isNeighbours:
            // Put again since: whoever was asked for that brings it.
            guard record?.digest == nil, try await sources.backend.digest(of: tag) == nil else {
                return nil
            }
            return payload.change
        case .deletion: return record?.digest.map { .put($0) } ?? payload.change
        }
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

extension ReplicatedChange {
    /// `detail` of an event about it.
    func detail(_ detail: [String: String]) -> [String: String] {
        guard case .deletion = self else { return detail }
        return detail.merging(["change": "deletion"]) { first, _ in first }
    }
}
