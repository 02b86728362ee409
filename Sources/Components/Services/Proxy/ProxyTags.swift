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

    /// Tags looked up at a time.
    private static let lookUpsMax = 16

    func digest(of tag: QualifiedTag) async throws -> Digest? {
        try await reading.digest(of: tag)
    }

    func tags(of repository: RepositoryName, page: PageRequest) async throws -> NamePage? {
        try await reading.tags(of: repository, page: page)
    }

    func repositories(page: PageRequest) async throws -> NamePage {
        try await reading.repositories(page: page)
    }

    func referrers(
        of subject: ContentDigest,
        in repository: RepositoryName,
        artifactType: String?,
        after last: Digest?
    ) async throws -> ReferrerPage {
        try await reading.referrers(
            of: subject,
            in: repository,
            artifactType: artifactType,
            after: last
        )
    }

    func isDeleted(_ digest: Digest, in repository: RepositoryName) async throws -> Bool {
        try await reading.isDeleted(digest, in: repository)
    }

    func deleted(
        among digests: [Digest],
        in repository: RepositoryName
    ) async throws -> Set<Digest> {
        try await reading.deleted(among: digests, in: repository)
    }

    // MARK: - Changes

    func put(
        _ tag: QualifiedTag,
        _ digest: Digest,
        dependencies: [Digest],
        condition: TagCondition
    ) async throws -> Bool? {
        let wasDeleted = try await changing("tag \(tag)") {
            try await buildIndexes.put(
                tag,
                digest,
                replicating: true,
                dependencies: dependencies,
                condition: condition
            )
        }
        notePush(tag, digest)
        return wasDeleted
    }

    func put(
        _ tag: QualifiedTag,
        _ digest: Digest,
        unlessDeleted dependencies: [Digest],
        condition: TagCondition
    ) async throws -> TagPutOutcome? {
        let outcome = try await changing("tag \(tag)") {
            try await buildIndexes.put(
                tag,
                digest,
                replicating: true,
                unlessDeleted: dependencies,
                condition: condition
            )
        }
        if case .put = outcome { notePush(tag, digest) }
        return outcome
    }

    private func notePush(_ tag: QualifiedTag, _ digest: Digest) {
        counters.pushes.add()
        environment.events.record(
            ClusterEvent(.push, blob: digest, detail: ["tag": tag.description])
        )
    }

    func delete(_ tag: QualifiedTag, condition: TagCondition) async throws -> Bool {
        do {
            try await buildIndexes.delete(tag, condition: condition, replicating: true)
            return true
        } catch let error as ClusterError where error.code == .notFound {
            return false
        } catch let error as ClusterError {
            throw RegistryError(error, what: "delete \(tag)", whom: "build-index")
        }
    }

    func deleteAll(naming digest: Digest, in repository: RepositoryName) async throws {
        let names = try await reading.userTags(of: repository)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, name) in names.enumerated() {
                if index >= Self.lookUpsMax { try await group.next() }
                let tag = QualifiedTag(repository: repository, tag: try Tag(name))
                group.addTask {
                    guard try await self.digest(of: tag) == digest else { return }
                    do {
                        _ = try await delete(tag, condition: .names([digest]))
                    } catch let error as RegistryError where error.code == .preconditionFailed {
                        // It was moved in this moment.
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    func noteReferrer(
        _ referrer: Digest,
        of subject: Digest,
        in repository: RepositoryName,
        isGone: Bool
    ) async throws {
        try await note(.referrer(referrer, of: subject), in: repository, isGone: isGone)
    }

    func noteAlias(
        _ alias: SHA512Digest,
        of digest: Digest,
        in repository: RepositoryName
    ) async throws {
        let tag = QualifiedTag(repository: repository, tag: ReservedTag.alias(alias).tag)
        try await changing("note \(alias)") {
            try await buildIndexes.put(tag, digest, replicating: true)
        }
    }

    func noteManifest(
        _ digest: Digest,
        in repository: RepositoryName,
        isGone: Bool
    ) async throws {
        try await note(.pushed(digest), in: repository, isGone: isGone)
    }

    func noteDeletion(
        of digest: Digest,
        in repository: RepositoryName,
        isUndone: Bool
    ) async throws {
        try await note(.deleted(digest), in: repository, isGone: isUndone)
    }

    private func note(
        _ reserved: ReservedTag,
        in repository: RepositoryName,
        isGone: Bool
    ) async throws {
        let tag = QualifiedTag(repository: repository, tag: reserved.tag)
        if isGone {
            _ = try await delete(tag, condition: .none)
        } else if let digest = reserved.digest {
            // What was pushed without a tag is kept here; elsewhere it comes with what needs it.
            let isShared = if case .pushed = reserved { false } else { true }
            try await changing("note \(reserved)") {
                try await buildIndexes.put(tag, digest, replicating: isShared)
            }
        }
    }

    @discardableResult private func changing<Value>(
        _ what: String,
        _ change: () async throws -> Value
    ) async throws -> Value {
        do { return try await change() } catch let error as ClusterError {
            throw RegistryError(error, what: what, whom: "build-index")
        }
    }
}
