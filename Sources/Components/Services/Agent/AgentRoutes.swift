// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import ClusterClients
import Content
import HTTPKit
import HTTPTypes
import Hummingbird
import Primitives
import SwarmIO
import Telemetry

/// An agent's endpoints for blobs by namespace and digest, and for tags.
/// - Source: uber/kraken agent/agentserver/server.go.
struct AgentRoutes: Sendable {
    let blobs: AgentBlobs
    let buildIndexes: BuildIndexCluster
    let bytesServed: Counter

    func add(to router: Router<ServerContext>) {
        router.get("/tags/{tag}") { _, context in
            let tag = try QualifiedTag(parsing: try context.parameter("tag"))
            return try await answering {
                guard let digest = try await buildIndexes.digest(of: tag) else {
                    throw HTTPProblem.notFound().asEmpty
                }
                return .text(digest.description)
            }
        }
        for method in [HTTPRequest.Method.get, .head] {
            router.on("/namespace/{namespace}/blobs/{digest}", method: method) { request, context in
                let namespace = try Namespace(try context.parameter("namespace"))
                let digest = try Self.digest(context)
                return try await answering { try await serve(digest, namespace, request) }
            }
        }
        // Kraken's agents have no such thing.
        router.post("/namespace/{namespace}/blobs/{digest}/prefetch") { _, context in
            let namespace = try Namespace(try context.parameter("namespace"))
            let name = try Self.name(context)
            return try await answering {
                let digest = try await resolve(name, namespace)
                guard
                    case .arriving(let download) = try await blobs.open(
                        digest,
                        namespace: namespace
                    )
                else { return .empty() }
                try await download.waitUntilComplete()
                return .empty(.created)
            }
        }
        router.delete("/blobs/{digest}") { _, context in
            let digest = try Self.digest(context)
            return try await answering {
                try await blobs.delete(digest)
                return .empty()
            }
        }
    }

    private func serve(
        _ digest: Digest,
        _ namespace: Namespace,
        _ request: Request
    ) async throws -> Response {
        let tag = "\"\(digest)\""
        guard request.method != .head else {
            // The size is in the meta info: nothing is downloaded to answer this.
            let bytes = try await blobs.size(of: digest, namespace: namespace)
            return try .ranged(request, total: bytes, entityTag: tag) { range, status, headers in
                var headers = headers
                headers[.contentLength] = String(range.count)
                return Response(status: status, headers: headers)
            }
        }
        let blob = try await blobs.open(digest, namespace: namespace)
        return try .ranged(request, total: blob.bytes, entityTag: tag) { range, status, headers in
            .fileStream(bytes: range.count, status: status, headers: headers) { writer in
                try await blob.send(range, to: writer)
                bytesServed.add(range.count)
            }
        }
    }

    /// What `name` stands for in the repository that `namespace` is the name of.
    private func resolve(_ name: ContentDigest, _ namespace: Namespace) async throws -> Digest {
        guard case .sha512(let alias) = name else { return name.key }
        let repository = try RepositoryName(namespace.name)
        let tag = QualifiedTag(repository: repository, tag: ReservedTag.alias(alias).tag)
        guard let digest = try await buildIndexes.digest(of: tag) else {
            throw HTTPProblem.notFound("nothing in \(repository) is known as \(name)")
        }
        return digest
    }

    private static func name(_ context: ServerContext) throws -> ContentDigest {
        let text = try context.parameter("digest")
        if let digest = Digest(hex: text) { return .sha256(digest) }
        return try ContentDigest(parsing: text)
    }

    /// Kraken's agents take a digest with and without its algorithm.
    private static func digest(_ context: ServerContext) throws -> Digest {
        let text = try context.parameter("digest")
        if let digest = Digest(hex: text) { return digest }
        return try Digest(parsing: text)
    }

    /// What `body` answers; failures of the cluster become the status that says whose they are.
    private func answering(_ body: () async throws -> Response) async throws -> Response {
        do {
            return try await body()
        } catch let error as ClusterError {
            let pause = error.retryAfter ?? .seconds(1)
            switch error.code {
            case .notFound: throw HTTPProblem.notFound("\(error)")
            case .status(429): throw HTTPProblem.tooManyRequests("\(error)", retryAfter: pause)
            default: throw HTTPProblem.unavailable("\(error)", retryAfter: .seconds(1))
            }
        } catch let error as SwarmError {
            throw HTTPProblem.unavailable("\(error)", retryAfter: .seconds(1))
        } catch let error as StorageError where error.code == .isPersisted {
            throw HTTPProblem.conflict("\(error)")
        }
    }
}
