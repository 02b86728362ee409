// SPDX-License-Identifier: Apache-2.0

package import Content
package import HTTPKit
package import Logging
import Placement
import Primitives

/// All build-indexes of a cluster as one: asks them in random order until one gives any answer.
///
/// Changes of one tag all go to the same build-index as long as it answers, so that they have an order.
/// - Source: uber/kraken build-index/tagclient/cluster_client.go.
package struct BuildIndexCluster: Sendable {
    /// The build-indexes, `host:port`.
    package let hosts: HostList
    private let http: HTTPClient
    private let log: Logger
    /// Those that can't be asked to put a tag unless something was deleted.
    private let unaware = UnawareHosts()

    /// The cluster of `hosts`, reached through `http`.
    package init(hosts: HostList, http: HTTPClient, log: Logger) {
        (self.hosts, self.http, self.log) = (hosts, http, log)
    }

    /// Makes `tag` name `digest` if `condition` is met; with `replicating`, in the other clusters, too.
    /// - Throws: ``ClusterError``, here as in every call; `.status(412)` when the condition is not met, `.status(409)` when
    ///   the tag is one that does not move.
    @discardableResult package func put(
        _ tag: QualifiedTag,
        _ digest: Digest,
        replicating: Bool = false,
        dependencies: [Digest]? = nil,
        condition: TagCondition = .none
    ) async throws -> Bool? {
        try await changing(tag, "put \(tag)") {
            try await $0.put(
                tag,
                digest,
                replicating: replicating,
                dependencies: dependencies,
                condition: condition
            )
        }
    }

    /// The same, unless one of `dependencies`, which the origins were just seen to have, was deleted from the repository.
    /// - Returns: nil, with nothing done, when the build-index does not know this question, as Kraken's: ask
    ///   ``deleted(among:in:)`` first, then put.
    package func put(
        _ tag: QualifiedTag,
        _ digest: Digest,
        replicating: Bool,
        unlessDeleted dependencies: [Digest],
        condition: TagCondition
    ) async throws -> TagPutOutcome? {
        try await changing(tag, "put \(tag)") { buildIndex in
            guard unaware.mayKnow(buildIndex.address) else { return nil }
            let outcome = try await buildIndex.put(
                tag,
                digest,
                replicating: replicating,
                unlessDeleted: dependencies,
                condition: condition
            )
            if outcome == nil { unaware.note(buildIndex.address) }
            return outcome
        }
    }

    /// Removes `tag` if `condition` is met; `.notFound` when there is no such tag. With `replicating`, from the other
    /// clusters, too.
    package func delete(
        _ tag: QualifiedTag,
        condition: TagCondition = .none,
        replicating: Bool = false
    ) async throws {
        try await changing(tag, "delete \(tag)") {
            try await $0.delete(tag, condition: condition, replicating: replicating)
        }
    }

    /// What `tag` names; nil when there is no such tag.
    package func digest(of tag: QualifiedTag) async throws -> Digest? {
        try await asking("get \(tag)") { try await $0.digest(of: tag) }
    }

    /// Whether there is such a tag.
    package func has(_ tag: QualifiedTag) async throws -> Bool {
        try await asking("look for \(tag)") { try await $0.has(tag) }
    }

    /// One page of the tags of `repository`, without the repository's name; nil when it is still the one with the entity tag
    /// `known`.
    package func tags(
        of repository: RepositoryName,
        limit: Int?,
        offset: String?,
        unless known: String?
    ) async throws -> TagPage? {
        try await asking("list the tags of \(repository)") {
            try await $0.tags(of: repository, limit: limit, offset: offset, unless: known)
        }
    }

    /// One page of the names `repository:tag` that begin with `prefix`, which may be empty.
    package func list(
        prefix: String = "",
        limit: Int? = nil,
        offset: String? = nil
    ) async throws -> TagPage {
        try await asking("list tags") {
            try await $0.list(prefix: prefix, limit: limit, offset: offset)
        }
    }

    /// One page of what has `subject` as its subject in `repository`, after the referrer `last`.
    package func referrers(
        of subject: ContentDigest,
        in repository: RepositoryName,
        artifactType: String? = nil,
        after last: Digest? = nil
    ) async throws -> ReferrerPage {
        try await asking("list the referrers of \(subject)") {
            try await $0.referrers(
                of: subject,
                in: repository,
                artifactType: artifactType,
                after: last
            )
        }
    }

    /// Which of `digests` were deleted from `repository`; `.notFound` or `.status(405)` from a build-index that can be asked
    /// about one at a time only.
    package func deleted(
        among digests: [Digest],
        in repository: RepositoryName
    ) async throws -> Set<Digest> {
        try await asking("look for deletions in \(repository)") {
            try await $0.deleted(among: digests, in: repository)
        }
    }

    /// Makes `tag`, which must exist, be replicated to the other clusters.
    package func replicate(_ tag: QualifiedTag) async throws {
        try await asking("replicate \(tag)") { try await $0.replicate(tag) }
    }

    /// Where this cluster's origins are reached by other clusters: `host:port`.
    package func origin() async throws -> String {
        try await asking("ask for the origin") { try await $0.origin() }
    }

    /// Whether a random build-index is ready; no other one is asked.
    package func checkReadiness() async throws {
        guard let address = await hosts.shuffledHosts().first else {
            throw hosts.noHosts("readiness of the build-indexes")
        }
        try await BuildIndexClient(address: address, http: http).checkReadiness()
    }

    /// Asks the build-index that `tag` falls to, or the next one when that gives no answer.
    private func changing<Value>(
        _ tag: QualifiedTag,
        _ what: String,
        ask: (BuildIndexClient) async throws -> Value
    ) async throws -> Value {
        let healthy = Set(await hosts.healthyHosts())
        let ranking = RendezvousHash.ranking(of: hosts.hosts, keyBytes: Array("\(tag)".utf8))
        let ordered = ranking.filter(healthy.contains) + ranking.filter { !healthy.contains($0) }
        return try await hosts.firstAnswer(from: ordered, what, log: log) {
            try await ask(BuildIndexClient(address: $0, http: http))
        }
    }

    private func asking<Value>(
        _ what: String,
        ask: (BuildIndexClient) async throws -> Value
    ) async throws -> Value {
        try await hosts.firstAnswer(from: await hosts.shuffledHosts(), what, log: log) {
            try await ask(BuildIndexClient(address: $0, http: http))
        }
    }
}
