// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives
import Synchronization

/// A registry of the OCI's kind: how to ask it, with whatever it wants to know of who asks.
/// - Source: OCI Distribution Specification; Docker Registry v2 authentication.
final class RegistrySource: Sendable {
    let settings: RegistrySettings
    let transport: BackendTransport
    private let rate: RateLimit
    private let authority: RegistryAuthority
    /// Set once TLS was found to be missing where that is allowed.
    private let isPlain: Mutex<Bool>

    var name: String { transport.backend }

    /// What manifests may be.
    static let manifestTypes = [
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    ].joined(separator: ", ")

    /// The registry that `settings` name; with `isWriting`, to be written to.
    init(_ settings: RegistrySettings, context: BackendContext, isWriting: Bool = false) {
        self.settings = settings
        var trusting = context
        trusting.trust = settings.trust.map {
            ServerTrust($0, pool: context.pool, log: context.log) { settings.mayKnow($0) }
        }
        isPlain = Mutex(!settings.usesTLS)
        rate = RateLimit(of: "registry \(settings.address)", counters: context.counters)
        let authority = RegistryAuthority(settings, context: trusting, isWriting: isWriting)
        self.authority = authority
        transport = BackendTransport(
            backend: "registry \(settings.address)",
            trusting,
            settings.transport,
            remedy: "check the address and that the registry runs",
            hops: TransportHops(statuses: TransportHops.redirectStatuses.union([401])) {
                request,
                response in
                guard response.status.code == 401 else {
                    return try await TransportHops.redirect(request, response)
                }
                // Whoever we were sent on to need not know what we are known by here.
                guard settings.mayKnow(request.url) else { return nil }
                return try await authority.answer(response, to: request)
            },
            rate: rate
        )
    }

    /// Runs `body` with the beginning of the registry's URLs; without TLS when that is allowed and it has none.
    func asking<Value>(_ body: (_ base: String) async throws -> Value) async throws -> Value {
        let isPlain = isPlain.withLock { $0 }
        do {
            return try await body("\(isPlain ? "http" : "https")://\(settings.address)/v2")
        } catch let error as BackendError
            where error.code == .unavailable && !isPlain && settings.fallsBackToHTTP
        {
            let value = try await body("http://\(settings.address)/v2")
            self.isPlain.withLock { $0 = true }
            return value
        }
    }

    /// What the registry calls the repository that is called `name` here; nil when it can't have it.
    func repository(_ name: String) -> RepositoryName? {
        guard name.hasPrefix(settings.prefix) else { return nil }
        // What can't be a repository's name is none of its.
        return try? RepositoryName(String(name.dropFirst(settings.prefix.count)))
    }

    /// The headers to ask for something of `repository`.
    func headers(_ repository: String, accept: String? = nil) async throws -> HTTPFields {
        var headers: HTTPFields = [:]
        if let accept { headers[.accept] = accept }
        headers[.authorization] = await authority.known(for: repository)
        return headers
    }

    /// The digest of what `reference`, a tag or a digest, names in `repository`.
    ///
    /// As the registry announces it: rates limit such questions less than pulls, and what is fetched by the digest is checked
    /// against it. Where it does not say, the bytes tell.
    /// - Throws: ``BackendError``, `.notFound` when it names nothing.
    func digest(
        of reference: String,
        in repository: RepositoryName,
        accept: String = manifestTypes
    ) async throws -> Digest {
        let what = "read \(repository):\(reference)"
        func request(_ method: HTTPRequest.Method, _ base: String) async throws -> ClientRequest {
            ClientRequest(
                method,
                "\(base)/\(repository)/manifests/\(reference)",
                headers: try await headers(repository.name, accept: accept),
                timeout: settings.transport.timeout
            )
        }
        let (response, _) = try await asking { base in
            try await transport.collect(what) { try await request(.head, base) }
        }
        if let text = response.headers[.known("docker-content-digest")],
            // Of another algorithm, or malformed: the bytes tell.
            let digest = try? Digest(parsing: text)
        {
            return digest
        }
        let (_, body) = try await asking { base in
            try await transport.collect(what, upTo: transport.context.limits.manifestBytesMax) {
                try await request(.get, base)
            }
        }
        // Something else at that address may answer everything with a page for people.
        guard (try? JSON(parsing: body.readableBytesView))?["schemaVersion"] != nil else {
            throw BackendError(
                .failed,
                what: "\(what) in \(name)",
                why: "the answer is no manifest: \(body.excerpt)",
                remedy: "check the address"
            )
        }
        return Digest(hashing: body.readableBytesView)
    }
}

/// The blobs of a registry's repositories: the namespace is the repository.
struct RegistryBlobBackend: Backend {
    private let source: RegistrySource

    var name: String { "\(source.name) (blobs)" }

    /// The blobs of `source`.
    init(_ source: RegistrySource) { self.source = source }

    func stat(_ name: String, namespace: Namespace) async throws -> BackendObject? {
        try await each(name, namespace) { url, accept in
            let (response, _) = try await source.transport.collect("stat \(name)") {
                ClientRequest(
                    .head,
                    url,
                    headers: try await source.headers(
                        source.repository(namespace.name)?.name ?? "",
                        accept: accept
                    ),
                    timeout: source.settings.transport.timeout
                )
            }
            guard let bytes = response.contentLength else {
                throw BackendError(
                    .failed,
                    what: "stat \(name) in \(self.name)",
                    why: "the registry does not say how long it is"
                )
            }
            return BackendObject(bytes: bytes)
        }
    }

    func download(
        _ name: String,
        namespace: Namespace,
        into write: (ByteBuffer) async throws -> Void
    ) async throws {
        let found: Void? = try await each(name, namespace) { url, accept in
            try await source.transport.download("read \(name)") { offset, first in
                .part(
                    of: url,
                    from: offset,
                    first,
                    headers: try await source.headers(
                        source.repository(namespace.name)?.name ?? "",
                        accept: accept
                    )
                )
            } into: {
                try await write($0)
            }
        }
        if found == nil { throw BackendError.notFound(name, in: self.name) }
    }

    func upload(_ name: String, namespace: Namespace, from source: BackendSource) async throws {
        throw BackendError.unsupported(
            "write \(name)",
            self.name,
            remedy: "use another backend for namespaces that are pushed to"
        )
    }

    func list(_ request: BackendListRequest) async throws -> BackendListPage {
        throw BackendError.unsupported("list \(request.prefix)", name, remedy: "list its tags")
    }

    func close() async {}

    /// What `body` returns for the URL of the blob, or of the manifest when there is no such blob; nil when there is
    /// neither.
    private func each<Value>(
        _ name: String,
        _ namespace: Namespace,
        _ body: (_ url: String, _ accept: String?) async throws -> Value
    ) async throws -> Value? {
        guard let digest = Digest(hex: name) else {
            throw BackendError(
                .invalidName,
                what: "find \(name) in \(self.name)",
                why: "it is not 64 hex digits"
            )
        }
        // A namespace that can't be a repository has no blobs there: the probe of readiness asks for one.
        guard let repository = source.repository(namespace.name) else { return nil }
        return try await source.asking { base in
            for (kind, accept) in [("blobs", nil), ("manifests", RegistrySource.manifestTypes)] {
                do {
                    return try await body("\(base)/\(repository)/\(kind)/\(digest)", accept)
                } catch let error as BackendError where error.code == .notFound { continue }
            }
            return nil
        }
    }
}

/// The tags of a registry: objects that hold their manifests' digests.
struct RegistryTagBackend: Backend {
    private let source: RegistrySource

    var name: String { "\(source.name) (tags)" }

    /// The tags of `source`.
    init(_ source: RegistrySource) { self.source = source }

    func stat(_ name: String, namespace: Namespace) async throws -> BackendObject? {
        let tag = try tag(name)
        do {
            _ = try await source.asking { base in
                try await source.transport.collect("stat \(name)") {
                    try await request(.head, "\(base)/\(tag.repository)/manifests/\(tag.tag)", tag)
                }
            }
            return BackendObject(bytes: Digest.prefix.utf8.count + 2 * Digest.byteCount)
        } catch let error as BackendError where error.code == .notFound { return nil }
    }

    func download(
        _ name: String,
        namespace: Namespace,
        into write: (ByteBuffer) async throws -> Void
    ) async throws {
        let tag = try tag(name)
        let digest = try await source.digest(of: tag.tag.name, in: tag.repository)
        try await write(ByteBuffer(string: digest.description))
    }

    func upload(_ name: String, namespace: Namespace, from source: BackendSource) async throws {
        throw BackendError.unsupported(
            "write \(name)",
            self.name,
            remedy: "use another backend for tags that are pushed"
        )
    }

    /// The tags of one repository: a registry lists no tags across repositories.
    func list(_ request: BackendListRequest) async throws -> BackendListPage {
        let what = "list \(request.prefix)"
        let prefix = NamePath.dockerTag.plainPrefix(request.prefix)
        guard let colon = prefix.lastIndex(of: ":"),
            let repository = source.repository(String(prefix[..<colon]))
        else {
            throw BackendError.unsupported(what, name, remedy: "list the tags of one repository")
        }
        var query = request.limit.map { "?n=\($0)" } ?? ""
        // A token that is none begins anew.
        if let token = request.token.flatMap({ try? QualifiedTag(parsing: $0) }) {
            query += (query.isEmpty ? "?" : "&") + "last=\(PercentCoding.encode(token.tag.name))"
        }
        do {
            let (response, body) = try await source.asking { base in
                try await source.transport.collect(what) {
                    ClientRequest(
                        .get,
                        "\(base)/\(repository)/tags/list\(query)",
                        headers: try await source.headers(repository.name)
                    )
                }
            }
            let tags = try JSON(parsing: body.readableBytesView)["tags"]?.array ?? []
            let names = tags.compactMap { $0.string.map { "\(prefix[..<colon]):\($0)" } }
            let hasMore = response.headers[.known("link")] != nil && !names.isEmpty
            return BackendListPage(
                names: names.filter { $0.hasPrefix(prefix) },
                nextToken: hasMore ? names.last : nil
            )
        } catch let error as BackendError where error.code == .notFound {
            return BackendListPage(names: [])
        }
    }

    func close() async {}

    private func tag(_ name: String) throws -> QualifiedTag {
        do {
            let tag = try QualifiedTag(parsing: name)
            guard let repository = source.repository(tag.repository.name) else {
                throw BackendError.notFound(name, in: self.name)
            }
            return QualifiedTag(repository: repository, tag: tag.tag)
        } catch let error as ContentError {
            throw BackendError(
                .invalidName,
                what: "find \(name) in \(self.name)",
                why: error.why
            )
        }
    }

    private func request(
        _ method: HTTPRequest.Method,
        _ url: String,
        _ tag: QualifiedTag
    ) async throws -> ClientRequest {
        ClientRequest(
            method,
            url,
            headers: try await source.headers(
                tag.repository.name,
                accept: RegistrySource.manifestTypes
            ),
            timeout: source.settings.transport.timeout
        )
    }
}
