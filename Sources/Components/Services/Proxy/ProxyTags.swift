// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import HTTPKit
import RegistryAPI
import Telemetry

/// The tags of a proxy's registry: the build-indexes'.
struct ProxyTags: TagSource, TagSink {
    let reading: BuildIndexTags
    let buildIndexes: BuildIndexCluster
    let counters: ProxyCounters
    let environment: ComponentEnvironment

    func digest(of tag: QualifiedTag) async throws -> Digest? {
        try await reading.digest(of: tag)
    }

    func tags(of repository: RepositoryName, page: PageRequest) async throws -> NamePage? {
        try await reading.tags(of: repository, page: page)
    }

    func repositories(page: PageRequest) async throws -> NamePage {
        try await reading.repositories(page: page)
    }

    func put(_ tag: QualifiedTag, _ digest: Digest) async throws {
        do {
            try await buildIndexes.put(tag, digest, replicating: true)
        } catch let error as ClusterError {
            throw RegistryError(error, what: "tag \(tag)", whom: "build-index")
        }
        counters.pushes.add()
        environment.events.record(
            ClusterEvent(.push, blob: digest, detail: ["tag": tag.description])
        )
    }
}
