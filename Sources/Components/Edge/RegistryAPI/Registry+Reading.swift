// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore

extension Registry {
    /// A manifest with the media type that its bytes say it has.
    ///
    /// `Accept` is not held against a client that forgot a type: whoever asks for a tag or a digest gets what it names,
    /// since its digest leaves no other choice.
    func getManifest(
        _ name: RepositoryName,
        _ reference: ManifestReference,
        _ request: Request
    ) async throws -> Response {
        let unknown = RegistryError.manifestUnknown(reference.description)
        let digest: Digest
        let asked: ContentDigest
        switch reference {
        case .digest(let named):
            guard let stored = try await tags.resolve(named, in: name),
                try await !isDeleted(stored, in: name)
            else { throw unknown }
            (digest, asked) = (stored, named)
        case .tag(let tag):
            let tag = QualifiedTag(repository: name, tag: tag)
            guard let named = try await tags.digest(of: tag) else { throw unknown }
            (digest, asked) = (named, .sha256(named))
        }
        guard let bytes = try await blobs.manifest(digest, in: name) else { throw unknown }
        if case .sha512 = asked, !asked.names(bytes) { throw unknown }
        guard
            // Some other blob has that digest; as a manifest it does not exist.
            let document = try? ManifestDocument(parsing: bytes, limits: limits, aliases: [:])
        else { throw unknown }
        var headers = HTTPFields(content: asked)
        headers[.contentType] = document.mediaType.rawValue
        try request.requireMatch(of: asked)
        if request.holds(asked) { return .notModified(headers) }
        return Response(
            status: .ok,
            headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
        ).answering(request, bytes: bytes.count)
    }

    /// A blob or a range of it.
    func getBlob(
        _ name: RepositoryName,
        _ asked: ContentDigest,
        _ request: Request
    ) async throws -> Response {
        guard let digest = try await tags.resolve(asked, in: name) else {
            throw RegistryError.blobUnknown(asked)
        }
        async let isDeleted = isDeleted(digest, in: name)
        if request.method == .head {
            let bytes = try await blobs.blobSize(digest, in: name)
            guard let bytes, try await !isDeleted else { throw RegistryError.blobUnknown(asked) }
            let answer = try BlobAnswer(asked, bytes: bytes, to: request)
            return Response(status: answer.status, headers: answer.headers)
                .answering(request, bytes: answer.bytesSent)
        }
        let blob = try await blobs.blob(digest, in: name)
        guard let blob, try await !isDeleted,
            try await aliases.confirm(asked, as: digest, in: name, by: blobs)
        else { throw RegistryError.blobUnknown(asked) }
        let answer = try BlobAnswer(asked, bytes: blob.bytes, to: request)
        if answer.status == .notModified { return .notModified(answer.headers) }
        return try await blob.response(answer)
    }

    /// Whether `digest` was deleted from `repository`; a registry that can't be written to does not ask.
    func isDeleted(_ digest: Digest, in repository: RepositoryName) async throws -> Bool {
        guard writes != nil else { return false }
        return try await tags.isSurelyDeleted(digest, in: repository)
    }
}

extension TagSource {
    /// Whether `digest` was deleted from `repository`, as far as can be told at the moment.
    ///
    /// Whom to ask may be down; that must not stop pulls and pushes of bytes that are the right ones.
    func isSurelyDeleted(_ digest: Digest, in repository: RepositoryName) async throws -> Bool {
        do {
            return try await isDeleted(digest, in: repository)
        } catch let error as RegistryError where error.status == .serviceUnavailable {
            return false
        }
    }

    /// Those of `digests` that were deleted from `repository`, likewise.
    func surelyDeleted(
        among digests: [Digest],
        in repository: RepositoryName
    ) async throws -> Set<Digest> {
        do {
            return try await deleted(among: digests, in: repository)
        } catch let error as RegistryError where error.status == .serviceUnavailable {
            return []
        }
    }
}

/// A blob whose source sent more or fewer bytes than it has.
struct BlobLengthMismatch: Error, CustomStringConvertible {
    let announced: Int
    let missing: Int

    var description: String {
        missing > 0
            ? "the source of a body of \(announced) bytes sent \(missing) too few"
            : "the source of a body of \(announced) bytes sent too many"
    }
}

extension Request {
    /// Fails when the client wants other content than `digest`, as its `If-Match` says.
    /// - Throws: 412.
    /// - Source: RFC 9110 §13.1.1.
    func requireMatch(of digest: ContentDigest) throws {
        guard let text = headers[.ifMatch] else { return }
        let isMet =
            switch digest {
            case .sha256(let digest):
                try TagCondition(headers: [.ifMatch: text]).isMet(by: digest)
            case .sha512: text.names(digest)
            }
        guard !isMet else { return }
        throw RegistryError(
            .preconditionFailed,
            .preconditionFailed,
            "If-Match names other content than \(digest)",
            headers: [.eTag: "\"\(digest)\""]
        )
    }

    /// Whether the client has the content `digest` already, as its `If-None-Match` says.
    /// - Source: RFC 9110 §13.1.2.
    func holds(_ digest: ContentDigest) -> Bool {
        headers[.ifNoneMatch]?.names(digest) ?? false
    }
}

extension String {
    /// Whether this list of entity tags has the one of `digest`, or all.
    fileprivate func names(_ digest: ContentDigest) -> Bool {
        split(separator: ",").contains { tag in
            var tag = tag.filter { $0 != " " }[...]
            if tag.hasPrefix("W/") { tag = tag.dropFirst(2) }
            // Docker's own clients leave the quotes out.
            return tag == "*" || tag == "\"\(digest)\"" || tag == "\(digest)"
        }
    }
}

extension HTTPFields {
    /// What every answer about the content `digest` has.
    init(content digest: ContentDigest) {
        self = [:]
        self[.contentDigest] = digest.description
        self[.eTag] = "\"\(digest)\""
    }
}

extension Response {
    static func notModified(_ headers: HTTPFields) -> Response {
        var response = Response(status: .notModified, headers: headers)
        response.headers[.contentLength] = nil
        return response
    }

    /// The same answer, with the length of its body even where HEAD leaves the body out.
    func answering(_ request: Request, bytes: Int) -> Response {
        guard request.method == .head else { return self }
        var headers = headers
        headers[.contentLength] = String(bytes)
        return Response(status: status, headers: headers)
    }
}

extension HTTPField.Name {
    static let link = named("Link")
    static let apiVersion = named("Docker-Distribution-Api-Version")
    static let contentDigest = named("Docker-Content-Digest")
    static let filtersApplied = named("OCI-Filters-Applied")
    static let subject = named("OCI-Subject")
    static let chunkBytesMin = named("OCI-Chunk-Min-Length")
    static let uploadID = named("Docker-Upload-UUID")

    private static func named(_ name: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(name) else {
            preconditionFailure("\(name) is a valid name")
        }
        return name
    }
}
