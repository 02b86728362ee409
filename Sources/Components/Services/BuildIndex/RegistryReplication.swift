// SPDX-License-Identifier: Apache-2.0

import Backends
import ClusterClients
import Content
import HTTPKit
import Logging
import NIOCore
import Primitives
import Telemetry

/// One replication to a registry: it gets what the tag needs, blobs before the manifests that name them, then the tag, then the
/// referrers of all of that.
struct RegistryReplication: Sendable {
    let sources: ReplicationSources
    let repository: RegistryRepository
    let turns: RegistryTurns
    let tag: QualifiedTag
    let payload: ReplicationPayload
    let debt: ReplicationDebt
    let environment: ComponentEnvironment
    private let namespace: Namespace

    init(
        sources: ReplicationSources,
        repository: RegistryRepository,
        turns: RegistryTurns,
        tag: QualifiedTag,
        payload: ReplicationPayload,
        debt: ReplicationDebt,
        environment: ComponentEnvironment
    ) throws {
        (self.sources, self.repository, self.turns) = (sources, repository, turns)
        (self.tag, self.payload, self.debt) = (tag, payload, debt)
        self.environment = environment
        namespace = try Namespace(tag.description)
    }

    /// Makes the registry say what `change` says.
    func apply(_ change: ReplicatedChange) async throws -> ReplicationOutcome {
        switch (ReservedTag(tag.tag), change) {
        case (nil, .put(let digest)): return try await put(digest)
        case (nil, .deletion(let replaced)): return try await delete(replaced)
        case (.referrer(let referrer, of: _), .put): return try await putReferrer(referrer)
        case (.referrer(let referrer, of: let subject), .deletion):
            return try await unlist(referrer, of: .sha256(subject))
        case (.deleted(let digest), .put): return try await deleteContent(digest)
        case (.deleted, .deletion): return .unneeded("it comes with what names it")
        case (.pushed, _), (.alias, _): return .unneeded("a registry has no such record")
        }
    }

    // MARK: - Puts

    private func put(_ digest: Digest) async throws -> ReplicationOutcome {
        let everything = try await sources.dependencies.everything(tag, digest)
        guard let mediaType = everything.manifests[digest] else {
            return .unneeded("it names a blob, and tags of registries name manifests")
        }
        let isThere = try await repository.digest(of: tag.tag.name) == digest
        if !isThere {
            try await send(everything, besides: digest)
            let bytes = try await manifest(digest)
            try await turns.repositories.taking(repository.name) {
                try await repository.put(bytes, mediaType, as: tag.tag.name)
            }
            if let subject = ReservedTag.fallbackSubject(of: tag.tag) {
                // What the index that was put does not list, because it need not here.
                try await list(referrersOf: subject)
            }
        }
        try await sendReferrers(of: everything)
        return isThere ? .unneeded("it was there") : .put
    }

    private func putReferrer(_ digest: Digest) async throws -> ReplicationOutcome {
        let bytes = try await manifest(digest)
        guard let referrer = Referrer(manifest: bytes, digest: digest) else {
            return .unneeded("it has no subject")
        }
        try await send(try await sources.dependencies.everything(tag, digest))
        try await list(referrersOf: referrer.subject)
        return .put
    }

    /// Sends `everything` but the manifest `last`, which is to follow under its tag.
    func send(
        _ everything: TagDependencies.Everything,
        besides last: Digest? = nil
    ) async throws {
        let levels = everything.levels.map { $0.filter { $0 != last } }
        try await debt.settle(levels) { digest in
            for name in everything.names(of: digest) {
                try await turns.content.taking(name) {
                    if let mediaType = everything.manifests[digest] {
                        try await send(manifest: digest, mediaType, as: name)
                    } else {
                        try await send(blob: digest, as: name)
                    }
                }
            }
        }
    }

    private func send(
        manifest digest: Digest,
        _ mediaType: ManifestMediaType,
        as name: ContentDigest
    ) async throws {
        guard try await !repository.hasManifest(name) else { return }
        let bytes = try await manifest(digest)
        try await repository.put(bytes, mediaType, as: name.description)
    }

    private func send(blob digest: Digest, as name: ContentDigest) async throws {
        let (origins, namespace) = (sources.origins, namespace)
        let delivery = try await repository.send(name) {
            guard let size = try await origins.stat(digest, namespace: namespace) else {
                throw missing(digest)
            }
            return RegistryContent(bytes: size.bytes) { offset in
                let range = offset == 0 ? nil : offset..<size.bytes
                return OriginStream {
                    try await origins.download(digest, namespace: namespace, range: range)
                }
            }
        }
        switch delivery {
        case .wasThere: break
        case .mounted: environment.counters.counter("registry_blobs_mounted").add()
        case .sent(let bytes, let before):
            if before > 0 { environment.counters.counter("registry_blobs_resumed").add() }
            environment.counters.counter("registry_blobs_sent").add()
            environment.counters.counter("registry_bytes_sent").add(bytes)
        }
    }

    private func manifest(_ digest: Digest) async throws -> [UInt8] {
        guard let bytes = try await sources.manifests.manifest(digest, namespace: namespace) else {
            throw missing(digest)
        }
        return bytes
    }

    private func missing(_ digest: Digest) -> ClusterError {
        ClusterError(
            .notFound,
            what: "send \(digest) of \(tag) to \(repository.name)",
            why: "neither the origins nor their backend have it",
            remedy: "push it again, or delete the tag"
        )
    }

    // MARK: - Deletions

    private func delete(_ replaced: Digest?) async throws -> ReplicationOutcome {
        try await turns.repositories.taking(repository.name) {
            guard let there = try await repository.digest(of: tag.tag.name) else {
                return .unneeded("it was not there")
            }
            // A neighbour may have missed a put that came after the deletion, and that is there already.
            if payload.isNeighbours, let replaced, there != replaced,
                !repository.isPlaceholder(there, of: tag.tag)
            {
                return .unneeded("it names something else there")
            }
            return ReplicationOutcome(try await repository.delete(tag.tag))
        }
    }

    /// Deletes the manifest `digest`. Blobs stay: registries collect those that no manifest names.
    private func deleteContent(_ digest: Digest) async throws -> ReplicationOutcome {
        try await turns.repositories.taking(repository.name) {
            // Pushed again meanwhile; the tags that name it may be there by now.
            if let record = await sources.store.record(of: tag), record.digest == nil {
                return .unneeded("it is here again")
            }
            return ReplicationOutcome(try await repository.delete(digest))
        }
    }
}

extension ReplicationOutcome {
    fileprivate init(_ deletion: RegistryDeletion) {
        self =
            switch deletion {
            case .done: .deleted
            case .wasNotThere: .unneeded("it was not there")
            case .refused(let why): .refused(why)
            }
    }
}

/// The bytes of a blob from the origins, fetched anew each time they are read.
private struct OriginStream: AsyncSequence, Sendable {
    typealias Element = ByteBuffer
    let open: @Sendable () async throws -> BlobBody

    struct AsyncIterator: AsyncIteratorProtocol {
        let open: @Sendable () async throws -> BlobBody
        var base: BlobBody.AsyncIterator?

        mutating func next() async throws -> ByteBuffer? {
            do {
                var base = if let base { base } else { try await open().makeAsyncIterator() }
                let part = try await base.next()
                self.base = base
                return part
            } catch {
                // Not the registry's fault.
                throw BodySourceFailure(error)
            }
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(open: open) }
}
