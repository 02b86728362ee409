// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import ClusterClients
import ClusterConfiguration
import Content
import Files
import HTTPKit
import HTTPTypes
import Hummingbird
import Primitives

/// An origin's HTTP API: paths, statuses and headers are Kraken's.
/// - Source: uber/kraken origin/blobserver/server.go.
struct OriginRoutes: Sendable {
    let blobs: OriginBlobs
    let seeder: OriginSeeder

    /// Adds all of it to `router`.
    func add(to router: Router<ServerContext>) {
        addReading(to: router)
        addUploads(to: router)
        addOperations(to: router)
    }

    // MARK: - Reading

    private func addReading(to router: Router<ServerContext>) {
        let blob = "/namespace/{namespace}/blobs/{digest}"
        router.get("/blobs/{digest}/locations") { _, context in
            let owners = blobs.ring.owners(of: try context.digest())
            var headers: HTTPFields = [.originLocations: owners.joined(separator: ",")]
            if blobs.ring.everyoneOwnsAll { headers[.originOwners] = "all" }
            return Response.empty(headers: headers)
        }
        router.get("\(blob)") { request, context in
            try await download(request, context)
        }
        router.post("\(blob)/prefetch") { _, context in
            _ = try await blobs.blob(try context.digest(), try context.namespace())
            return Response.empty()
        }
        router.post("\(blob)/remote/{remote}") { _, context in
            let remote = try context.parameter("remote")
            guard remote.contains(":") else {
                throw HTTPProblem.badRequest("remote \(remote) is not host:port").asText
            }
            try await answeringForOthers {
                try await blobs.replicate(
                    try context.digest(),
                    try context.namespace(),
                    toRemote: remote
                )
            }
            return Response.empty()
        }
        router.on("/internal\(blob)", method: .head) { request, context in
            let size = try await blobs.size(
                of: try context.digest(),
                try context.namespace(),
                isLocal: try request.queryBool("local") ?? false
            )
            // The body of an answer to HEAD is never sent; its length is.
            return Response(status: .ok, body: ResponseBody(contentLength: size) { _ in })
        }
        router.get("/internal\(blob)/metainfo") { _, context in
            let digest = try context.digest()
            let metaInfo = try await blobs.metaInfo(of: digest, try context.namespace())
            return Response.json(bytes: metaInfo.json)
        }
        router.get("/internal/peercontext") { _, _ in Response.json(seeder.peerContext.json) }
    }

    /// The blob or a part of it, straight from the page cache. The blob can't be removed while it is sent.
    private func download(_ request: Request, _ context: ServerContext) async throws -> Response {
        let blob = try await blobs.blob(
            try context.digest(),
            try context.namespace(),
            isCollection: try request.queryBool("collection") ?? false
        )
        let entityTag = "\"\(blob.digest)\""
        if request.headers[.ifNoneMatch] == entityTag {
            return Response.empty(.notModified, headers: [.eTag: entityTag])
        }
        return try Response.ranged(
            request,
            total: blob.bytes,
            headers: [.contentType: "application/octet-stream"],
            entityTag: entityTag
        ) { range, status, headers in
            .fileStream(bytes: range.count, status: status, headers: headers) { writer in
                try await writer.write(blob.file, range)
                withExtendedLifetime(blob) {}
            }
        }
    }

    // MARK: - Operations

    private func addOperations(to router: Router<ServerContext>) {
        router.delete("/internal/blobs/{digest}") { _, context in
            let digest = try context.digest()
            do {
                guard try await blobs.store.delete(digest) else {
                    throw HTTPProblem.notFound("\(digest) is not stored").asEmpty
                }
            } catch let error as StorageError where error.code == .isPersisted {
                throw HTTPProblem.conflict(error.description).asText
            }
            await seeder.leave(digest)
            return Response.empty(.accepted)
        }
        router.post("/internal/blobs/{digest}/metainfo") { request, context in
            try await overwriteMetaInfo(request, context)
        }
        router.post("/forcecleanup") { request, _ in
            guard let hours = try request.queryInteger("ttl_hr"), hours >= 0 else {
                throw HTTPProblem.badRequest("query arg ttl_hr is required").asText
            }
            let result = try await blobs.forceCleanup(olderThanHours: min(hours, 1 << 30))
            for digest in result.deleted { await seeder.leave(digest) }
            return Response.json(result.json)
        }
        router.post("/forcecleanup/v2") { request, _ -> Response in
            guard try request.queryInteger("target_util_percent") != nil,
                try request.queryBool("respect_eviction_ban") != nil
            else {
                throw HTTPProblem.badRequest(
                    "query args target_util_percent and respect_eviction_ban are required"
                ).asText
            }
            throw HTTPProblem(
                .notImplemented,
                "this origin has no store that evicts by utilisation",
                remedy: "use /forcecleanup, or the disk watermarks of the clean-up"
            )
        }
    }

    private func overwriteMetaInfo(
        _ request: Request,
        _ context: ServerContext
    ) async throws -> Response {
        let digest = try context.digest()
        let limits = blobs.configuration.limits
        guard let pieceBytes = try request.queryInteger("piece_length"),
            (1...limits.pieceBytesMax).contains(pieceBytes)
        else {
            throw HTTPProblem.badRequest(
                "query arg piece_length is not between 1 and \(limits.pieceBytesMax)"
            ).asText
        }
        guard let blob = try await blobs.store.cachedBlob(digest) else {
            throw HTTPProblem.notFound("\(digest) is not stored").asEmpty
        }
        let layout = PieceLayout(blobBytes: blob.bytes, pieceBytes: pieceBytes)
        guard let layout, layout.pieceCount <= limits.piecesPerBlobMax else {
            throw HTTPProblem.badRequest(
                "piece_length \(pieceBytes) makes more than \(limits.piecesPerBlobMax) pieces"
            ).asText
        }
        _ = try await blobs.store.makeMetaInfo(of: digest, pieceBytes: pieceBytes)
        // The swarm of before has another info hash.
        await seeder.leave(digest)
        return Response.empty()
    }
}

// MARK: - Parts of requests and answers

extension ServerContext {
    /// The digest in the path.
    /// - Throws: 400.
    func digest() throws -> Digest {
        let text = try parameter("digest")
        do { return try Digest(parsing: text) } catch {
            throw HTTPProblem.badRequest("parse digest: \(error.why)").asText
        }
    }

    /// The namespace in the path.
    /// - Throws: 400.
    func namespace() throws -> Namespace {
        do { return try Namespace(try parameter("namespace")) } catch let error as ContentError {
            throw HTTPProblem.badRequest(error.description).asText
        }
    }
}

/// Runs `body`; a failure of the other side becomes a 502 or 404 of ours.
func answeringForOthers<Value>(_ body: () async throws -> Value) async throws -> Value {
    do { return try await body() } catch let error as ClusterError {
        throw HTTPProblem(.badGateway, error.description, style: .text)
    }
}

extension OriginBlobs.ForcedCleanup {
    /// Kraken's answer; either part is null when empty.
    fileprivate var json: JSON {
        let errors = failures.map { JSON.string("\($0.0.hex): \($0.1)") }
        return .object([
            .init("deleted", deleted.isEmpty ? .null : .array(deleted.map { .string($0.hex) })),
            .init("errors", errors.isEmpty ? .null : .array(errors)),
        ])
    }
}
