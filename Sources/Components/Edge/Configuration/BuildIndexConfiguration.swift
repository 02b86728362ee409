// SPDX-License-Identifier: Apache-2.0

package import Content
import Primitives
package import RetryCore

/// A build-index's settings.
/// - Source: uber/kraken build-index/cmd/config.go; the defaults are its.
package struct BuildIndexConfiguration: BackedConfiguration, Hashable, Sendable {
    /// The address to listen on.
    package var host: String
    /// The port to listen on; 0 picks a free one. 15004 as in Kraken's devcluster.
    package var port: Int
    /// The directory of the tag store; made when absent.
    package var dataDirectory: String
    /// The address other members of `cluster` know this one by, `host:port`; nil: `host:port` of
    /// the listener.
    package var selfAddress: String?
    /// The build-indexes of this cluster, `host:port`, with or without this one.
    package var cluster: [String]
    /// The origins of this cluster, `host:port`.
    package var origins: [String]
    /// How the hosts of a section are looked up and watched; the defaults where it is absent.
    package var hostChecks: [String: HostChecks] = [:]
    /// What `GET /origin` answers; nil: one of `origins`, at random.
    package var originName: String?
    /// Where tags are stored for good; rows are tried in order.
    package var backends: [BackendRule]
    /// How the blobs behind a tag are found; rows are tried in order. A tag that matches none is
    /// refused.
    package var tagTypes: [TagTypeRule]
    /// Other clusters and registries, and the tags they shall have.
    package var remotes: [TagRemote]
    /// How tags are replicated, and tried again (`tag_replication`). A remote that is slow has some of the workers, not all.
    package var tagReplication = RetryRules(
        freshWorkers: 8,
        retryWorkers: 4,
        perDestinationMax: 4
    )
    /// Whether a tag is written to the backend before it is acknowledged. Default off: queued, on
    /// disk.
    package var writesThrough: Bool
    /// By how much the write-back of each further neighbour is put off, so that usually one writes
    /// only.
    package var duplicatePutStagger: Duration
    /// By how much each further neighbour's replication is put off.
    package var duplicateReplicateStagger: Duration
    /// How tags are written back, and tried again (`writeback`).
    package var writeBack: RetryRules
    /// How long a tag that is in the backend is answered from here without asking the backend anew: the longest that a
    /// change made elsewhere stays unseen. Zero asks the backend each time.
    package var tagCacheInterval: Duration
    /// Regular expressions, searched for anywhere in `repository:tag`; a tag that matches one can't be moved or removed.
    package var immutableTags: [String]
    /// How long a stop waits for running requests.
    package var drainTimeout: Duration

    /// A build-index over `dataDirectory` that stores tags in `backends`.
    package init(
        host: String = "127.0.0.1",
        port: Int = 15004,
        dataDirectory: String,
        selfAddress: String? = nil,
        cluster: [String] = [],
        origins: [String],
        originName: String? = nil,
        backends: [BackendRule],
        tagTypes: [TagTypeRule] = [TagTypeRule(namespacePattern: ".*", type: .docker)],
        remotes: [TagRemote] = [],
        writesThrough: Bool = false,
        duplicatePutStagger: Duration = .minutes(20),
        duplicateReplicateStagger: Duration = .minutes(20),
        writeBack: RetryRules = RetryRules(),
        tagCacheInterval: Duration = .seconds(1),
        immutableTags: [String] = [],
        drainTimeout: Duration = .seconds(10)
    ) {
        (self.host, self.port, self.dataDirectory) = (host, port, dataDirectory)
        (self.selfAddress, self.cluster, self.origins) = (selfAddress, cluster, origins)
        (self.originName, self.backends, self.tagTypes) = (originName, backends, tagTypes)
        (self.remotes, self.writesThrough) = (remotes, writesThrough)
        self.duplicatePutStagger = duplicatePutStagger
        self.duplicateReplicateStagger = duplicateReplicateStagger
        self.writeBack = writeBack
        (self.tagCacheInterval, self.immutableTags) = (tagCacheInterval, immutableTags)
        self.drainTimeout = drainTimeout
    }
}

/// How the blobs behind a matching tag are found.
package struct TagTypeRule: Hashable, Sendable {
    /// A regular expression, searched for anywhere in `repository:tag` (unanchored).
    package var namespacePattern: String
    /// What the tag points at.
    package var type: TagType

    /// Tags that match `namespacePattern` are of `type`.
    package init(namespacePattern: String, type: TagType) {
        (self.namespacePattern, self.type) = (namespacePattern, type)
    }
}

/// What a tag points at.
package enum TagType: String, Hashable, Sendable, CaseIterable {
    /// A manifest or index: it and what it refers to must exist.
    case docker
    /// A blob of any kind: it must exist.
    case blob = "default"
}

/// Another cluster or a registry, and the tags it shall have.
package struct TagRemote: Hashable, Sendable {
    /// What it is called: another cluster by its build-index's `host:port`, a registry by any name.
    package var name: String
    /// Regular expressions, searched for anywhere in `repository:tag`; one match suffices.
    package var patterns: [String]
    /// The registry; nil: the build-index of another cluster.
    package var registry: RegistryRemote?

    /// Tags that match one of `patterns` go to the build-index at `address`.
    package init(address: String, patterns: [String]) {
        (name, self.patterns) = (address, patterns)
    }

    /// Tags that match one of `patterns` go to `registry`, which is called `name`.
    package init(name: String, patterns: [String], registry: RegistryRemote) {
        (self.name, self.patterns, self.registry) = (name, patterns, registry)
    }
}

/// A registry of the OCI's kind that tags are replicated to, as a configuration says it; the keys below `registry` are those of
/// the backend `registry_tag`, which reads them.
package struct RegistryRemote: Hashable, Sendable {
    /// What stands below `registry`.
    package var settings: ConfigurationNode
    /// What repositories are called there, with ``placeholder`` for what they are called here.
    package var repository: String

    /// What stands for a repository's name in ``repository``.
    package static let placeholder = "{repository}"

    /// The registry that `settings` describe.
    package init(settings: ConfigurationNode, repository: String = placeholder) {
        (self.settings, self.repository) = (settings, repository)
    }

    /// What `name` is called there; nil when that is no name of a repository, as when it is too long.
    package func repository(for name: String) -> RepositoryName? {
        // Why it is none does not matter.
        try? RepositoryName(repository.replacing(Self.placeholder, with: name))
    }
}
