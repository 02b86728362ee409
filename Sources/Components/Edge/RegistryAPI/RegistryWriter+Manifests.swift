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

    /// Stores a manifest whose references are there, then tags it.
    func putManifest(
        _ name: RepositoryName,
        _ reference: ManifestReference,
        _ request: Request
    ) async throws -> Response {
        let bytes = try await collectManifest(request)
        let digest = Digest(hashing: bytes)
        if case .digest(let claimed) = reference, claimed != digest {
            throw RegistryError.digestInvalid(
                "the manifest received is \(digest), not \(claimed) as the path says"
            )
        }
        let document: ManifestDocument
        do {
            document = try ManifestDocument(parsing: bytes, limits: limits)
        } catch {
            throw RegistryError(.manifestInvalid, .badRequest, error.description)
        }
        try check(request.headers[.contentType], names: document.mediaType)
        try await checkReferences(of: document, in: name)
        let condition = try TagCondition(headers: request.headers)
        try await sink.blobs.putManifest(bytes, as: digest, in: name)
        try await restore(digest, in: name)
        if let subject = document.subject?.digest {
            // Before the tag, so that whoever finds the manifest finds it among the referrers.
            try await sink.tags.noteReferrer(digest, of: subject, in: name, isGone: false)
        }
        if case .tag(let tag) = reference {
            let tag = QualifiedTag(repository: name, tag: tag)
            try await sink.tags.put(tag, digest, condition: condition)
        }
        var response = created("/v2/\(name)/manifests/\(digest)", digest)
        response.headers[.eTag] = "\"\(digest)\""
        response.headers[.subject] = document.subject?.digest.description
        return response
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

    private func checkReferences(
        of document: ManifestDocument,
        in name: RepositoryName
    ) async throws {
        var digests = Set<Digest>()
        let wanted = document.references.filter {
            !$0.isForeign && digests.insert($0.digest).inserted
        }
        let missing = try await withThrowingTaskGroup(of: Digest?.self) { group in
            var missing: [Digest] = []
            for (index, descriptor) in wanted.enumerated() {
                if index >= Self.lookUpsMax, let result = try await group.next() {
                    if let digest = result { missing.append(digest) }
                }
                group.addTask { [blobs, tags] in
                    async let isDeleted = tags.isSurelyDeleted(descriptor.digest, in: name)
                    let bytes = try await blobs.blobSize(descriptor.digest, in: name)
                    let isGone = try await isDeleted
                    return bytes == nil || isGone ? descriptor.digest : nil
                }
            }
            for try await result in group { if let digest = result { missing.append(digest) } }
            return missing.sorted()
        }
        guard let first = missing.first else { return }
        let others = missing.count > 1 ? " and \(missing.count - 1) others" : ""
        throw RegistryError(
            .manifestBlobUnknown,
            .badRequest,
            "the manifest references \(first)\(others), which the registry does not have: push them first",
            detail: .object([.init("digest", .string(first.description))])
        )
    }
}
