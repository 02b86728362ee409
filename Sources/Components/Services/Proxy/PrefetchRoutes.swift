// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import HTTPKit
import HTTPTypes
import Hummingbird
import Logging
import Primitives
import Telemetry

/// Kraken's requests to fetch images ahead.
/// - Source: uber/kraken proxy/proxyserver/server.go, preheat.go and prefetch.go: paths and JSON are its.
struct PrefetchRoutes: Sendable {
    let prefetcher: Prefetcher
    let queue: PrefetchQueue
    let limits: Limits

    /// How a request is answered: once all is found out and the rest goes on beside it, or once all origins have begun.
    private enum Version { case v1, v2 }

    func add(to router: Router<ServerContext>) {
        router.post("/registry/notifications") { request, _ in try await notify(request) }
        router.post("/proxy/v1/registry/prefetch") { request, _ in
            try await prefetch(request, .v1)
        }
        router.post("/proxy/v2/registry/prefetch") { request, _ in
            try await prefetch(request, .v2)
        }
    }

    // MARK: - Notifications

    /// Takes what a registry tells of pushes. Events of other kinds, and those that can't be read, are passed over, as in Kraken.
    private func notify(_ request: Request) async throws -> Response {
        let body = try await request.json(upTo: limits.jsonBodyBytesMax)
        guard let events = body["events"]?.array else {
            throw HTTPProblem.badRequest("the body has no events")
        }
        for event in events {
            guard event["action"]?.string == "push", let target = event["target"],
                let mediaType = target["mediaType"]?.string.map({ ManifestMediaType(rawValue: $0) }
                ),
                mediaType.isIndex || mediaType.isImage,
                // A digest or repository that is none is not ours to fetch.
                let digest = try? Digest(parsing: target["digest"]?.string ?? ""),
                let repository = try? RepositoryName(target["repository"]?.string ?? "")
            else { continue }
            guard queue.add(.manifest(digest, repository)) else {
                throw HTTPProblem.unavailable("too many images are being fetched ahead")
            }
        }
        return .empty()
    }

    // MARK: - Prefetch

    private func prefetch(_ request: Request, _ version: Version) async throws -> Response {
        let body: JSON
        do {
            body = try await request.json(upTo: limits.jsonBodyBytesMax)
        } catch let problem as HTTPProblem where problem.status == .badRequest {
            return Self.failure(.badRequest, "failed to decode request body", trace: nil)
        }
        let trace = body["trace_id"]?.string
        let text = body["tag"]?.string ?? ""
        guard let tag = Self.tag(text) else {
            let why = "tag: \(text), invalid tag format: invalid tag format: \(text)"
            return Self.failure(.badRequest, why, trace: trace)
        }
        do {
            guard let digest = try await prefetcher.buildIndexes.digest(of: tag) else {
                return Self.failure(.notFound, "tag: \(text), tag not found", trace: trace)
            }
            let image = try await prefetcher.image(digest, in: tag.repository)
            switch version {
            case .v1:
                guard queue.add(.image(image)) else {
                    let why = "too many images are being fetched ahead"
                    return Self.failure(.serviceUnavailable, why, trace: trace)
                }
            case .v2: try await prefetcher.prefetch(image)
            }
        } catch {
            return Self.failure(.internalServerError, "tag: \(text), \(error)", trace: trace)
        }
        return .json(
            .object([
                .init("tag", .string(Self.shortName(tag))), .init("prefetched", .bool(true)),
                .init("status", .string("success")),
                .init("message", .string("prefetching initiated successfully")),
                .init("trace_id", .string(trace ?? "")),
            ])
        )
    }

    /// The tag in `<host>/<repository>:<tag>`, whose repository has two parts at least.
    private static func tag(_ text: String) -> QualifiedTag? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count >= 3, parts.allSatisfy({ !$0.isEmpty }) else { return nil }
        // Why it is none is told with the format that is asked for.
        return try? QualifiedTag(parsing: parts.dropFirst().joined(separator: "/"))
    }

    /// The tag without the first part of its repository, which Kraken calls the namespace.
    private static func shortName(_ tag: QualifiedTag) -> String {
        let text = tag.description
        return text.firstIndex(of: "/").map { String(text[text.index(after: $0)...]) } ?? text
    }

    private static func failure(
        _ status: HTTPResponse.Status,
        _ message: String,
        trace: String?
    ) -> Response {
        var members: [JSON.Member] = [
            .init("error", .string(status.reasonPhrase)), .init("prefetched", .bool(false)),
            .init("status", .string("failure")), .init("message", .string(message)),
        ]
        if let trace { members.append(.init("trace_id", .string(trace))) }
        return .json(.object(members), status: status)
    }
}
