// SPDX-License-Identifier: Apache-2.0

package import Content
package import HTTPKit
import HTTPTypes
import NIOCore
import Primitives

/// One build-index's HTTP API.
/// - Source: uber/kraken build-index/tagclient/client.go: paths and time-outs are its.
package struct BuildIndexClient: Sendable {
    /// Its `host:port`.
    package let address: String
    private let host: HostConnection

    /// The build-index at `address`, reached through `http`.
    package init(address: String, http: HTTPClient) {
        self.address = address
        host = HostConnection(address: address, http: http)
    }

    /// Makes `tag` name `digest` if `condition` is met; with `replicating`, in the other clusters, too. `path` tells which
    /// clusters the tag came through, when another cluster's build-index puts it.
    ///
    /// Whoever has just seen that the origins have what the manifest refers to tells so by `dependencies`, and spares the
    /// build-index to look for it. Kraken's look all the same.
    /// - Returns: whether `digest` was deleted from the repository before, which the put does not undo; nil when that is not
    ///   told, as by Kraken's.
    /// - Throws: ``ClusterError``, here as in every call; `.status(412)` when the condition is not met, `.status(409)` when
    ///   the tag is one that does not move.
    @discardableResult package func put(
        _ tag: QualifiedTag,
        _ digest: Digest,
        replicating: Bool = false,
        path: String? = nil,
        dependencies: [Digest]? = nil,
        condition: TagCondition = .none
    ) async throws -> Bool? {
        let query = replicating ? "?replicate=true" : ""
        var headers = condition.headers
        if let path { headers[.replicationPath] = path }
        headers[.dependencies] = dependencies.flatMap(DependencyList.header)
        let answer = try await host.exchange(
            .put,
            self.path(tag, digest) + query,
            headers: headers,
            timeout: .seconds(30)
        )
        return answer.headers[.isDeleted].map { $0 == "true" }
    }

    /// Makes `tag` name the manifest `digest` as ``put(_:_:replicating:path:dependencies:condition:)`` does, unless one of
    /// `dependencies`, which the origins were just seen to have, was deleted from the repository.
    /// - Returns: nil, with nothing done, when it does not know this question, as Kraken's.
    func put(
        _ tag: QualifiedTag,
        _ digest: Digest,
        replicating: Bool,
        unlessDeleted dependencies: [Digest],
        condition: TagCondition
    ) async throws -> TagPutOutcome? {
        let json = JSON.object([
            .init("dependencies", JSON(dependencies)), .init("replicate", .bool(replicating)),
        ])
        var headers = condition.headers
        headers[.contentType] = "application/json"
        let answer: HostConnection.Answer
        do {
            answer = try await host.exchange(
                .put,
                "/internal" + path(tag, digest),
                headers: headers,
                body: .bytes(ByteBuffer(bytes: json.utf8)),
                timeout: .seconds(30),
                accepting: [200, ManifestReferences.missingStatus]
            )
        } catch let error as ClusterError where error.isUnknownRequest { return nil }
        guard answer.status != 200 else {
            return .put(wasDeleted: answer.headers[.isDeleted].map { $0 == "true" })
        }
        do {
            let body = try JSON(parsing: answer.body.readableBytesView)
            return .refused(deleted: Set(try body.digests(under: "deleted")))
        } catch {
            throw ClusterError.unreadable("put \(tag) at \(address)", error)
        }
    }

    /// Removes `tag` if `condition` is met; `.notFound` when there is no such tag. With `replicating`, it is removed from the
    /// other clusters, too; `path` as for a put.
    package func delete(
        _ tag: QualifiedTag,
        condition: TagCondition = .none,
        replicating: Bool = false,
        path route: String? = nil
    ) async throws {
        let query = replicating ? "?replicate=true" : ""
        var headers = condition.headers
        if let route { headers[.replicationPath] = route }
        _ = try await host.exchange(
            .delete,
            path(tag) + query,
            headers: headers,
            timeout: .seconds(30)
        )
    }

    /// What `tag` names; nil when there is no such tag.
    package func digest(of tag: QualifiedTag) async throws -> Digest? {
        do {
            let text = try await host.text(.get, path(tag), timeout: .seconds(10))
            return try Digest(parsing: text)
        } catch let error as ContentError {
            throw ClusterError.unreadable("\(tag) at \(address)", error)
        } catch let error as ClusterError where error.code == .notFound { return nil }
    }

    /// Whether there is such a tag.
    package func has(_ tag: QualifiedTag) async throws -> Bool {
        do {
            _ = try await host.exchange(.head, path(tag), timeout: .seconds(10))
            return true
        } catch let error as ClusterError where error.code == .notFound { return false }
    }

    /// One page of the tags of `repository`, without the repository's name; nil when it is still the one with the entity tag
    /// `known`.
    ///
    /// Kraken's have no entity tags, and always answer with the page.
    package func tags(
        of repository: RepositoryName,
        limit: Int? = nil,
        offset: String? = nil,
        unless known: String? = nil
    ) async throws -> TagPage? {
        let name = URLEncoding.pathSegment(repository.name)
        let path = "/repositories/\(name)/tags" + Self.pageQuery(limit, offset)
        let answer = try await host.exchange(
            .get,
            path,
            headers: known.map { [.ifNoneMatch: $0] } ?? [:],
            timeout: .seconds(60),
            accepting: known == nil ? [200] : [200, 304],
            answerBytesMax: Limits().metaInfoBytesMax
        )
        guard answer.status == 200 else { return nil }
        do {
            var page = TagPage(json: try JSON(parsing: answer.body.readableBytesView))
            page.entityTag = answer.headers[.eTag]
            return page
        } catch {
            throw ClusterError.unreadable("GET \(path) at \(address)", error)
        }
    }

    /// One page of the names `repository:tag` that begin with `prefix`, which may be empty.
    package func list(
        prefix: String = "",
        limit: Int? = nil,
        offset: String? = nil
    ) async throws -> TagPage {
        let segments = prefix.split(separator: "/", omittingEmptySubsequences: false)
        let escaped = segments.map { URLEncoding.pathSegment(String($0)) }.joined(separator: "/")
        return try await host.json(
            .get,
            "/list/\(escaped)" + Self.pageQuery(limit, offset),
            timeout: .seconds(60),
            answerBytesMax: Limits().metaInfoBytesMax
        ) { TagPage(json: $0) }
    }

    /// One page of what has `subject` as its subject in `repository`, after the referrer `last`.
    package func referrers(
        of subject: ContentDigest,
        in repository: RepositoryName,
        artifactType: String? = nil,
        after last: Digest? = nil
    ) async throws -> ReferrerPage {
        var arguments: [String] = []
        if let artifactType {
            arguments.append("artifactType=\(URLEncoding.queryValue(artifactType))")
        }
        if let last { arguments.append("last=\(last)") }
        let query = arguments.isEmpty ? "" : "?" + arguments.joined(separator: "&")
        let path = "/repositories/\(URLEncoding.pathSegment(repository.name))/referrers/\(subject)"
        return try await host.json(
            .get,
            path + query,
            timeout: .seconds(60),
            answerBytesMax: Limits().metaInfoBytesMax
        ) { try ReferrerPage(json: $0) }
    }

    /// Which of `digests` were deleted from `repository`.
    package func deleted(
        among digests: [Digest],
        in repository: RepositoryName
    ) async throws -> Set<Digest> {
        let body = JSON.object([.init("digests", JSON(digests))])
        let path = "/internal/repositories/\(URLEncoding.pathSegment(repository.name))/deleted"
        return try await host.json(.post, path, json: body, timeout: .seconds(60)) {
            Set(try $0.digests(under: "digests"))
        }
    }

    /// Makes `tag`, which must exist, be replicated to the other clusters.
    package func replicate(_ tag: QualifiedTag) async throws {
        let name = URLEncoding.pathSegment(tag.description)
        try await host.text(.post, "/remotes/tags/\(name)", timeout: .seconds(15))
    }

    /// Where this cluster's origins are reached by other clusters: `host:port`.
    package func origin() async throws -> String {
        let origin = try await host.text(.get, "/origin", timeout: .seconds(5))
        guard !origin.isEmpty else {
            throw ClusterError.unreadable("origin of \(address)", "empty")
        }
        return origin
    }

    /// Hands a neighbour what was put here at `madeAt`, or deleted when `digest` is nil; it writes it back after `delay`.
    ///
    /// The neighbour keeps what it has when that was made later. Kraken's know neither `madeAt` nor deletions.
    package func duplicatePut(
        _ tag: QualifiedTag,
        _ digest: Digest?,
        delay: Duration,
        madeAtNanoseconds madeAt: Int64? = nil
    ) async throws {
        var members = [JSON.Member("delay", .integer(Int(delay.nanoseconds)))]
        if let madeAt { members.append(.init("put_at_ns", .integer(Int(madeAt)))) }
        let (method, path): (HTTPRequest.Method, String) =
            digest.map { (.put, self.path(tag, $0)) } ?? (.delete, self.path(tag))
        let json = JSON.object(members)
        try await host.text(method, "/internal/duplicate" + path, json: json, timeout: .seconds(10))
    }

    /// What a neighbour knows of `tag`; `.notFound` when it knows nothing.
    package func lastChange(of tag: QualifiedTag) async throws -> TagState {
        try await host.json(.get, "/internal" + path(tag), timeout: .seconds(5)) {
            try TagState(json: $0)
        }
    }

    /// Hands a neighbour a replication that was asked for here; it does it after `delay` unless it
    /// was done. `path` tells which clusters the tag came through.
    package func duplicateReplicate(
        _ tag: QualifiedTag,
        _ digest: Digest,
        dependencies: [Digest],
        delay: Duration,
        path route: String? = nil
    ) async throws {
        let body = JSON.object([
            .init("dependencies", JSON(dependencies)),
            .init("delay", .integer(Int(delay.nanoseconds))),
        ])
        let path = "/internal/duplicate/remotes" + path(tag, digest)
        var headers = HTTPFields()
        if let route { headers[.replicationPath] = route }
        try await host.text(.post, path, headers: headers, json: body, timeout: .seconds(10))
    }

    /// Hands a neighbour the replication of a deletion, as ``duplicateReplicate(_:_:dependencies:delay:path:)`` does that of a
    /// put; `replaced` is what the tag named before. Kraken's know no such thing.
    package func duplicateReplicateDeletion(
        of tag: QualifiedTag,
        replaced: Digest?,
        delay: Duration,
        path route: String? = nil
    ) async throws {
        var members = [JSON.Member("delay", .integer(Int(delay.nanoseconds)))]
        if let replaced { members.append(.init("replaced", .string(replaced.description))) }
        var headers = HTTPFields()
        if let route { headers[.replicationPath] = route }
        try await host.text(
            .delete,
            "/internal/duplicate/remotes" + path(tag),
            headers: headers,
            json: JSON.object(members),
            timeout: .seconds(10)
        )
    }

    /// Whether it, its backends and its origins serve.
    package func checkReadiness() async throws {
        try await host.text(.get, "/readiness", timeout: .seconds(5))
    }

    private func path(_ tag: QualifiedTag) -> String {
        "/tags/\(URLEncoding.pathSegment(tag.description))"
    }

    private func path(_ tag: QualifiedTag, _ digest: Digest) -> String {
        path(tag) + "/digest/\(digest)"
    }

    private static func pageQuery(_ limit: Int?, _ offset: String?) -> String {
        var arguments: [String] = []
        if let limit { arguments.append("limit=\(limit)") }
        if let offset { arguments.append("offset=\(URLEncoding.queryValue(offset))") }
        return arguments.isEmpty ? "" : "?" + arguments.joined(separator: "&")
    }
}

/// What became of a tag that was to be put unless something was deleted.
package enum TagPutOutcome: Hashable, Sendable {
    /// It was put. Whether its manifest was deleted from the repository before, which that does not undo; nil when that is not
    /// told.
    case put(wasDeleted: Bool?)
    /// It was not, because these were deleted from the repository.
    case refused(deleted: Set<Digest>)
}

/// What a build-index knows of a tag.
package struct TagState: Hashable, Sendable {
    /// What it names; nil once it was deleted.
    package let digest: Digest?
    /// Since when, in nanoseconds since 1970.
    package let madeAtNanoseconds: Int64

    /// The tag names `digest` since `madeAtNanoseconds`.
    package init(digest: Digest?, madeAtNanoseconds: Int64) {
        (self.digest, self.madeAtNanoseconds) = (digest, madeAtNanoseconds)
    }

    /// The document that ``init(json:)`` reads.
    package var json: JSON {
        var members = [JSON.Member("put_at_ns", .integer(Int(madeAtNanoseconds)))]
        if let digest { members.append(.init("digest", .string(digest.description))) }
        return .object(members)
    }

    init(json: JSON) throws(ContentError) {
        guard let madeAt = json["put_at_ns"]?.integer else {
            throw ContentError(.invalidJSON, what: "read a tag's state", why: "no put_at_ns")
        }
        madeAtNanoseconds = Int64(madeAt)
        digest = if let text = json["digest"]?.string { try Digest(parsing: text) } else { nil }
    }
}

/// One page of the referrers of a manifest.
package struct ReferrerPage: Hashable, Sendable {
    /// Their descriptors, in the order of their digests.
    package var descriptors: [JSON]
    /// The referrer after which the next page begins; nil on the last one.
    package var next: Digest?

    /// `descriptors`, followed by those after `next`.
    package init(descriptors: [JSON], next: Digest? = nil) {
        (self.descriptors, self.next) = (descriptors, next)
    }

    /// The document that ``init(json:)`` reads.
    package var json: JSON {
        var members = [JSON.Member("manifests", .array(descriptors))]
        if let next { members.append(.init("next", .string(next.description))) }
        return .object(members)
    }

    init(json: JSON) throws(ContentError) {
        descriptors = json["manifests"]?.array ?? []
        if let next = json["next"]?.string { self.next = try Digest(parsing: next) }
    }
}

/// One page of a build-index's lists.
package struct TagPage: Hashable, Sendable {
    /// The names on it.
    package var names: [String]
    /// What the next page's `offset` is; nil on the last one.
    package var nextOffset: String?
    /// What names this page among all that it has been; nil when that was not told.
    package var entityTag: String?

    /// `names`, followed by the page at `nextOffset`.
    package init(names: [String], nextOffset: String? = nil) {
        (self.names, self.nextOffset) = (names, nextOffset)
    }

    init(json: JSON) {
        names = (json["result"]?.array ?? []).compactMap(\.string)
        let next = json["Links"]?["next"]?.string ?? ""
        let query = next.split(separator: "?", maxSplits: 1).dropFirst().first ?? ""
        let argument = query.split(separator: "&").first { $0.hasPrefix("offset=") }
        nextOffset = argument.flatMap { PercentCoding.decode($0.dropFirst("offset=".count)) }
    }
}
