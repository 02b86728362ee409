// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import HTTPKit
import HTTPTypes
import NIOCore

/// A bucket of Google Cloud Storage.
/// - Source: Cloud Storage JSON API; for names, uber/kraken lib/backend/gcsbackend.
struct GCSBackend: Backend {
    let settings: GCSSettings
    let transport: BackendTransport
    private let tokens: GCSTokens

    var name: String { transport.backend }

    /// The bucket that `settings` name.
    init(_ settings: GCSSettings, context: BackendContext) {
        self.settings = settings
        transport = BackendTransport(
            backend: "gs://\(settings.bucket)\(settings.prefix)",
            context,
            settings.transport,
            remedy: "check the bucket and that \(settings.endpoint) can be reached"
        )
        tokens = GCSTokens(settings.account, context: context)
    }

    func stat(_ name: String, namespace: Namespace) async throws -> BackendObject? {
        let url = try url(of: name)
        let what = "stat \(name)"
        do {
            let (_, body) = try await transport.collect(what, upTo: 1 << 20) {
                try await request(.get, url + "?fields=size")
            }
            return BackendObject(bytes: try object(body, what).bytes)
        } catch let error as BackendError where error.code == .notFound { return nil }
    }

    func download(
        _ name: String,
        namespace: Namespace,
        into write: (ByteBuffer) async throws -> Void
    ) async throws {
        let url = try url(of: name)
        try await transport.download("read \(name)") { offset, first in
            // Only of the same version.
            let generation = first?[.known("x-goog-generation")].map { "&generation=\($0)" } ?? ""
            return .part(
                of: "\(url)?alt=media\(generation)",
                from: offset,
                nil,
                headers: try await headers()
            )
        } into: {
            try await write($0)
        }
    }

    func delete(_ name: String, namespace: Namespace) async throws {
        let url = try url(of: name)
        _ = try await transport.collect("remove \(name)") {
            var request = try await request(.delete, url)
            request.acceptedStatuses = [200, 204, 404]
            return request
        }
    }

    func list(_ request: BackendListRequest) async throws -> BackendListPage {
        let prefix = try keys.prefix(of: request)
        var after = try request.token.map { try key(of: $0) }
        var names: [String] = []
        let wanted = request.limit.map { max(1, $0) } ?? .max
        while true {
            let page = try await page(prefix: prefix, after: after)
            for key in page.keys where key != after {
                guard let name = keys.name(at: key, for: request) else { continue }
                guard names.count < wanted else {
                    return BackendListPage(names: names, nextToken: names.last)
                }
                names.append(name)
            }
            guard page.isTruncated, let last = page.keys.last, last != after else {
                return BackendListPage(names: names)
            }
            after = last
        }
    }

    func lists(_ first: String, before second: String) -> Bool {
        settings.namePath.pathOrder(first, second)
    }

    func close() async {}

    // MARK: - Requests

    /// The name of the object `name` in the bucket.
    func key(of name: String) throws -> String {
        try keys.key(of: name)
    }

    private var keys: ObjectKeys {
        ObjectKeys(prefix: settings.prefix, namePath: settings.namePath)
    }

    /// Where objects of the bucket are, and where they are sent to.
    func base(_ service: String = "") -> String {
        "\(settings.endpoint)\(service)/storage/v1/b/\(PercentCoding.encode(settings.bucket))/o"
    }

    private func url(of name: String) throws -> String {
        "\(base())/\(PercentCoding.encode(try key(of: name)))"
    }

    func headers() async throws -> HTTPFields {
        var headers: HTTPFields = [:]
        headers[.authorization] = try await tokens.header()
        return headers
    }

    func request(
        _ method: HTTPRequest.Method,
        _ url: String,
        body: ClientRequest.Body = .none
    ) async throws -> ClientRequest {
        ClientRequest(
            method,
            url,
            headers: try await headers(),
            body: body,
            timeout: settings.transport.timeout
        )
    }

    /// The description of an object in `body`.
    func object(_ body: ByteBuffer, _ what: String) throws -> (bytes: Int, md5: String?) {
        guard let document = try? JSON(parsing: body.readableBytesView),  // said below
            let size = document["size"],
            let bytes = size.integer ?? size.string.flatMap({ Int($0) })
        else {
            throw BackendError(
                .failed,
                what: "\(what) in \(name)",
                why: "the answer does not describe an object"
            )
        }
        return (bytes, document["md5Hash"]?.string)
    }

    private func page(
        prefix: String,
        after: String?
    ) async throws -> (keys: [String], isTruncated: Bool) {
        var query = "?prefix=\(PercentCoding.encode(prefix))&maxResults=\(settings.listKeysMax)"
        // From there on, with it.
        if let after { query += "&startOffset=\(PercentCoding.encode(after))" }
        let what = "list \(prefix)"
        let (_, body) = try await transport.collect(what) {
            try await request(.get, base() + query + "&fields=items(name),nextPageToken")
        }
        do {
            let document = try JSON(parsing: body.readableBytesView)
            let keys = (document["items"]?.array ?? []).compactMap { $0["name"]?.string }
            return (keys, document["nextPageToken"]?.string?.isEmpty == false)
        } catch {
            throw BackendError(.failed, what: "\(what) in \(name)", why: error.description)
        }
    }
}
