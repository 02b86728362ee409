// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import ClusterClients
import ClusterConfiguration
import Content
import Files
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore
import Primitives
import RetryStorage

// Uploads: start, chunks, commit, cancel; the same for clients, for origins that copy, and for origins that pass a blob on.
extension OriginRoutes {
    /// How the path of a request tells what its upload is for.
    private typealias KindOfRequest = @Sendable (ServerContext) throws -> OriginBlobs.UploadKind

    func addUploads(to router: Router<ServerContext>) {
        let cluster = "/namespace/{namespace}/blobs/{digest}/uploads"
        add(to: router, at: cluster) { .cluster(try $0.namespace()) }
        add(to: router, at: "/internal/blobs/{digest}/uploads") { _ in .transfer }
        router.put("/internal/duplicate\(cluster)/{upload}") { request, context in
            let delay = try await Self.delay(request, limits: blobs.configuration.limits)
            return try await commit(context, .duplicate(try context.namespace(), delay: delay))
        }
        router.put("/internal/duplicate\(cluster)") { request, context in
            guard let delay = try request.queryInteger("delay_ns"), delay >= 0 else {
                throw HTTPProblem.badRequest("query arg delay_ns is required").asText
            }
            let kind = OriginBlobs.UploadKind.duplicate(
                try context.namespace(),
                delay: .nanoseconds(Int64(delay))
            )
            return try await receiveWhole(request, context, kind)
        }
    }

    private func add(
        to router: Router<ServerContext>,
        at path: String,
        kind: @escaping KindOfRequest
    ) {
        router.post("\(path)") { request, context in
            let upload = try await Self.explaining {
                try await blobs.startUpload(
                    of: try context.digest(),
                    try kind(context),
                    // Only a hint; what is none is ignored, as Kraken ignores all of it.
                    bytes: try? request.queryInteger("size")
                )
            }
            return Response.empty(headers: [.location: upload.id])
        }
        router.put("\(path)") { request, context in
            try await receiveWhole(request, context, try kind(context))
        }
        router.patch("\(path)/{upload}") { request, context in
            try await receive(request, context, try kind(context))
        }
        router.put("\(path)/{upload}") { _, context in
            try await commit(context, try kind(context))
        }
        // Kraken has none: there, too, what nobody continues goes once it is idle.
        router.delete("\(path)/{upload}") { _, context in
            await blobs.store.upload(try context.parameter("upload"))?.cancel()
            return Response.empty()
        }
    }

    /// Takes one chunk, buffer by buffer, from the socket into the file; the sender waits while a buffer is written.
    private func receive(
        _ request: Request,
        _ context: ServerContext,
        _ kind: OriginBlobs.UploadKind
    ) async throws -> Response {
        let range = try Self.contentRange(request)
        let digest = try context.digest()
        try await Self.explaining {
            let upload = try await blobs.upload(try context.parameter("upload"), of: digest, kind)
            do {
                try await Self.write(request.body, at: range, to: upload)
            } catch let error as FileError where error.code == .noSpace {
                // Whoever sends it begins anew: what it has taken so far is the first room that there can be.
                await upload.cancel()
                throw error
            }
        }
        return Response.empty()
    }

    /// Bytes of a whole blob that are gathered in memory and then written at once: most manifests.
    private static let bodyInMemoryBytesMax = 64 << 10

    /// Takes a whole blob: start, bytes and commit in one request; a manifest, perhaps, only if all is here that it refers to.
    /// Herd's own.
    private func receiveWhole(
        _ request: Request,
        _ context: ServerContext,
        _ kind: OriginBlobs.UploadKind
    ) async throws -> Response {
        guard let bytes = request.headers[.contentLength].flatMap({ Int($0) }), bytes >= 0 else {
            throw HTTPProblem.badRequest("a whole blob needs a Content-Length").asText
        }
        let digest = try context.digest()
        guard let list = request.headers[.references], let references = DependencyList.parse(list)
        else {
            try await receiveWhole(request, bytes: bytes, as: digest, kind)
            return Response.empty()
        }
        guard try await blobs.hasAll(of: references) else {
            throw HTTPProblem(
                .init(code: ManifestReferences.missingStatus),
                "not all that \(digest) refers to is here",
                headers: [.references: ManifestReferences.missing.rawValue],
                style: .text
            )
        }
        let isPresent: HTTPFields = [.references: ManifestReferences.present.rawValue]
        do {
            try await receiveWhole(request, bytes: bytes, as: digest, kind)
            return Response.empty(headers: isPresent)
        } catch var problem as HTTPProblem where problem.status == .conflict {
            problem.headers.append(contentsOf: isPresent)
            throw problem
        }
    }

    private func receiveWhole(
        _ request: Request,
        bytes: Int,
        as digest: Digest,
        _ kind: OriginBlobs.UploadKind
    ) async throws {
        try await Self.explaining {
            if bytes <= Self.bodyInMemoryBytesMax {
                let body = try await request.body.collect(upTo: bytes)
                return try await blobs.take(body, as: digest, kind)
            }
            let upload = try await blobs.startUpload(of: digest, kind, bytes: bytes)
            do {
                try await Self.write(request.body, at: 0..<bytes, to: upload)
                try await blobs.commit(upload, as: digest, kind)
            } catch {
                // Its name was never told, so nobody else can go on with it.
                await upload.cancel()
                throw error
            }
        }
    }

    private static func write(
        _ body: RequestBody,
        at range: Range<Int>,
        to upload: Upload
    ) async throws {
        var offset = range.lowerBound
        for try await buffer in body {
            // Bytes past the announced end are read and dropped.
            guard offset < range.upperBound else { continue }
            var chunk = buffer
            let count = min(chunk.readableBytes, range.upperBound - offset)
            guard let part = chunk.readSlice(length: count) else { continue }
            try await upload.write(part, at: offset)
            offset += count
        }
        guard offset == range.upperBound else {
            throw HTTPProblem.badRequest(
                "the body ends \(range.upperBound - offset) bytes before its Content-Range",
                remedy: "send as many bytes as the Content-Range says; its end is exclusive"
            )
        }
    }

    private func commit(
        _ context: ServerContext,
        _ kind: OriginBlobs.UploadKind
    ) async throws -> Response {
        let digest = try context.digest()
        try await Self.explaining {
            let upload = try await blobs.upload(try context.parameter("upload"), of: digest, kind)
            try await blobs.commit(upload, as: digest, kind)
        }
        return Response.empty()
    }

    /// Kraken's `Content-Range: <start>-<end>`, whose end is exclusive.
    private static func contentRange(_ request: Request) throws -> Range<Int> {
        let text = request.headers[.contentRange] ?? ""
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let start = Int(parts[0]), let end = Int(parts[1]), start >= 0,
            start <= end
        else {
            throw HTTPProblem.badRequest(
                "invalid Content-Range \"\(text)\"",
                remedy: "send <start>-<end>, in bytes, the end exclusive"
            )
        }
        return start..<end
    }

    /// The delay in the body `{"Delay": <nanoseconds>}`.
    private static func delay(_ request: Request, limits: Limits) async throws -> Duration {
        let body = try await request.json(upTo: limits.jsonBodyBytesMax)
        guard let nanoseconds = body["Delay"]?.integer, nanoseconds >= 0 else {
            throw HTTPProblem.badRequest("the body has no Delay in nanoseconds")
        }
        return .nanoseconds(Int64(nanoseconds))
    }

    /// Runs `body`; what the store refuses becomes the status that says whose fault it is.
    private static func explaining<Value>(_ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch let error as StorageError {
            switch error.code {
            case .tooManyUploads:
                throw HTTPProblem.tooManyRequests(error.description, retryAfter: .seconds(1))
            case .digestMismatch, .outOfBounds:
                throw HTTPProblem.badRequest(error.description)
            case .uploadEnded: throw HTTPProblem.notFound(error.description)
            default: throw error
            }
        } catch let error as RetryStorageError {
            throw error.problem
        } catch let error as FileError where error.code == .noSpace {
            throw HTTPProblem.noSpace(error)
        }
    }
}
