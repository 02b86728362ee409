// SPDX-License-Identifier: Apache-2.0

import Backends
import ClusterClients
import ClusterConfiguration
import Content
import HTTPKit
import NIOCore
import Primitives

import struct Crypto.SHA256

/// What a tag needs to be of use: the blobs that its manifest refers to, and the manifest.
/// - Source: uber/kraken build-index/tagtype.
struct TagDependencies: Sendable {
    private let rules: [(pattern: NamespacePattern, type: TagType)]
    private let origins: OriginCluster
    private let reader: TagReader
    private let limits: Limits

    /// How many blobs are looked for at a time.
    private static let lookUpsMax = 16

    init(
        rules: [TagTypeRule],
        origins: OriginCluster,
        reader: TagReader,
        limits: Limits = Limits()
    ) throws {
        self.rules = try rules.map { (try NamespacePattern($0.namespacePattern), $0.type) }
        (self.origins, self.reader, self.limits) = (origins, reader, limits)
    }

    /// The blobs that `tag` needs if it names `digest`, the one it names last.
    /// - Throws: 500 with the reason when they can't be told.
    func resolve(_ tag: QualifiedTag, _ digest: Digest) async throws -> [Digest] {
        if Self.needsNothing(tag) { return [] }
        switch try type(of: tag) {
        case .blob: return [digest]
        case .docker: return try await references(of: digest, tag: tag) + [digest]
        }
    }

    /// The same for whoever knows what the manifest refers to.
    /// - Throws: 500 as ``resolve(_:_:)``.
    func all(
        of tag: QualifiedTag,
        _ digest: Digest,
        references: [Digest]
    ) throws -> [Digest] {
        if Self.needsNothing(tag) { return [] }
        return switch try type(of: tag) {
        case .blob: [digest]
        case .docker: references + [digest]
        }
    }

    /// Blobs of one tag that are followed at most: a very large index has hundreds of manifests with dozens of layers.
    private static let followedMax = 100_000

    /// Everything that `tag` needs in another cluster if it names `digest`, indexes followed to their leaves, in the order in
    /// which it may be sent there: what refers to others comes in a later part than these.
    /// - Throws: 500 or 503 with the reason when that can't be told.
    func everything(_ tag: QualifiedTag, _ digest: Digest) async throws -> Everything {
        if Self.needsNothing(tag) { return Everything() }
        guard try type(of: tag) == .docker else { return Everything(blob: digest) }
        var everything = Everything()
        var levels: [[Digest]] = []
        var seen: Set<Digest> = [digest]
        var manifests = [digest]
        while !manifests.isEmpty {
            levels.append(manifests)
            var (leaves, next): ([Digest], [Digest]) = ([], [])
            for manifest in manifests {
                let document = try await document(manifest, tag: tag)
                everything.manifests[manifest] = document.mediaType
                for reference in document.references where !reference.isForeign {
                    everything.note(reference)
                    guard seen.insert(reference.digest).inserted else { continue }
                    if case .index = document {
                        next.append(reference.digest)
                    } else {
                        leaves.append(reference.digest)
                    }
                }
            }
            guard seen.count <= Self.followedMax else {
                throw HTTPProblem.internalError("\(tag) needs more than \(Self.followedMax) blobs")
                    .asText
            }
            // Leaves are wanted by manifests of this level at the earliest, so they may go before all levels.
            if !leaves.isEmpty { levels.append(leaves) }
            manifests = next
        }
        everything.levels = levels.reversed()
        return everything
    }

    /// What a tag needs elsewhere.
    struct Everything: Sendable {
        /// The blobs, in the order in which they may be sent.
        var levels: [[Digest]] = []
        /// Those that are manifests, with what kind each is.
        var manifests: [Digest: ManifestMediaType] = [:]
        /// What the SHA-512s stand for by which manifests name some of them.
        private(set) var aliases: [SHA512Digest: Digest] = [:]
        /// Those that manifests name by their SHA-256.
        private var plain: Set<Digest> = []

        /// Nothing.
        init() {}

        /// `blob`, which is no manifest.
        init(blob: Digest) { levels = [[blob]] }

        fileprivate mutating func note(_ reference: Descriptor) {
            switch reference.name {
            case .sha256(let digest): plain.insert(digest)
            case .sha512(let alias): aliases[alias] = reference.digest
            }
        }

        /// How manifests name `digest`; by its SHA-256 if none does.
        func names(of digest: Digest) -> [ContentDigest] {
            let long = aliases.filter { $0.value == digest }.map { ContentDigest.sha512($0.key) }
            return long.isEmpty || plain.contains(digest) ? [.sha256(digest)] + long : long
        }
    }

    /// Whether `tag` only says something about what it names, which may be gone.
    private static func needsNothing(_ tag: QualifiedTag) -> Bool {
        switch ReservedTag(tag.tag) {
        case .deleted, .pushed, .alias: true
        case .referrer, nil: false
        }
    }

    private func type(of tag: QualifiedTag) throws -> TagType {
        if case .referrer = ReservedTag(tag.tag) { return .docker }
        guard let rule = rules.first(where: { $0.pattern.isFound(in: tag.description) }) else {
            throw HTTPProblem.internalError(
                "no tag type matches \(tag); add a row to tag_types"
            ).asText
        }
        return rule.type
    }

    /// Fails unless the origins, or their backends, have every one of `digests`.
    /// - Throws: 500 naming a missing one, as Kraken does; 503 when the origins give no answer.
    func check(_ digests: [Digest], of tag: QualifiedTag) async throws {
        let namespace = try Namespace(tag.description)
        let distinct = Array(Set(digests)).sorted()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, digest) in distinct.enumerated() {
                if index >= Self.lookUpsMax { try await group.next() }
                group.addTask { try await look(for: digest, of: tag, namespace) }
            }
            try await group.waitForAll()
        }
    }

    /// What the manifest `digest` refers to, in order.
    ///
    /// Of an index these are its manifests only: their layers are not looked for, as in Kraken.
    /// Foreign layers are left out, because no registry need have them.
    private func references(of digest: Digest, tag: QualifiedTag) async throws -> [Digest] {
        try await document(digest, tag: tag).references.filter { !$0.isForeign }.map(\.digest)
    }

    /// The manifest or index `digest`.
    private func document(
        _ digest: Digest,
        tag: QualifiedTag
    ) async throws -> ManifestDocument {
        let namespace = try Namespace(tag.description)
        let bytes: [UInt8]
        do {
            let body = try await origins.download(digest, namespace: namespace)
            bytes = Array(try await body.collect(upTo: limits.manifestBytesMax).readableBytesView)
        } catch let error as ClusterError {
            throw error.code == .notFound ? missing(digest, of: tag) : unanswered(error)
        }
        guard Digest(bytes: Array(SHA256.hash(data: bytes))) == digest else {
            throw HTTPProblem.internalError(
                "cannot upload tag, the origins sent other bytes for the manifest \(digest)"
            ).asText
        }
        let document: ManifestDocument
        do {
            document = try await ManifestDocument.reading(bytes, limits: limits) { alias in
                let name = ReservedTag.alias(alias).tag
                let tag = QualifiedTag(repository: tag.repository, tag: name)
                return await reader.digest(of: tag)
            }
        } catch let error as ContentError {
            throw HTTPProblem.internalError(
                "cannot upload tag, \(digest) is not a manifest: \(error.why)"
            ).asText
        }
        if let unknown = document.unknownNames.first {
            throw missing(unknown, of: tag)
        }
        return document
    }

    private func missing(
        _ digest: some CustomStringConvertible,
        of tag: QualifiedTag
    ) -> HTTPProblem {
        HTTPProblem.internalError("cannot upload tag, missing dependency \(digest) of \(tag)")
            .asText
    }

    private func unanswered(_ error: ClusterError) -> HTTPProblem {
        HTTPProblem.unavailable(
            "cannot upload tag, the origins give no answer: \(error)",
            retryAfter: .seconds(1)
        ).asText
    }

    private func look(
        for digest: Digest,
        of tag: QualifiedTag,
        _ namespace: Namespace
    ) async throws {
        do {
            guard try await origins.stat(digest, namespace: namespace) != nil else {
                throw missing(digest, of: tag)
            }
        } catch let error as ClusterError { throw unanswered(error) }
    }
}
