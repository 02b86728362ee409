// SPDX-License-Identifier: Apache-2.0

import Backends
import Content
import HTTPKit
import HTTPTypes
import Hummingbird
import Primitives

/// The lists of tags and names: what the backends have, and what they will have once it is written
/// back.
/// - Source: uber/kraken build-index/tagserver/server.go and tagmodels, `ListResponse`.
struct TagLists: Sendable {
    let store: TagStore
    let backends: BackendTable
    let limits: Limits
    let cache: TagListCache

    /// Which page a request asks for.
    struct Page: Hashable {
        var limit: Int?
        var offset: String?
    }

    /// `GET /repositories/{repo}/tags`: the tags without the repository's name.
    func tags(of repository: RepositoryName, _ request: Request) async throws -> Response {
        let prefix = "\(repository):"
        let wanted = try Self.page(of: request)
        return try await answer(request) {
            let page = try await page(prefix, namespace: repository.name, wanted)
            let tags = page.names.map { String($0.utf8.dropFirst(prefix.utf8.count)) ?? $0 }
            return Self.document(tags, next: page.nextToken, request)
        }
    }

    /// `GET /list/{prefix}`: names `repository:tag`.
    func names(_ request: Request) async throws -> Response {
        let raw = request.rawPath.dropFirst("/list".count).drop { $0 == "/" }
        guard let decoded = PercentCoding.decode(raw) else {
            throw HTTPProblem.badRequest("the prefix is not percent-encoded UTF-8").asText
        }
        let prefix = Self.namePrefix(decoded)
        let wanted = try Self.page(of: request)
        return try await answer(request) {
            let page = try await page(prefix, namespace: decoded, wanted)
            return Self.document(page.names, next: page.nextToken, request)
        }
    }

    /// Answers `request` with what `read` makes, or with what it made a moment ago; with 304 when the client has that.
    private func answer(
        _ request: Request,
        _ read: () async throws -> [UInt8]
    ) async throws -> Response {
        let entry = try await entry(for: request.uri.string, read)
        if request.headers[.ifNoneMatch] == entry.entityTag {
            return Response(status: .notModified, headers: [.eTag: entry.entityTag])
        }
        var response = Response.json(bytes: entry.bytes)
        response.headers[.eTag] = entry.entityTag
        return response
    }

    private func entry(
        for query: String,
        _ read: () async throws -> [UInt8]
    ) async throws -> TagListCache.Entry {
        let now = ContinuousClock.now
        let changes = await store.changes
        if let entry = cache.entry(query, changes: changes, at: now) { return entry }
        let bytes = try await read()
        let entry = TagListCache.Entry(
            bytes: bytes,
            entityTag: "\"\(Digest(hashing: bytes).hex)\"",
            changes: changes,
            readAt: now
        )
        cache.keep(entry, for: query)
        return entry
    }

    /// All names that begin with `prefix`, which is in the namespace `namespace`.
    /// - Throws: 503 when there are more than `namesMax`.
    func allNames(_ prefix: String, namespace: String, namesMax: Int) async throws -> [String] {
        var names: [String] = []
        var request = Page(limit: nil, offset: nil)
        repeat {
            let page = try await page(prefix, namespace: namespace, request)
            names += page.names
            guard names.count <= namesMax else {
                throw HTTPProblem.unavailable(
                    "more than \(namesMax) names begin with \(prefix)"
                ).asText
            }
            // A page that leads to itself would never end.
            guard page.nextToken != request.offset else { break }
            request.offset = page.nextToken
        } while request.offset != nil
        return names
    }

    /// Names begin with what precedes Kraken's `<repository>/_manifests/tags` and a colon.
    static func namePrefix(_ prefix: String) -> String {
        guard let range = prefix.firstRange(of: "/_manifests") else { return prefix }
        return prefix[..<range.lowerBound] + ":"
    }

    private func page(
        _ prefix: String,
        namespace: String,
        _ page: Page
    ) async throws -> BackendListPage {
        let backend = try backends.backend(for: namespace)
        let limit = page.limit ?? (page.offset == nil ? nil : limits.listPageNamesMax)
        let request = BackendListRequest(prefix: prefix, limit: limit, token: page.offset)
        // Before the backend is asked: what is written back in between is in its list, or else still in this one.
        let before = await store.pendingNames(prefix: prefix)
        let stored: BackendListPage
        do {
            stored = try await backend.list(request)
        } catch let error as BackendError where error.code == .invalidName {
            throw HTTPProblem.badRequest(error.description).asText
        } catch let error as BackendError where error.code == .rateLimited {
            throw HTTPProblem.rateLimited(error)
        }
        // A page ends where the backend's does; of the pending names it gets those that lie before
        // that.
        let pending = await store.pendingNames(prefix: prefix)
        let added = Set(before.added + pending.added).filter { name in
            guard stored.nextToken != nil, let end = stored.names.last else { return true }
            return !backend.lists(end, before: name)
        }
        let names = Set(stored.names + added).subtracting(pending.removed)
        var merged = BackendListPage(of: Array(names), for: request) {
            backend.lists($0, before: $1)
        }
        if merged.nextToken == nil, stored.nextToken != nil { merged.nextToken = stored.nextToken }
        return merged
    }

    /// - Throws: 400 for an unknown or repeated argument, or a limit that is no positive integer.
    static func page(of request: Request) throws -> Page {
        var page = Page()
        for pair in (request.uri.query ?? "").split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let key = String(parts[0])
            guard let value = PercentCoding.decode(parts.count > 1 ? parts[1] : "") else {
                throw HTTPProblem.badRequest("query argument \(key) is not percent-encoded").asText
            }
            switch key {
            case "limit" where page.limit == nil:
                guard let limit = Int(value), limit > 0 else {
                    throw HTTPProblem.badRequest("invalid limit \(value)").asText
                }
                page.limit = limit
            case "offset" where page.offset == nil: page.offset = value
            case "limit", "offset":
                throw HTTPProblem.badRequest("invalid query \(key): repeated").asText
            default: throw HTTPProblem.badRequest("invalid query \(key)").asText
            }
        }
        return page
    }

    private static func document(_ names: [String], next: String?, _ request: Request) -> [UInt8] {
        let path = request.rawPath
        let query = request.uri.query.map { "?\($0)" } ?? ""
        var nextURL = ""
        if let next, let page = try? page(of: request) {  // it was readable before
            let limit = page.limit.map { "limit=\($0)&" } ?? ""
            nextURL = "\(path)?\(limit)offset=\(PercentCoding.encode(next))"
        }
        let links = JSON.object([
            .init("next", .string(nextURL)), .init("self", .string(path + query)),
        ])
        let document = JSON.object([
            .init("Links", links),
            .init("size", .integer(names.count)),
            .init("result", names.isEmpty ? .null : .array(names.map(JSON.string))),
        ])
        // Go's encoder ends with a newline.
        return document.utf8 + [UInt8(ascii: "\n")]
    }
}
