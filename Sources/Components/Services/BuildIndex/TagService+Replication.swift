// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import Logging
import Telemetry

extension TagService {
    /// Makes `tag`, which names `digest`, be replicated to the other clusters.
    func replicate(_ tag: QualifiedTag, _ digest: Digest) async throws {
        guard replication.concerns(tag) else { return }
        try await replication.add(tag, .put(digest), cause: .client)
        let needed = try await dependencies.resolve(tag, digest)
        await tellNeighboursToReplicate(tag, .put(digest), needed, path: [])
    }

    /// A neighbour that can't be told does not step in, should this build-index never come back; the task here stands. `path`
    /// are the clusters that the tag came through, to which neighbours must not send it back any more than this one.
    func tellNeighboursToReplicate(
        _ tag: QualifiedTag,
        _ change: ReplicatedChange,
        _ needed: [Digest] = [],
        path: [String]
    ) async {
        let neighbours = await neighbours.clients()
        await withDiscardingTaskGroup { group in
            for (index, neighbour) in neighbours.enumerated() {
                let delay = replicationStagger * (index + 1)
                let route = path.isEmpty ? nil : ReplicationPath.text(path)
                group.addTask {
                    do {
                        switch change {
                        case .put(let digest):
                            try await neighbour.duplicateReplicate(
                                tag,
                                digest,
                                dependencies: needed,
                                delay: delay,
                                path: route
                            )
                        case .deletion(let replaced):
                            try await neighbour.duplicateReplicateDeletion(
                                of: tag,
                                replaced: replaced,
                                delay: delay,
                                path: route
                            )
                        }
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
}
