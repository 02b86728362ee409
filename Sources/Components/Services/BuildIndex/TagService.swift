// SPDX-License-Identifier: Apache-2.0

import Backends
import ClusterClients
import ClusterConfiguration
import Content
import HTTPKit
import Logging
import Primitives
import RetryStorage
import Telemetry

/// What the endpoints do: put and look up tags, and tell the neighbours.
struct TagService: Sendable {
    let store: TagStore
    let backend: TagBackend
    let writeBack: TagWriteBack
    let replication: TagReplication
    let dependencies: TagDependencies
    let configuration: BuildIndexConfiguration
    /// The other build-indexes of this cluster.
    let neighbours: @Sendable () async -> [BuildIndexClient]
    let events: EventLog
    let counters: Counters
    let log: Logger

    /// Makes `tag` name `digest`, here and at the neighbours, once everything it needs is there; with a `cause`, in other
    /// clusters, too, later.
    func put(
        _ tag: QualifiedTag,
        _ digest: Digest,
        replicating cause: ReplicationCause? = nil
    ) async throws {
        try backend.checkBackend(of: tag)
        let needed = try await dependencies.resolve(tag, digest)
        try await dependencies.check(needed, of: tag)
        if configuration.writesThrough {
            try await writeThrough(tag, digest)
            try await store.put(tag, digest, writeBackAfter: nil)
        } else {
            try await store.put(tag, digest, writeBackAfter: .zero)
            try await queue(tag, digest, after: .zero)
        }
        if let cause, replication.concerns(tag) {
            try await replication.add(tag, digest, cause: cause)
            await tellNeighboursToReplicate(tag, digest, needed)
        }
        counters.counter("tags_put").add()
        events.record(ClusterEvent(.tagPut, blob: digest, detail: ["tag": "\(tag)"]))
        await tellNeighbours(tag, digest)
    }

    /// Makes `tag`, which names `digest`, be replicated to the other clusters.
    func replicate(_ tag: QualifiedTag, _ digest: Digest) async throws {
        guard replication.concerns(tag) else { return }
        try await replication.add(tag, digest, cause: .client)
        let needed = try await dependencies.resolve(tag, digest)
        await tellNeighboursToReplicate(tag, digest, needed)
    }

    /// Takes over a put that a neighbour has made; writes it back after `delay` unless the
    /// neighbour did by then.
    func putDuplicate(_ tag: QualifiedTag, _ digest: Digest, delay: Duration) async throws {
        try backend.checkBackend(of: tag)
        try await store.put(tag, digest, writeBackAfter: delay, isNeighbours: true)
        try await queue(tag, digest, after: delay)
    }

    /// What `tag` names: what was put here, else what the backend says; nil when neither knows it.
    ///
    /// A backend that fails counts as one that does not know: pushes go on while storage is down,
    /// as in Kraken.
    func digest(of tag: QualifiedTag) async throws -> Digest? {
        let record = await store.record(of: tag)
        if let record, !isOutdated(record) { return record.digest }
        do {
            guard let digest = try await backend.digest(of: tag) else { return record?.digest }
            if let record { try await store.adopt(digest, for: tag, insteadOf: record) }
            return digest
        } catch let error as BackendError {
            log.warning(
                "tag not read from the backend",
                metadata: [LogKey.tag: "\(tag)", LogKey.error: "\(error)"]
            )
            return record?.digest
        }
    }

    /// Whether `record`, which the backend has had, is so old that a put elsewhere may have been
    /// missed.
    private func isOutdated(_ record: TagRecord) -> Bool {
        let age = Timestamp.now.unixNanoseconds - record.putAt.unixNanoseconds
        return record.writeBack == nil && age > configuration.tagLifetime.nanoseconds
    }

    private func queue(
        _ tag: QualifiedTag,
        _ digest: Digest,
        after delay: Duration
    ) async throws {
        events.record(ClusterEvent(.writeBackQueued, blob: digest, detail: ["tag": "\(tag)"]))
        do { try await writeBack.add(tag, after: delay) } catch let error as RetryStorageError {
            throw error.problem
        }
    }

    /// Three attempts, half a second and then a second apart.
    /// - Source: uber/kraken lib/persistedretry, `SyncExec`.
    private func writeThrough(_ tag: QualifiedTag, _ digest: Digest) async throws {
        var pause = Duration.milliseconds(500)
        for attempt in 1... {
            do {
                try await backend.write(digest, for: tag)
                return
            } catch let error as BackendError {
                guard attempt < 3 else {
                    throw HTTPProblem.internalError("cannot write the tag back: \(error)").asText
                }
                // Back-off: nobody tells us when the backend is well again.
                try await Task.sleep(for: pause)
                pause = pause * 2
            }
        }
    }

    /// A neighbour that can't be told does not step in, should this build-index never come back; the task here stands.
    private func tellNeighboursToReplicate(
        _ tag: QualifiedTag,
        _ digest: Digest,
        _ needed: [Digest]
    ) async {
        let neighbours = await neighbours()
        await withDiscardingTaskGroup { group in
            for (index, neighbour) in neighbours.enumerated() {
                let delay = configuration.duplicateReplicateStagger * (index + 1)
                group.addTask {
                    do {
                        try await neighbour.duplicateReplicate(
                            tag,
                            digest,
                            dependencies: needed,
                            delay: delay
                        )
                    } catch {
                        counters.counter("duplicate_replicate_failures").add()
                        log.warning(
                            "a neighbour did not take a replication",
                            metadata: [
                                LogKey.tag: "\(tag)", LogKey.address: "\(neighbour.address)",
                                LogKey.error: "\(error)",
                            ]
                        )
                    }
                }
            }
        }
    }

    /// A neighbour that can't be told reads the tag from the backend later; the put stands.
    private func tellNeighbours(_ tag: QualifiedTag, _ digest: Digest) async {
        let neighbours = await neighbours()
        await withDiscardingTaskGroup { group in
            for (index, neighbour) in neighbours.enumerated() {
                let delay = configuration.duplicatePutStagger * (index + 1)
                group.addTask {
                    do { try await neighbour.duplicatePut(tag, digest, delay: delay) } catch {
                        counters.counter("duplicate_put_failures").add()
                        log.warning(
                            "a neighbour did not take a tag",
                            metadata: [
                                LogKey.tag: "\(tag)", LogKey.address: "\(neighbour.address)",
                                LogKey.error: "\(error)",
                            ]
                        )
                    }
                }
            }
        }
    }
}
