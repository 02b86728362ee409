// SPDX-License-Identifier: Apache-2.0

package import Content
package import HTTPKit
package import Logging
import Primitives

/// All build-indexes of a cluster as one: asks them in random order until one gives any answer.
/// - Source: uber/kraken build-index/tagclient/cluster_client.go.
package struct BuildIndexCluster: Sendable {
    /// The build-indexes, `host:port`.
    package let hosts: HostList
    private let http: HTTPClient
    private let log: Logger

    /// The cluster of `hosts`, reached through `http`.
    package init(hosts: HostList, http: HTTPClient, log: Logger) {
        (self.hosts, self.http, self.log) = (hosts, http, log)
    }

    /// Makes `tag` name `digest`; with `replicating`, in the other clusters, too.
    /// - Throws: ``ClusterError``, here as in every call.
    package func put(_ tag: QualifiedTag, _ digest: Digest, replicating: Bool = false) async throws
    {
        try await asking("put \(tag)") { try await $0.put(tag, digest, replicating: replicating) }
    }

    /// What `tag` names; nil when there is no such tag.
    package func digest(of tag: QualifiedTag) async throws -> Digest? {
        try await asking("get \(tag)") { try await $0.digest(of: tag) }
    }

    /// Whether there is such a tag.
    package func has(_ tag: QualifiedTag) async throws -> Bool {
        try await asking("look for \(tag)") { try await $0.has(tag) }
    }

    /// One page of the tags of `repository`, without the repository's name.
    package func tags(
        of repository: RepositoryName,
        limit: Int? = nil,
        offset: String? = nil
    ) async throws -> TagPage {
        try await asking("list the tags of \(repository)") {
            try await $0.tags(of: repository, limit: limit, offset: offset)
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
            throw ClusterError.noHosts("readiness of the build-indexes")
        }
        try await BuildIndexClient(address: address, http: http).checkReadiness()
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
