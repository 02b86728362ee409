// SPDX-License-Identifier: Apache-2.0

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
        switch reference {
        case .digest(let named): digest = named
        case .tag(let tag):
            let tag = QualifiedTag(repository: name, tag: tag)
            guard let named = try await tags.digest(of: tag) else { throw unknown }
            digest = named
        }
        guard let bytes = try await blobs.manifest(digest, in: name) else { throw unknown }
        guard let document = try? ManifestDocument(parsing: bytes, limits: limits) else {
            // Some other blob has that digest; as a manifest it does not exist.
            throw unknown
        }
        var headers = HTTPFields(content: digest)
        headers[.contentType] = document.mediaType.rawValue
        if request.holds(digest) { return .notModified(headers) }
        return Response(
            status: .ok,
            headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
        ).answering(request, bytes: bytes.count)
    }

    /// A blob or a range of it.
    func getBlob(
        _ name: RepositoryName,
        _ digest: Digest,
        _ request: Request
    ) async throws -> Response {
        if request.method == .head {
            guard let bytes = try await blobs.blobSize(digest, in: name) else {
                throw RegistryError.blobUnknown(digest)
            }
            let answer = try BlobAnswer(digest, bytes: bytes, to: request)
            return Response(status: answer.status, headers: answer.headers)
                .answering(request, bytes: answer.range.count)
        }
        guard let blob = try await blobs.blob(digest, in: name) else {
            throw RegistryError.blobUnknown(digest)
        }
        let answer = try BlobAnswer(digest, bytes: blob.bytes, to: request)
        if answer.status == .notModified { return .notModified(answer.headers) }
        return try await blob.response(answer.range, answer.status, answer.headers)
    }
}

/// What a request for a blob is answered with, but for the bytes.
private struct BlobAnswer {
    let status: HTTPResponse.Status
    let headers: HTTPFields
    let range: Range<Int>

    /// - Throws: 416.
    init(_ digest: Digest, bytes total: Int, to request: Request) throws {
        var headers = HTTPFields(content: digest)
        headers[.contentType] = "application/octet-stream"
        headers[.cacheControl] = "max-age=31536000"
        headers[.acceptRanges] = "bytes"
        guard !request.holds(digest) else {
            (status, self.headers, range) = (.notModified, headers, 0..<total)
            return
        }
        let outcome = byteRange(of: request, total: total, entityTag: headers[.eTag])
        let (range, isPartial) = try outcome.resolved(total: total)
        if isPartial {
            headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(total)"
        }
        (status, self.headers, self.range) = (isPartial ? .partialContent : .ok, headers, range)
    }
}

extension BlobContent {
    fileprivate func response(
        _ range: Range<Int>,
        _ status: HTTPResponse.Status,
        _ headers: HTTPFields
    ) async throws -> Response {
        switch body {
        case .file(let file, let pin):
            return .fileStream(bytes: range.count, status: status, headers: headers) { writer in
                try await writer.write(file, range)
                withExtendedLifetime(pin) {}
            }
        case .fileParts(let write):
            return .fileStream(bytes: range.count, status: status, headers: headers) { writer in
                try await write(range, writer)
            }
        case .buffers(let open):
            let buffers = try await open(range)
            return Response(
                status: status,
                headers: headers,
                body: ResponseBody(contentLength: range.count) { writer in
                    var remaining = range.count
                    for try await buffer in buffers {
                        remaining -= buffer.readableBytes
                        guard remaining >= 0 else { break }
                        try await writer.write(buffer)
                    }
                    // Without its end the client sees that the body is no whole one: the connection is closed.
                    guard remaining == 0 else {
                        throw BlobLengthMismatch(announced: range.count, missing: remaining)
                    }
                    try await writer.finish(nil)
                }
            )
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
    /// Whether the client has the content `digest` already, as its `If-None-Match` says.
    /// - Source: RFC 9110 §13.1.2.
    fileprivate func holds(_ digest: Digest) -> Bool {
        guard let condition = headers[.ifNoneMatch] else { return false }
        return condition.split(separator: ",").contains { tag in
            var tag = tag.filter { $0 != " " }[...]
            if tag.hasPrefix("W/") { tag = tag.dropFirst(2) }
            // Docker's own clients leave the quotes out.
            return tag == "*" || tag == "\"\(digest)\"" || tag == "\(digest)"
        }
    }
}

extension HTTPFields {
    /// What every answer about the content `digest` has.
    fileprivate init(content digest: Digest) {
        self = [:]
        self[.contentDigest] = digest.description
        self[.eTag] = "\"\(digest)\""
    }
}

extension Response {
    fileprivate static func notModified(_ headers: HTTPFields) -> Response {
        var response = Response(status: .notModified, headers: headers)
        response.headers[.contentLength] = nil
        return response
    }

    /// The same answer, with the length of its body even where HEAD leaves the body out.
    fileprivate func answering(_ request: Request, bytes: Int) -> Response {
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
    static let uploadID = named("Docker-Upload-UUID")

    private static func named(_ name: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(name) else {
            preconditionFailure("\(name) is a valid name")
        }
        return name
    }
}
