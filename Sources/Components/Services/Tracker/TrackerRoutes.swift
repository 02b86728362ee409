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
            return Response.json(
                bytes: try await metaInfo.document(of: digest, namespace: namespace)
            )
        }
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
