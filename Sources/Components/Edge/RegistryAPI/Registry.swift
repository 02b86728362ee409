// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
package import HTTPKit
import HTTPTypes
package import Hummingbird
package import Primitives
import Telemetry

/// The OCI distribution API over whatever holds the blobs and the tags.
///
/// A request is read wholly into a ``RegistryRequest``, then acted upon; every failure is answered in the specification's
/// words. Without writes it answers them with 405.
///
/// Content is stored once for all repositories, so what is deleted from one is hidden in it, and stays for the others. Only
/// a registry that can be written to looks for that: at others a digest names the same bytes for as long as they have them.
/// - Source: OCI distribution specification 1.1.
package struct Registry: Sendable {
    /// What a registry can write to.
    package struct Writes: Sendable {
        /// Where blobs go.
        package let blobs: any BlobSink
        /// Where tags go.
        package let tags: any TagSink

        /// Blobs go to `blobs`, tags to `tags`.
        package init(blobs: any BlobSink, tags: any TagSink) {
            (self.blobs, self.tags) = (blobs, tags)
        }
    }

    let blobs: any BlobSource
    let tags: any TagSource
    let writes: Writes?
    let limits: Limits
    let aliases: ConfirmedAliases
    private let gate: (any RegistryGate)?
    private let mirrors: RegistryMirrors
    private let readOnlyMessage: String

    /// A registry that reads from `blobs` and `tags`.
    ///
    /// - Parameters:
    ///   - writes: where it writes to; nil makes it read-only.
    ///   - gate: whom it asks who may do what; nil: anybody may do everything.
    ///   - mirrors: the other registries that it answers for.
    ///   - pushAddress: where clients of a read-only registry should push instead, `host:port`; nil when not known.
    package init(
        blobs: any BlobSource,
        tags: any TagSource,
        writes: Writes? = nil,
        gate: (any RegistryGate)? = nil,
        mirrors: RegistryMirrors = RegistryMirrors(),
        pushAddress: String? = nil,
        limits: Limits = Limits()
    ) {
        (self.blobs, self.tags, self.writes, self.limits) = (blobs, tags, writes, limits)
        (self.gate, self.mirrors) = (gate, mirrors)
        aliases = ConfirmedAliases(countMax: limits.confirmedAliasesMax)
        let proxy = pushAddress.map { "the proxy at \($0)" } ?? "the cluster's proxy"
        readOnlyMessage = "this registry is read-only; push to \(proxy)"
    }

    /// Adds everything under `/v2/` to `router`.
    package func add(to router: Router<ServerContext>) {
        let methods: [HTTPRequest.Method] = [.get, .head, .put, .post, .patch, .delete, .options]
        for method in methods {
            for path: RouterPath in ["/v2", "/v2/**"] {
                router.on(path, method: method) { request, context in
                    await respond(to: request, context)
                }
            }
        }
    }

    /// Answers `request`, whatever it is.
    package func respond(to request: Request, _ context: ServerContext) async -> Response {
        var response: Response
        do {
            let parsed = try RegistryRequest(
                method: request.method,
                path: request.rawPath,
                query: request.uri.query,
                contentRange: request.headers[.contentRange],
                isReadOnly: writes == nil
            )
            context.answers(parsed.route)
            let pass = try await gate?.admit(parsed, request.headers) ?? .all
            let meanings = try mirrors.meanings(of: parsed, query: request.uri.query)
            response = try await answer(meanings, request, pass)
        } catch {
            response = RegistryError(answering: error, log: context.logger).response
        }
        response.headers[.apiVersion] = "registry/2.0"
        return response
    }

    /// The answer to the first of `meanings` for which there is something.
    private func answer(
        _ meanings: [RegistryRequest],
        _ request: Request,
        _ pass: RegistryPass
    ) async throws -> Response {
        for meaning in meanings.dropLast() {
            do {
                return try await perform(meaning, request, pass)
            } catch let error as RegistryError where error.status == .notFound {}
        }
        guard let last = meanings.last else {
            throw RegistryError(.nameUnknown, .notFound, "repository name not known to registry")
        }
        return try await perform(last.seen(with: pass), request, pass)
    }

    private func perform(
        _ parsed: RegistryRequest,
        _ request: Request,
        _ pass: RegistryPass
    ) async throws -> Response {
        switch parsed {
        case .ping: return .json(.object([]))
        case .repositories(let page): return try await listRepositories(page, pass)
        case .tags(let name, let page): return try await listTags(name, page)
        case .manifest(let name, let reference):
            return try await getManifest(name, reference, request)
        case .blob(let name, let digest): return try await getBlob(name, digest, request)
        case .referrers(let name, let wanted): return try await listReferrers(name, wanted)
        case .putManifest, .deleteManifest, .deleteBlob, .startUpload, .uploadStatus, .appendChunk,
            .finishUpload, .cancelUpload:
            guard let writes else {
                throw RegistryError.methodNotAllowed([.get, .head], readOnlyMessage)
            }
            return try await RegistryWriter(blobs: blobs, tags: tags, sink: writes, limits: limits)
                .perform(parsed, request)
        }
    }

    // MARK: - Lists

    private func listRepositories(
        _ page: PageRequest,
        _ pass: RegistryPass
    ) async throws -> Response {
        let names = try await tags.repositories(page: page, pass)
        var response = Response.json(
            .object([.init("repositories", .array(names.names.map { .string($0) }))])
        )
        response.headers[.link] = names.link(to: "/v2/_catalog", page)
        return response
    }

    private func listTags(_ name: RepositoryName, _ page: PageRequest) async throws -> Response {
        guard let names = try await tags.tags(of: name, page: page) else {
            throw RegistryError(
                .nameUnknown,
                .notFound,
                "repository name not known to registry",
                detail: .object([.init("name", .string(name.name))])
            )
        }
        var response = Response.json(
            .object([
                .init("name", .string(name.name)),
                .init("tags", .array(names.names.map { .string($0) })),
            ])
        )
        response.headers[.link] = names.link(to: "/v2/\(name)/tags/list", page)
        return response
    }
}

extension Registry {
    /// The index of what refers to a manifest; empty where nothing does, whatever is known of the manifest.
    private func listReferrers(
        _ name: RepositoryName,
        _ wanted: ReferrerRequest
    ) async throws -> Response {
        var page = ReferrerPage(descriptors: [])
        if let subject = wanted.subject {
            page = try await tags.referrers(
                of: subject,
                in: name,
                artifactType: wanted.artifactType,
                after: wanted.last
            )
        }
        let mediaType = ManifestMediaType.ociIndex.rawValue
        var response = Response.json(
            .object([
                .init("schemaVersion", .integer(2)), .init("mediaType", .string(mediaType)),
                .init("manifests", .array(page.descriptors)),
            ])
        )
        response.headers[.contentType] = mediaType
        if wanted.artifactType != nil { response.headers[.filtersApplied] = "artifactType" }
        if let next = page.next, let subject = wanted.subject {
            let filter = wanted.artifactType.map { "&artifactType=\(PercentCoding.encode($0))" }
            let path = "/v2/\(name)/referrers/\(subject)?last=\(next)\(filter ?? "")"
            response.headers[.link] = "<\(path)>; rel=\"next\""
        }
        return response
    }
}

extension NamePage {
    /// The header that leads to the next page; nil on the last one.
    /// - Source: RFC 8288.
    fileprivate func link(to path: String, _ page: PageRequest) -> String? {
        guard hasMore, let last = names.last else { return nil }
        let limit = page.limit.map { "&n=\($0)" } ?? ""
        return "<\(path)?last=\(PercentCoding.encode(last))\(limit)>; rel=\"next\""
    }
}
