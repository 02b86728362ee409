// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import Files
import Foundation
import HTTPKit
import HTTPTypes
import NIOCore
import RegistryAPI
import Synchronization

/// Blobs and tags in memory: everything a registry needs, and nothing that outlives the test.
final class MemoryRegistry: BlobSource, BlobSink, TagSource, TagSink {
    /// How the bytes of blobs are handed out.
    enum Style: CaseIterable, Sendable { case buffers, file, fileParts }

    struct State {
        var blobs: [Digest: [UInt8]] = [:]
        var tags: [QualifiedTag: Digest] = [:]
        var uploads: [String: MemoryUpload] = [:]
        var nextUpload = 1
        /// What was deleted from which repository.
        var deletions: Set<QualifiedTag> = []
        var pushed: Set<QualifiedTag> = []
        /// Subjects of manifests, by repository and referrer.
        var subjects: [QualifiedTag: Digest] = [:]
        /// How often the SHA-512 of a blob was taken.
        var sumCount = 0
    }

    let style: Style
    let uploadsMax: Int
    /// Whether it finds out by one question what a manifest has to be asked for.
    let asksAtOnce: Bool
    let state = Mutex(State())
    /// One element for each body that broke off.
    let breaks = AsyncStream.makeStream(of: Void.self)

    init(style: Style = .buffers, uploadsMax: Int = 64, asksAtOnce: Bool = true) {
        (self.style, self.uploadsMax, self.asksAtOnce) = (style, uploadsMax, asksAtOnce)
    }

    @discardableResult func add(_ bytes: [UInt8]) -> Digest {
        let digest = Digest(hashing: bytes)
        state.withLock { $0.blobs[digest] = bytes }
        return digest
    }

    @discardableResult func add(_ text: String) -> Digest { add(Array(text.utf8)) }

    func tag(_ name: String, _ digest: Digest) throws {
        let tag = try QualifiedTag(parsing: name)
        state.withLock { $0.tags[tag] = digest }
    }

    func bytes(of digest: Digest) -> [UInt8]? { state.withLock { $0.blobs[digest] } }

    // MARK: - Reading

    func blob(_ digest: Digest, in repository: RepositoryName) async throws -> BlobContent? {
        guard let bytes = bytes(of: digest) else { return nil }
        switch style {
        case .buffers:
            return BlobContent(
                bytes: bytes.count,
                body: .buffers { range in MemoryBody(bytes: Array(bytes[range])) }
            )
        case .file:
            return BlobContent(bytes: bytes.count, body: .file(try file(bytes), pin: nil))
        case .fileParts:
            let file = try file(bytes)
            return BlobContent(
                bytes: bytes.count,
                body: .fileParts { range, writer in
                    let middle = range.lowerBound + range.count / 3
                    try await writer.write(file, range.lowerBound..<middle)
                    try await writer.write(file, middle..<range.upperBound)
                }
            )
        }
    }

    private func file(_ bytes: [UInt8]) throws -> SharedFile {
        let path = NSTemporaryDirectory() + "registry-" + UUID().uuidString
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        defer { unlink(path) }
        return try SharedFile.openForReading(path)
    }

    func manifest(_ digest: Digest, in repository: RepositoryName) async throws -> [UInt8]? {
        bytes(of: digest)
    }

    func sha512(of digest: Digest, in repository: RepositoryName) async throws -> SHA512Digest? {
        state.withLock { $0.sumCount += 1 }
        return bytes(of: digest).map { SHA512Digest(hashing: $0) }
    }

    func digest(of tag: QualifiedTag) async throws -> Digest? { state.withLock { $0.tags[tag] } }

    func tags(of repository: RepositoryName, page: PageRequest) async throws -> NamePage? {
        let names = state.withLock { state in
            state.tags.keys.filter { $0.repository == repository && ReservedTag($0.tag) == nil }
                .map(\.tag.name)
        }
        return names.isEmpty ? nil : NamePage(of: names, page: page)
    }

    func repositories(page: PageRequest) async throws -> NamePage {
        NamePage(of: state.withLock { $0.tags.keys.map(\.repository.name) }, page: page)
    }

    func referrers(
        of subject: ContentDigest,
        in repository: RepositoryName,
        artifactType: String?,
        after last: Digest?
    ) async throws -> ReferrerPage {
        let (subjects, blobs) = state.withLock { ($0.subjects, $0.blobs) }
        let digests = subjects.filter { $0.key.repository == repository && $0.value == subject.key }
            .compactMap { ReservedTag($0.key.tag)?.digest }.sorted()
        let referrers = digests.drop { digest in last.map { digest <= $0 } ?? false }
            .compactMap { digest in
                blobs[digest].flatMap { Referrer(manifest: $0, digest: digest) }.map {
                    (digest, $0)
                }
            }
            .filter { artifactType == nil || $0.1.artifactType == artifactType }
        // Two on a page, so that pages are seen.
        return ReferrerPage(
            descriptors: referrers.prefix(2).map(\.1.descriptor),
            next: referrers.count > 2 ? referrers[1].0 : nil
        )
    }

    func isDeleted(_ digest: Digest, in repository: RepositoryName) async throws -> Bool {
        let mark = QualifiedTag(repository: repository, tag: ReservedTag.deleted(digest).tag)
        return state.withLock { $0.deletions.contains(mark) }
    }

    // MARK: - Writing

    func startUpload(in repository: RepositoryName) async throws -> any BlobUpload {
        try state.withLock { state in
            guard state.uploads.count < uploadsMax else {
                throw RegistryError.tooManyRequests("too many uploads")
            }
            let upload = MemoryUpload("u-\(state.nextUpload)", repository, self)
            state.nextUpload += 1
            state.uploads[upload.id] = upload
            return upload
        }
    }

    func upload(_ id: String, in repository: RepositoryName) async throws -> (any BlobUpload)? {
        state.withLock { state in
            state.uploads[id].flatMap { $0.repository == repository ? $0 : nil }
        }
    }

    func mount(
        _ digest: Digest,
        from source: RepositoryName?,
        in repository: RepositoryName
    ) async throws -> Bool { bytes(of: digest) != nil }

    func putManifest(
        _ bytes: [UInt8],
        as digest: Digest,
        ifPresent references: [Digest],
        in repository: RepositoryName
    ) async throws -> Bool {
        guard asksAtOnce, references.allSatisfy({ self.bytes(of: $0) != nil }) else {
            return false
        }
        try await putManifest(bytes, as: digest, in: repository)
        return true
    }

    func putManifest(
        _ bytes: [UInt8],
        as digest: Digest,
        in repository: RepositoryName
    ) async throws { state.withLock { $0.blobs[digest] = bytes } }

    func put(
        _ tag: QualifiedTag,
        _ digest: Digest,
        dependencies: [Digest],
        condition: TagCondition
    ) async throws -> Bool? {
        try state.withLock { state in
            guard condition.isMet(by: state.tags[tag]) else { throw Self.conditionFailed }
            state.tags[tag] = digest
        }
        return nil
    }

    func put(
        _ tag: QualifiedTag,
        _ digest: Digest,
        unlessDeleted dependencies: [Digest],
        condition: TagCondition
    ) async throws -> TagPutOutcome? {
        guard asksAtOnce else { return nil }
        let gone = try await deleted(among: dependencies, in: tag.repository)
        guard gone.isEmpty else { return .refused(deleted: gone) }
        let wasDeleted = try await put(
            tag,
            digest,
            dependencies: dependencies,
            condition: condition
        )
        return .put(wasDeleted: wasDeleted)
    }

    func delete(_ tag: QualifiedTag, condition: TagCondition) async throws -> Bool {
        try state.withLock { state in
            guard condition.isMet(by: state.tags[tag]) else { throw Self.conditionFailed }
            return state.tags.removeValue(forKey: tag) != nil
        }
    }

    func deleteAll(naming digest: Digest, in repository: RepositoryName) async throws {
        state.withLock { state in
            state.tags = state.tags.filter { $0.key.repository != repository || $0.value != digest }
        }
    }

    func noteReferrer(
        _ referrer: Digest,
        of subject: Digest,
        in repository: RepositoryName,
        isGone: Bool
    ) async throws {
        let tag = ReservedTag.referrer(referrer, of: subject).tag
        let key = QualifiedTag(repository: repository, tag: tag)
        state.withLock { $0.subjects[key] = isGone ? nil : subject }
    }

    func noteAlias(
        _ alias: SHA512Digest,
        of digest: Digest,
        in repository: RepositoryName
    ) async throws {
        let tag = QualifiedTag(repository: repository, tag: ReservedTag.alias(alias).tag)
        state.withLock { $0.tags[tag] = digest }
    }

    func noteManifest(
        _ digest: Digest,
        in repository: RepositoryName,
        isGone: Bool
    ) async throws {
        state.withLock { state in
            let key = QualifiedTag(repository: repository, tag: ReservedTag.pushed(digest).tag)
            if isGone { state.pushed.remove(key) } else { state.pushed.insert(key) }
        }
    }

    func noteDeletion(
        of digest: Digest,
        in repository: RepositoryName,
        isUndone: Bool
    ) async throws {
        let mark = QualifiedTag(repository: repository, tag: ReservedTag.deleted(digest).tag)
        state.withLock { state in
            if isUndone { state.deletions.remove(mark) } else { state.deletions.insert(mark) }
        }
    }

    private static let conditionFailed = RegistryError(
        .preconditionFailed,
        .preconditionFailed,
        "the tag names something else"
    )
}

/// An upload whose bytes lie in memory.
final class MemoryUpload: BlobUpload {
    let id: String
    let repository: RepositoryName
    private let registry: MemoryRegistry
    private let bytes = Mutex<[UInt8]>([])

    init(_ id: String, _ repository: RepositoryName, _ registry: MemoryRegistry) {
        (self.id, self.repository, self.registry) = (id, repository, registry)
    }

    var bytesReceived: Int { bytes.withLock { $0.count } }

    func append<Body: AsyncSequence & Sendable>(_ body: Body, at start: Int?) async throws -> Int
    where Body.Element == ByteBuffer {
        if let start, start != bytesReceived {
            throw RegistryError.rangeInvalid(bytesReceived: bytesReceived)
        }
        do {
            for try await buffer in body { bytes.withLock { $0 += buffer.readableBytesView } }
        } catch {
            registry.breaks.continuation.yield()
            throw error
        }
        return bytesReceived
    }

    func expectSHA512() async {}

    func commit(as digest: ContentDigest) async throws -> Digest {
        let bytes = bytes.withLock { $0 }
        await cancel()
        guard digest.names(bytes) else {
            throw RegistryError.digestInvalid("the bytes hash to something else")
        }
        return registry.add(bytes)
    }

    func cancel() async { registry.state.withLock { $0.uploads[id] = nil } }
}

/// Bytes in buffers of uneven length.
struct MemoryBody: AsyncSequence, Sendable {
    typealias Element = ByteBuffer
    let bytes: [UInt8]

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(rest: bytes[...]) }

    struct AsyncIterator: AsyncIteratorProtocol {
        var rest: ArraySlice<UInt8>

        @concurrent mutating func next() async throws -> ByteBuffer? {
            guard !rest.isEmpty else { return nil }
            defer { rest = rest.dropFirst(1000) }
            return ByteBuffer(bytes: rest.prefix(1000))
        }
    }
}
