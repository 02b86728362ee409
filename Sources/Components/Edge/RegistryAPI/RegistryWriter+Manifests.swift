// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore
import Primitives

extension RegistryWriter {
    /// References looked up at a time.
    private static let lookUpsMax = 8
    /// How long a look at the references of a manifest is good for; a fraction of the shortest sensible grace period of a
    /// collection.
    private static let checkGoodFor = Duration.seconds(20)
    /// Levels of indexes that are followed.
    private static let depthMax = 8

    /// Stores a manifest whose references are there, then tags it.
    func putManifest(
        _ name: RepositoryName,
        _ reference: ManifestReference,
        _ claim: ContentDigest?,
        _ request: Request
    ) async throws -> Response {
        let bytes = try await collectManifest(request)
        let digest = Digest(hashing: bytes)
        var claims = claim.map { [$0] } ?? []
        if case .digest(let named) = reference { claims.insert(named, at: 0) }
        if let wrong = claims.first(where: { !$0.names(bytes) }) {
            throw RegistryError.digestInvalid(
                "the manifest received is \(digest), not \(wrong) as the request says"
            )
        }
        let document = try await read(bytes, in: name)
        try check(request.headers[.contentType], names: document.mediaType)
        let condition = try TagCondition(headers: request.headers)
        let checkedAt = ContinuousClock.now
        // What says no more than the tag does waits for the answer to that.
        let isPlain =
            if case .tag = reference { claims.isEmpty && document.subject == nil } else { false }
        let deletions = try await store(
            bytes,
            document,
            as: digest,
            in: name,
            leavingDeletions: isPlain
        )
        for claim in claims { try await note(claim, of: digest, in: name) }
        // The answer to the tag tells whether that is needed.
        if case .digest = reference { try await restore(digest, in: name) }
        if ContinuousClock.now - checkedAt > Self.checkGoodFor {
            // A collection may take what was looked at too long ago.
            try await checkReferences(of: document, in: name)
            guard try await blobs.blobSize(digest, in: name) != nil else {
                throw RegistryError.unavailable("the manifest was stored too slowly; try again")
            }
        }
        if let subject = document.subject?.name.key {
            // Before the tag, so that whoever finds the manifest finds it among the referrers.
            try await sink.tags.noteReferrer(digest, of: subject, in: name, isGone: false)
        }
        if case .digest = reference, document.subject == nil {
            try await sink.tags.noteManifest(digest, in: name, isGone: false)
        }
        if case .tag(let tag) = reference {
            let tag = QualifiedTag(repository: name, tag: tag)
            let wasDeleted = try await put(tag, digest, document, condition, deletions)
            if wasDeleted != false { try await restore(digest, in: name) }
        }
        let asked = claims.first ?? .sha256(digest)
        var response = created("/v2/\(name)/manifests/\(asked)", asked)
        response.headers[.eTag] = "\"\(asked)\""
        response.headers[.subject] = document.subject?.name.description
        return response
    }

    /// Whether it is known that nothing was deleted that a manifest refers to.
    private enum Deletions { case none, unknown }

    /// Stores the manifest `bytes` once all that it refers to is there, and not deleted unless `leavingDeletions` says that that
    /// is asked later.
    private func store(
        _ bytes: [UInt8],
        _ document: ManifestDocument,
        as digest: Digest,
        in name: RepositoryName,
        leavingDeletions: Bool
    ) async throws -> Deletions {
        if !document.isIndex {
            let wanted = Self.distinct(document.references)
            if !leavingDeletions { try await refuseDeleted(wanted, in: name) }
            let isStored = try await sink.blobs.putManifest(
                bytes,
                as: digest,
                ifPresent: wanted.map(\.digest),
                in: name
            )
            if isStored { return leavingDeletions ? .unknown : .none }
        }
        // The manifests of an index were there before, and what they refer to has to be read.
        try await checkReferences(of: document, in: name)
        try await sink.blobs.putManifest(bytes, as: digest, in: name)
        return .none
    }

    /// Makes `tag` name the manifest `digest`; answers whether that was deleted before.
    private func put(
        _ tag: QualifiedTag,
        _ digest: Digest,
        _ document: ManifestDocument,
        _ condition: TagCondition,
        _ deletions: Deletions
    ) async throws -> Bool? {
        let wanted = Self.distinct(document.references)
        let dependencies = wanted.map(\.digest)
        if deletions == .unknown {
            switch try await sink.tags.put(
                tag,
                digest,
                unlessDeleted: dependencies,
                condition: condition
            ) {
            case .put(let wasDeleted): return wasDeleted
            case .refused(let deleted):
                throw Self.missing(wanted.filter { deleted.contains($0.digest) }.map(\.name))
            case nil: try await refuseDeleted(wanted, in: tag.repository)
            }
        }
        return try await sink.tags.put(
            tag,
            digest,
            dependencies: dependencies,
            condition: condition
        )
    }

    /// Those of `descriptors` that registries have to have, each once.
    private static func distinct(_ descriptors: [Descriptor]) -> [Descriptor] {
        var digests = Set<Digest>()
        return descriptors.filter { !$0.isForeign && digests.insert($0.digest).inserted }
    }

    private func refuseDeleted(
        _ wanted: [Descriptor],
        in name: RepositoryName
    ) async throws {
        let deleted = try await tags.surelyDeleted(among: wanted.map(\.digest), in: name)
        let gone = wanted.filter { deleted.contains($0.digest) }
        if !gone.isEmpty { throw Self.missing(gone.map(\.name)) }
    }

    /// The manifest `bytes`, with what the SHA-512s in it stand for in the repository.
    private func read(_ bytes: [UInt8], in name: RepositoryName) async throws -> ManifestDocument {
        do {
            return try await ManifestDocument.reading(bytes, limits: limits) { alias in
                try await tags.resolve(alias, in: name)
            }
        } catch let error as ContentError {
            throw RegistryError(.manifestInvalid, .badRequest, error.description)
        }
    }

    private func collectManifest(_ request: Request) async throws -> [UInt8] {
        let tooLarge = RegistryError(
            .manifestInvalid,
            .contentTooLarge,
            "a manifest has at most \(limits.manifestBytesMax) bytes"
        )
        if let length = request.headers[.contentLength].flatMap({ Int($0) }),
            length > limits.manifestBytesMax
        {
            throw tooLarge
        }
        var bytes: [UInt8] = []
        for try await buffer in IncomingBody(base: request.body, count: nil) {
            guard bytes.count + buffer.readableBytes <= limits.manifestBytesMax else {
                throw tooLarge
            }
            bytes += buffer.readableBytesView
        }
        return bytes
    }

    /// Refuses a document whose `Content-Type` says that it is another kind than its bytes say.
    ///
    /// It would be served with another type than it was pushed with. Types that are nobody's own, such as
    /// `application/json`, say nothing and are let pass.
    private func check(_ contentType: String?, names mediaType: ManifestMediaType) throws {
        let named = contentType?.split(separator: ";").first.map { $0.filter { $0 != " " } }
        guard let claimed = named.map({ ManifestMediaType(rawValue: $0) }), claimed != mediaType,
            claimed.rawValue.contains("/vnd.")
        else { return }
        throw RegistryError(
            .manifestInvalid,
            .badRequest,
            "Content-Type says \(claimed.rawValue), the manifest itself \(mediaType.rawValue)"
        )
    }

    /// What `document` refers to and, where that are manifests that are there, what these refer to.
    ///
    /// Whoever asks for a blob keeps it from being collected for a while; so whatever a push relies on has to be asked for,
    /// also what belongs to manifests that were there before.
    private func everything(
        below document: ManifestDocument,
        in name: RepositoryName,
        depth: Int
    ) async throws -> [Descriptor] {
        guard case .index(let index) = document, depth < Self.depthMax else {
            return document.references
        }
        var all = index.manifests
        for child in index.manifests {
            guard let bytes = try await blobs.manifest(child.digest, in: name),
                // What is no manifest refers to nothing.
                (try? ManifestDocument(parsing: bytes, limits: limits, aliases: [:])) != nil
            else { continue }
            let content = try await read(bytes, in: name)
            all += try await everything(below: content, in: name, depth: depth + 1)
        }
        return all
    }

    private func checkReferences(
        of document: ManifestDocument,
        in name: RepositoryName
    ) async throws {
        let wanted = Self.distinct(try await everything(below: document, in: name, depth: 0))
        async let deletions = tags.surelyDeleted(among: wanted.map(\.digest), in: name)
        let absent = try await withThrowingTaskGroup(of: ContentDigest?.self) { group in
            var missing: [ContentDigest] = []
            for (index, descriptor) in wanted.enumerated() {
                if index >= Self.lookUpsMax, let result = try await group.next() {
                    if let digest = result { missing.append(digest) }
                }
                group.addTask { [blobs] in
                    let bytes = try await blobs.blobSize(descriptor.digest, in: name)
                    return bytes == nil ? descriptor.name : nil
                }
            }
            for try await result in group { if let digest = result { missing.append(digest) } }
            return missing
        }
        let deleted = try await deletions
        let gone = wanted.filter { deleted.contains($0.digest) }.map(\.name)
        if !absent.isEmpty || !gone.isEmpty { throw Self.missing(absent + gone) }
    }

    /// The answer to a manifest that refers to `names`, one at least, which are not there.
    private static func missing(_ names: [ContentDigest]) -> RegistryError {
        let missing = Set(names).sorted { $0.key < $1.key }
        let first = missing.first.map(\.description) ?? "something"
        let others = missing.count > 1 ? " and \(missing.count - 1) others" : ""
        return RegistryError(
            .manifestBlobUnknown,
            .badRequest,
            "the manifest references \(first)\(others), which the registry does not have: push them first",
            detail: .object([.init("digest", .string(first))])
        )
    }
}
