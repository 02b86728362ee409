// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content

/// One replication to another cluster: its origins get what the tag needs, its build-index the tag.
struct ClusterReplication {
    let sources: ReplicationSources
    let remote: BuildIndexClient
    let tag: QualifiedTag
    let payload: ReplicationPayload
    /// This cluster.
    let identity: String
    let debt: ReplicationDebt

    /// Makes the other cluster say what `change` says.
    func apply(_ change: ReplicatedChange) async throws -> ReplicationOutcome {
        let there = try await remote.digest(of: tag)
        if there == change.digest {
            return .unneeded(there == nil ? "it was not there" : "it was there")
        }
        let origin = try await remote.origin()
        if ReplicationPath.contains(origin, payload.path) {
            return .unneeded("it came from there")
        }
        let path = ReplicationPath.text(payload.path + [identity])
        switch change {
        case .put(let digest):
            let aliases = try await send(digest, to: origin)
            for (alias, stored) in aliases {
                // Before what names content so.
                let name = ReservedTag.alias(alias).tag
                let aliasTag = QualifiedTag(repository: tag.repository, tag: name)
                try await remote.put(aliasTag, stored, replicating: true, path: path)
            }
            try await remote.put(tag, digest, replicating: true, path: path)
            return .put
        case .deletion(let replaced):
            // A neighbour may have missed a put that came after the deletion, and that is there already.
            let condition = payload.isNeighbours ? replaced.map { TagCondition.names([$0]) } : nil
            return try await delete(condition ?? .none, path)
        }
    }

    /// Deletes the tag there. What the remote refuses it will refuse again, as Kraken's do, which remove no tags.
    private func delete(
        _ condition: TagCondition,
        _ path: String
    ) async throws -> ReplicationOutcome {
        do {
            try await remote.delete(tag, condition: condition, replicating: true, path: path)
            return .deleted
        } catch let error as ClusterError {
            switch error.code {
            case .status(412): return .unneeded("it names something else there")
            // Gone in this moment, unless it is the request that is not known there.
            case .notFound where try await remote.digest(of: tag) == nil:
                return .unneeded("it was not there")
            case .notFound, .status(400), .status(403), .status(405), .status(409), .status(501):
                return .refused("\(error)")
            default: throw error
            }
        }
    }

    /// Sends everything that `digest` needs to the other cluster's origins, what refers to others after these; answers what
    /// the SHA-512s stand for by which some of it is named.
    private func send(
        _ digest: Digest,
        to origin: String
    ) async throws -> [SHA512Digest: Digest] {
        let namespace = try Namespace(tag.description)
        let everything = try await sources.dependencies.everything(tag, digest)
        try await debt.settle(everything.levels) { [origins = sources.origins] blob in
            try await origins.replicate(blob, namespace: namespace, toRemote: origin)
        }
        return everything.aliases
    }
}
