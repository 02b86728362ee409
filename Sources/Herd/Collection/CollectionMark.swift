// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import CollectionCore
import Content
import Primitives

/// What a collection finds before it removes anything: what is stored, what is named, and what that refers to.
struct CollectionMark: Sendable {
    /// What keeps what.
    private(set) var graph = ContentGraph()
    /// All blobs on origins' disks and, if they are swept, in backends, with their sizes where these are known.
    private(set) var stored: [Digest: Int] = [:]
    /// The reserved tags that go with the content they name.
    private(set) var records: [Digest: [QualifiedTag]] = [:]
    /// How many tags users have put.
    private(set) var tagCount = 0
    /// What the backends swept are called.
    private(set) var backendNames: [String] = []
    private var namespaces: [Digest: Namespace] = [:]
    /// What is meant by subjects that are named by their SHA-512.
    private var standIns: [Digest: Digest] = [:]
    /// What SHA-512s stand for, in whichever repository.
    private var aliases: [SHA512Digest: Digest] = [:]
    private let cluster: CollectionCluster
    private let limits = Limits()

    /// Manifests or tags asked for at a time.
    private static let requestsMax = 16

    /// A mark of `cluster`.
    init(_ cluster: CollectionCluster) { self.cluster = cluster }

    // MARK: - What there is

    /// Lists what the origins have, and their backends.
    mutating func list(withBackends: Bool) async throws {
        for origin in cluster.origins {
            var after: String?
            repeat {
                let page = try await origin.blobs(after: after)
                for blob in page.blobs { stored[blob.digest] = blob.bytes }
                after = page.next
            } while after != nil
        }
        guard withBackends, let origin = cluster.origins.first else { return }
        var (index, token): (Int?, String?) = (0, nil)
        while let current = index {
            let page = try await origin.backendBlobs(current, after: token)
            for digest in page.digests where stored[digest] == nil { stored[digest] = 0 }
            if !backendNames.contains(page.name) { backendNames.append(page.name) }
            (index, token) = (page.nextIndex, page.nextToken)
        }
    }

    // MARK: - What is named

    /// Reads all tags, and what repositories remember besides.
    mutating func readTags(keepingUntagged keepsUntagged: Bool) async throws {
        var unclear: [String] = []
        var tags: [QualifiedTag] = []
        var reservedTags: [(ReservedTag, QualifiedTag)] = []
        for name in try await cluster.names().sorted() {
            let tag: QualifiedTag
            do { tag = try QualifiedTag(parsing: name) } catch {
                throw Self.failure("a build-index lists \(name), which is no tag")
            }
            guard let reserved = ReservedTag(tag.tag) else {
                tags.append(tag)
                continue
            }
            reservedTags.append((reserved, tag))
        }
        try await readAliases(reservedTags)
        for (reserved, tag) in reservedTags { note(reserved, tag, keepsUntagged) }
        tagCount = tags.count
        for (tag, digests) in try await lookUp(tags) {
            if digests.isEmpty { unclear.append(tag.description) }
            for digest in digests.sorted() {
                graph.addRoot(digest, .tag(tag.description))
                namespaces[digest] = Namespace(tag.repository)
            }
        }
        guard !unclear.isEmpty else { return }
        // Either it went in this moment, or a backend gives no answer.
        let names = try await cluster.names()
        if let first = unclear.first(where: names.contains) {
            throw Self.failure("\(first) is a tag, but no build-index says what it names")
        }
    }

    private mutating func note(
        _ reserved: ReservedTag,
        _ tag: QualifiedTag,
        _ keepsUntagged: Bool
    ) {
        // Aliases have been read; they keep nothing.
        guard let digest = reserved.digest else { return }
        let repository = tag.repository
        namespaces[digest] = Namespace(repository)
        switch reserved {
        case .alias: return
        case .referrer(let referrer, let subject):
            graph.addReferrer(referrer, of: standIns[subject] ?? subject, in: repository.name)
        case .deleted(let digest): graph.addDeletion(of: digest, in: repository.name)
        case .pushed(let digest):
            if keepsUntagged {
                graph.addRoot(digest, .pushed(repository.name))
            } else {
                graph.addManifest(digest)
            }
        }
        records[digest, default: []].append(tag)
    }

    /// Reads what the SHA-512s stand for that repositories remember. Each goes with what it names.
    private mutating func readAliases(_ reserved: [(ReservedTag, QualifiedTag)]) async throws {
        var names: [QualifiedTag: SHA512Digest] = [:]
        for case (.alias(let alias), let tag) in reserved { names[tag] = alias }
        for (tag, digests) in try await lookUp(names.keys.sorted()) {
            guard let alias = names[tag] else { continue }
            for digest in digests {
                guard aliases[alias] == nil || aliases[alias] == digest else {
                    throw Self.failure("repositories do not agree what \(alias) is")
                }
                aliases[alias] = digest
                standIns[alias.standIn] = digest
                records[digest, default: []].append(tag)
            }
        }
    }

    private func lookUp(
        _ tags: [QualifiedTag]
    ) async throws -> [(tag: QualifiedTag, digests: Set<Digest>)] {
        try await withThrowingTaskGroup(of: (Int, Set<Digest>).self) { group in
            var found = tags.map { (tag: $0, digests: Set<Digest>()) }
            for (index, tag) in tags.enumerated() {
                if index >= Self.requestsMax, let (done, digests) = try await group.next() {
                    found[done].digests = digests
                }
                group.addTask { [cluster] in (index, try await cluster.digests(of: tag)) }
            }
            for try await (done, digests) in group { found[done].digests = digests }
            return found
        }
    }

    // MARK: - What that refers to

    /// Reads manifests until all is known that is kept.
    mutating func follow() async throws {
        while true {
            var batch: [(digest: Digest, namespace: Namespace)] = []
            while batch.count < Self.requestsMax, let digest = graph.nextToRead() {
                batch.append((digest, namespaces[digest] ?? .proxyUploads))
            }
            guard !batch.isEmpty else { return }
            for (digest, namespace, bytes) in try await read(batch) {
                note(bytes, digest, namespace)
            }
        }
    }

    private mutating func note(_ bytes: [UInt8], _ digest: Digest, _ namespace: Namespace) {
        // A tag may name any blob; one that is no manifest refers to nothing.
        let document = try? ManifestDocument(parsing: bytes, limits: limits, aliases: aliases)
        graph.note(document, as: digest)
        for reference in document?.references ?? [] where namespaces[reference.digest] == nil {
            namespaces[reference.digest] = namespace
        }
    }

    private func read(
        _ batch: [(digest: Digest, namespace: Namespace)]
    ) async throws -> [(Digest, Namespace, [UInt8])] {
        try await withThrowingTaskGroup(of: (Digest, Namespace, [UInt8])?.self) { group in
            for (digest, namespace) in batch {
                group.addTask { [cluster, graph, limits] in
                    let bytes = try await cluster.manifest(digest, namespace, limits: limits)
                    if let bytes {
                        // Too long to be a manifest, or the right bytes.
                        guard bytes.isEmpty || Digest(hashing: bytes) == digest else {
                            throw Self.failure("an origin has other bytes as \(digest)")
                        }
                        return (digest, namespace, bytes)
                    }
                    guard !graph.isNeeded(digest) else {
                        let why = "\(digest), which a tag or manifest names, is nowhere to be read"
                        throw Self.failure("\(why), so that it can't be told what it refers to")
                    }
                    return nil
                }
            }
            var read: [(Digest, Namespace, [UInt8])] = []
            for try await result in group { if let result { read.append(result) } }
            return read
        }
    }

    static func failure(_ why: String) -> Failure {
        Failure("cannot collect garbage; nothing was removed", why: why)
    }
}
