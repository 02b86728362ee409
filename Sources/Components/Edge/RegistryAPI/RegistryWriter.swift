// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore
import Primitives

/// The half of the registry that writes: uploads, mounts, manifests.
struct RegistryWriter: Sendable {
    let blobs: any BlobSource
    let tags: any TagSource
    let sink: Registry.Writes
    let limits: Limits

    /// Does what `parsed`, a write, asks for.
    func perform(_ parsed: RegistryRequest, _ request: Request) async throws -> Response {
        switch parsed {
        case .startUpload(let name, .session(let isSHA512)):
            return try await start(name, isSHA512: isSHA512)
        case .startUpload(let name, .mount(let digest, from: let source)):
            guard try await mount(digest, from: source, in: name) else {
                return try await start(name)
            }
            return created("/v2/\(name)/blobs/\(digest)", digest)
        case .startUpload(let name, .whole(let digest)):
            return try await store(name, digest, request)
        case .uploadStatus(let name, let id):
            let upload = try await upload(id, name)
            return progress(of: upload.id, name, bytes: await upload.bytesReceived, .noContent)
        case .appendChunk(let name, let id, let range):
            let upload = try await upload(id, name)
            let bytes = try await append(request, range, to: upload, name)
            return progress(of: id, name, bytes: bytes, .accepted)
        case .finishUpload(let name, let id, let digest, let range):
            let upload = try await upload(id, name)
            if case .sha512 = digest { await upload.expectSHA512() }
            _ = try await append(request, range, to: upload, name)
            try await commit(upload, as: digest, in: name)
            return created("/v2/\(name)/blobs/\(digest)", digest)
        case .cancelUpload(let name, let id):
            await (try upload(id, name)).cancel()
            var response = Response(status: .noContent)
            response.headers[.contentLength] = nil
            return response
        case .putManifest(let name, let reference, let digest):
            return try await putManifest(name, reference, digest, request)
        case .deleteManifest(let name, let reference):
            return try await deleteManifest(name, reference, request)
        case .deleteBlob(let name, let digest):
            return try await deleteBlob(name, digest)
        case .ping, .repositories, .tags, .manifest, .blob, .referrers:
            preconditionFailure("reads do not come here")
        }
    }

    // MARK: - Blobs

    private func upload(_ id: String, _ name: RepositoryName) async throws -> any BlobUpload {
        guard let upload = try await sink.blobs.upload(id, in: name) else {
            throw RegistryError.uploadUnknown(id)
        }
        return upload
    }

    private func start(_ name: RepositoryName, isSHA512: Bool = false) async throws -> Response {
        let upload = try await sink.blobs.startUpload(in: name)
        if isSHA512 { await upload.expectSHA512() }
        var response = progress(of: upload.id, name, bytes: 0, .accepted)
        if limits.uploadChunkBytesMin > 0 {
            response.headers[.chunkBytesMin] = String(limits.uploadChunkBytesMin)
        }
        return response
    }

    /// What was deleted from the repository it is to come from can't be mounted.
    private func mount(
        _ asked: ContentDigest,
        from source: RepositoryName?,
        in name: RepositoryName
    ) async throws -> Bool {
        guard let digest = try await tags.resolve(asked, in: source ?? name) else { return false }
        if let source, try await tags.isSurelyDeleted(digest, in: source) { return false }
        guard try await sink.blobs.mount(digest, from: source, in: name) else { return false }
        try await note(asked, of: digest, in: name)
        try await restore(digest, in: name)
        return true
    }

    /// Ends `upload`, whose bytes must be those that `asked` names, and makes them content of the repository.
    private func commit(
        _ upload: any BlobUpload,
        as asked: ContentDigest,
        in name: RepositoryName
    ) async throws {
        let digest = try await upload.commit(as: asked)
        try await note(asked, of: digest, in: name)
        try await restore(digest, in: name)
    }

    /// Remembers that `asked` is a name of `digest`, if it is another one.
    func note(_ asked: ContentDigest, of digest: Digest, in name: RepositoryName) async throws {
        guard case .sha512(let alias) = asked,
            try await tags.resolve(alias, in: name) != digest
        else { return }
        try await sink.tags.noteAlias(alias, of: digest, in: name)
    }

    /// Makes `digest`, which was stored, one of the repository again if it was deleted from it.
    func restore(_ digest: Digest, in name: RepositoryName) async throws {
        guard try await tags.isSurelyDeleted(digest, in: name) else { return }
        try await sink.tags.noteDeletion(of: digest, in: name, isUndone: true)
    }

    /// The whole blob in one request.
    private func store(
        _ name: RepositoryName,
        _ digest: ContentDigest,
        _ request: Request
    ) async throws -> Response {
        let upload = try await sink.blobs.startUpload(in: name)
        if case .sha512 = digest { await upload.expectSHA512() }
        do {
            _ = try await upload.append(IncomingBody(base: request.body, count: nil), at: nil)
            try await commit(upload, as: digest, in: name)
        } catch {
            // Its name was never told, so nobody else can go on with it.
            await upload.cancel()
            throw error
        }
        return created("/v2/\(name)/blobs/\(digest)", digest)
    }

    private func append(
        _ request: Request,
        _ range: ChunkRange?,
        to upload: any BlobUpload,
        _ name: RepositoryName
    ) async throws -> Int {
        let length = request.headers[.contentLength].flatMap { Int($0) }
        if let range, let length, length != range.count {
            let why = "Content-Range says \(range.count) bytes, Content-Length \(length)"
            throw RegistryError(.sizeInvalid, .badRequest, why)
        }
        let body = IncomingBody(base: request.body, count: range?.count)
        do {
            return try await upload.append(body, at: range?.start)
        } catch var error as RegistryError where error.code == .rangeInvalid {
            // The client learns where to go on.
            let bytes = await upload.bytesReceived
            error.headers.append(contentsOf: progressHeaders(of: upload.id, name, bytes: bytes))
            throw error
        }
    }

    // MARK: - Answers

    private func progressHeaders(
        of id: String,
        _ name: RepositoryName,
        bytes: Int
    ) -> HTTPFields {
        var headers = HTTPFields()
        headers[.location] = "/v2/\(name)/blobs/uploads/\(PercentCoding.encode(id))"
        // The last byte's offset; of no bytes it is 0, too, as docker/distribution has it.
        headers[.range] = "0-\(max(0, bytes - 1))"
        headers[.uploadID] = id
        return headers
    }

    private func progress(
        of id: String,
        _ name: RepositoryName,
        bytes: Int,
        _ status: HTTPResponse.Status
    ) -> Response {
        var response = Response(
            status: status,
            headers: progressHeaders(of: id, name, bytes: bytes)
        )
        if status == .noContent { response.headers[.contentLength] = nil }
        return response
    }

    func created(_ location: String, _ digest: ContentDigest) -> Response {
        Response(
            status: .created,
            headers: [.location: location, .contentDigest: digest.description]
        )
    }
}
