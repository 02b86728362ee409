// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore
import Primitives
import TrackerCore

/// A tracker's own endpoints.
/// - Source: uber/kraken tracker/trackerserver/server.go.
struct TrackerRoutes: Sendable {
    let announces: AnnounceDesk
    let metaInfo: MetaInfoDesk
    let limits: Limits

    func add(to router: Router<ServerContext>) {
        // The first form: old agents send a GET with a body, which names the swarm.
        router.get("/announce") { request, _ in
            try await announce(request, in: nil)
        }
        router.post("/announce/{infohash}") { request, context in
            let text = try context.parameter("infohash")
            guard let infoHash = InfoHash(hex: text) else {
                throw HTTPProblem.badRequest("infohash is not 40 hex digits", detail: text)
            }
            return try await announce(request, in: infoHash)
        }
        router.get("/namespace/{namespace}/blobs/{digest}/metainfo") { _, context in
            let namespace = try Namespace(try context.parameter("namespace"))
            let digest = try Digest(parsing: try context.parameter("digest"))
            let document = try await metaInfo.document(of: digest, namespace: namespace)
            return Response.json(bytes: document.json)
        }
        // Herd's own: meta info and announce in one.
        router.post("/namespace/{namespace}/blobs/{digest}/join") { request, context in
            let namespace = try Namespace(try context.parameter("namespace"))
            let digest = try Digest(parsing: try context.parameter("digest"))
            return try await join(request, digest, namespace)
        }
    }

    private func join(
        _ request: Request,
        _ digest: Digest,
        _ namespace: Namespace
    ) async throws -> Response {
        let body = try await request.collectBody(upTo: limits.jsonBodyBytesMax)
        let join: JoinRequest
        do {
            join = try JoinRequest(
                parsing: body.readableBytesView,
                completedMax: limits.announcesInFlightMax
            )
        } catch {
            throw HTTPProblem.badRequest(
                "the body is no join",
                detail: error.description,
                remedy: "send peer with peer_id, ip and port"
            )
        }
        var peer = join.peer
        peer.isComplete = true
        for swarm in join.completed {
            announces.noteCompletion(of: swarm, by: peer)
        }
        peer.isComplete = false
        let document = try await metaInfo.document(of: digest, namespace: namespace)
        let handout = await announces.introduce(
            AnnounceRequest(infoHash: document.infoHash, digest: digest, peer: peer),
            in: document.infoHash
        )
        return Response.json(bytes: handout.json(with: document.json))
    }

    private func announce(_ request: Request, in infoHash: InfoHash?) async throws -> Response {
        let body = try await request.collectBody(upTo: limits.jsonBodyBytesMax)
        let announce: AnnounceRequest
        do {
            announce = try AnnounceRequest(parsing: body.readableBytesView)
        } catch {
            throw HTTPProblem.badRequest(
                "the body is no announce",
                detail: error.description,
                remedy: "send name or digest, info_hash, and peer with peer_id, ip and port"
            )
        }
        guard let infoHash = infoHash ?? announce.infoHash else {
            throw HTTPProblem.badRequest("the body is no announce", detail: "no info_hash")
        }
        let answer = try await announces.answer(announce, in: infoHash)
        return Response.json(bytes: answer.json)
    }
}
