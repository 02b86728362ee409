// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import HTTPKit
import HTTPTypes
import Hummingbird
import Primitives
import Telemetry

/// The endpoints of Kraken's build-index.
/// - Source: uber/kraken build-index/tagserver/server.go.
struct BuildIndexRoutes: Sendable {
    let tags: TagService
    let lists: TagLists
    let referrers: TagReferrers
    let clusterName: ClusterName
    let limits: Limits
    let tagsRead: Counter

    func add(to router: Router<ServerContext>) {
        router.put("/tags/{tag}/digest/{digest}") { (request, context) -> Response in
            let (tag, digest) = (try Self.tag(context), try Self.digest(context))
            let isReplicated = try request.queryBool("replicate") ?? false
            let seen = request.headers[.dependencies].flatMap(DependencyList.parse)
            // Who pushes a manifest wants to know, and would ask next.
            async let deleted =
                seen == nil ? nil : tags.deleted(among: [digest], in: tag.repository)
            try await tags.put(
                tag,
                digest,
                seen: seen,
                condition: try Self.condition(request),
                replicating: isReplicated ? Self.cause(request) : nil
            )
            var headers = HTTPFields()
            if let deleted = await deleted { headers[.isDeleted] = "\(!deleted.isEmpty)" }
            return .empty(headers: headers)
        }
        router.put("/internal/tags/{tag}/digest/{digest}") { (request, context) -> Response in
            try await putUnlessDeleted(request, try Self.tag(context), try Self.digest(context))
        }
        // Kraken's tags can't be removed.
        router.delete("/tags/{tag}") { (request, context) -> Response in
            let isReplicated = try request.queryBool("replicate") ?? false
            try await tags.delete(
                try Self.tag(context),
                condition: try Self.condition(request),
                replicating: isReplicated ? Self.cause(request) : nil
            )
            return .empty()
        }
        router.head("/tags/{tag}") { (_, context) -> Response in
            guard try await tags.lookUp(try Self.tag(context)) != nil else {
                throw HTTPProblem.notFound().asEmpty
            }
            return .empty()
        }
        router.get("/tags/{tag}") { (_, context) -> Response in
            guard let digest = try await tags.lookUp(try Self.tag(context)) else {
                throw HTTPProblem.notFound().asEmpty
            }
            tagsRead.add()
            var response = Response.text(digest.description)
            response.headers[.eTag] = "\"\(digest)\""
            return response
        }
        addLists(to: router)
        addReplication(to: router)
        router.get("/origin") { (_, _) -> Response in
            guard let origin = clusterName.anyOrigin else {
                throw HTTPProblem.internalError("no origin is configured").asText
            }
            return .text(origin)
        }
        addDuplicates(to: router)
        addState(to: router)
        addDeletions(to: router)
    }

    /// Puts a tag whose manifest refers to what the body lists, all of which the sender has just seen at the origins, unless
    /// some of it was deleted from the repository.
    private func putUnlessDeleted(
        _ request: Request,
        _ tag: QualifiedTag,
        _ digest: Digest
    ) async throws -> Response {
        let body = try await request.json(upTo: limits.jsonBodyBytesMax)
        let dependencies = try Self.parsing { try body.digests(under: "dependencies") }
        let deleted = await tags.deleted(among: dependencies + [digest], in: tag.repository)
        let gone = dependencies.filter(deleted.contains)
        guard gone.isEmpty else {
            let json = JSON.object([.init("deleted", JSON(Set(gone).sorted()))])
            var refusal = Response.json(json)
            refusal.status = .init(code: ManifestReferences.missingStatus)
            return refusal
        }
        try await tags.put(
            tag,
            digest,
            seen: dependencies,
            condition: try Self.condition(request),
            replicating: body["replicate"]?.bool == true ? .client : nil
        )
        return .empty(headers: [.isDeleted: "\(deleted.contains(digest))"])
    }

    /// What neighbours have taken.
    private func addDuplicates(to router: Router<ServerContext>) {
        router.put("/internal/duplicate/tags/{tag}/digest/{digest}") {
            (request, context) -> Response in
            try await takeOver(request, try Self.tag(context), try Self.digest(context))
        }
        router.delete("/internal/duplicate/tags/{tag}") { (request, context) -> Response in
            try await takeOver(request, try Self.tag(context), nil)
        }
    }

    /// What neighbours want to know before they write late what may have changed here.
    private func addState(to router: Router<ServerContext>) {
        router.get("/internal/tags/{tag}") { (_, context) -> Response in
            guard let record = await tags.store.record(of: try Self.tag(context)) else {
                throw HTTPProblem.notFound().asEmpty
            }
            let madeAt = record.putAt.unixNanoseconds
            return .json(TagState(digest: record.digest, madeAtNanoseconds: madeAt).json)
        }
    }

    /// Which of many digests were deleted from a repository, for whoever would otherwise ask about one after the other.
    private func addDeletions(to router: Router<ServerContext>) {
        router.post("/internal/repositories/{repo}/deleted") { (request, context) -> Response in
            let repository = try Self.parsing { try RepositoryName(try context.parameter("repo")) }
            let body = try await request.json(upTo: limits.jsonBodyBytesMax)
            let digests = try Self.parsing { try body.digests(under: "digests") }
            let deleted = await tags.deleted(among: digests, in: repository)
            return .json(.object([.init("digests", JSON(deleted.sorted()))]))
        }
    }

    private func takeOver(
        _ request: Request,
        _ tag: QualifiedTag,
        _ digest: Digest?
    ) async throws -> Response {
        let body = try await request.json(upTo: limits.jsonBodyBytesMax)
        let madeAt = body["put_at_ns"]?.integer.map { Timestamp(unixNanoseconds: Int64($0)) }
        try await tags.takeOver(tag, digest, madeAt: madeAt, delay: try Self.delay(body))
        return .empty()
    }

    private func addLists(to router: Router<ServerContext>) {
        router.get("/repositories/{repo}/tags") { (request, context) -> Response in
            let repository = try Self.parsing { try RepositoryName(try context.parameter("repo")) }
            return try await lists.tags(of: repository, request)
        }
        router.get("/repositories/{repo}/referrers/{digest}") { (request, context) -> Response in
            let repository = try Self.parsing { try RepositoryName(try context.parameter("repo")) }
            let page = try await referrers.page(
                of: try Self.parsing {
                    try ContentDigest(parsing: try context.parameter("digest"))
                },
                in: repository,
                artifactType: try request.query("artifactType"),
                after: try request.query("last").map { last in
                    try Self.parsing { try Digest(parsing: last) }
                }
            )
            return .json(page.json)
        }
        router.get("/list") { request, _ in try await lists.names(request) }
        router.get("/list/**") { request, _ in try await lists.names(request) }
    }

    private func addReplication(to router: Router<ServerContext>) {
        router.post("/remotes/tags/{tag}") { (_, context) -> Response in
            let tag = try Self.tag(context)
            guard let digest = await tags.digest(of: tag) else {
                throw HTTPProblem.notFound().asEmpty
            }
            try await tags.replicate(tag, digest)
            return .empty()
        }
        router.post("/internal/duplicate/remotes/tags/{tag}/digest/{digest}") {
            (request, context) -> Response in
            let (tag, digest) = (try Self.tag(context), try Self.digest(context))
            let body = try await request.json(upTo: limits.jsonBodyBytesMax)
            let delay = try Self.delay(body)
            // What the tag needs is found anew when it is sent; here it only has to be well-formed.
            _ = try Self.parsing { try body.digests(under: "dependencies") }
            try await tags.replication.add(
                tag,
                .put(digest),
                after: delay,
                cause: .neighbour(path: Self.cause(request).path)
            )
            return .empty()
        }
        router.delete("/internal/duplicate/remotes/tags/{tag}") {
            (request, context) -> Response in
            let tag = try Self.tag(context)
            let body = try await request.json(upTo: limits.jsonBodyBytesMax)
            let replaced = try body["replaced"]?.string.map { text in
                try Self.parsing { try Digest(parsing: text) }
            }
            try await tags.replication.add(
                tag,
                .deletion(replaced: replaced),
                after: try Self.delay(body),
                cause: .neighbour(path: Self.cause(request).path)
            )
            return .empty()
        }
    }

    // MARK: - Parameters

    /// Who wants a tag to be replicated: another cluster, when the request says through which ones it came.
    static func cause(_ request: Request) -> ReplicationCause {
        guard let header = request.headers[.replicationPath] else { return .client }
        return .remote(path: ReplicationPath.parse(header))
    }

    static func tag(_ context: ServerContext) throws -> QualifiedTag {
        try parsing { try QualifiedTag(parsing: try context.parameter("tag")) }
    }

    static func digest(_ context: ServerContext) throws -> Digest {
        try parsing { try Digest(parsing: try context.parameter("digest")) }
    }

    static func condition(_ request: Request) throws -> TagCondition {
        try parsing { try TagCondition(headers: request.headers) }
    }

    static func delay(_ body: JSON) throws -> Duration {
        guard let value = body["delay"] else { return .zero }
        guard let nanoseconds = value.integer, nanoseconds >= 0 else {
            throw HTTPProblem.badRequest("delay is not a number of nanoseconds").asText
        }
        return .nanoseconds(nanoseconds)
    }

    static func parsing<Value>(_ parse: () throws -> Value) throws -> Value {
        do { return try parse() } catch let error as ContentError {
            throw HTTPProblem.badRequest(error.description).asText
        }
    }
}
