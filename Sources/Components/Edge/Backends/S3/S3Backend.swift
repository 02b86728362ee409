// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
package import Content
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives
import Telemetry

/// A bucket of S3, or of a store that speaks its language.
/// - Source: Amazon S3 API Reference; for paths and lists, uber/kraken lib/backend/s3backend.
package struct S3Backend: Backend {
    let settings: S3Settings
    let transport: BackendTransport
    let parts: PartBuffers
    private let credentials: AWSCredentialSource

    package var name: String { transport.backend }

    /// The most parts of objects that were in memory at a time.
    package var partsTakenMax: Int { parts.takenMax }

    /// The bucket that `settings` name.
    package init(_ settings: S3Settings, context: BackendContext) {
        self.settings = settings
        transport = BackendTransport(
            backend: "s3://\(settings.bucket)/\(settings.prefix)",
            context,
            settings.transport,
            remedy: "check the endpoint \(settings.endpoint), the region and the bucket"
        )
        parts = PartBuffers(count: context.limits.backendPartsMax)
        credentials = AWSCredentialSource(
            fixed: settings.credentials,
            places: settings.places,
            context: context
        )
    }

    package func stat(_ name: String, namespace: Namespace) async throws -> BackendObject? {
        let key = try key(of: name)
        do {
            let (response, _) = try await transport.collect("stat \(name)") {
                try await request(.head, key)
            }
            guard let bytes = response.contentLength else {
                throw BackendError(
                    .failed,
                    what: "stat \(name) in \(self.name)",
                    why: "the answer does not say how long the object is"
                )
            }
            return BackendObject(bytes: bytes)
        } catch let error as BackendError where error.code == .notFound { return nil }
    }

    package func delete(_ name: String, namespace: Namespace) async throws {
        let key = try key(of: name)
        _ = try await transport.collect("remove \(name)") {
            var request = try await request(.delete, key)
            request.acceptedStatuses = [200, 204, 404]
            return request
        }
    }

    package func list(_ request: BackendListRequest) async throws -> BackendListPage {
        let prefix = try keys.prefix(of: request)
        var after = try request.token.map { try key(of: $0) }
        var names: [String] = []
        let wanted = request.limit.map { max(1, $0) } ?? .max
        while true {
            let page = try await page(prefix: prefix, after: after)
            for key in page.keys {
                guard let name = keys.name(at: key, for: request) else { continue }
                // One more than wanted says that there is a next page.
                guard names.count < wanted else {
                    return BackendListPage(names: names, nextToken: names.last)
                }
                names.append(name)
            }
            guard page.isTruncated, let last = page.keys.last else {
                return BackendListPage(names: names)
            }
            after = last
        }
    }

    package func lists(_ first: String, before second: String) -> Bool {
        settings.namePath.pathOrder(first, second)
    }

    package func close() async {}

    // MARK: - Requests

    /// The key of the object `name`.
    func key(of name: String) throws -> String {
        try keys.key(of: name)
    }

    private var keys: ObjectKeys {
        ObjectKeys(prefix: settings.prefix, namePath: settings.namePath)
    }

    /// A signed request for the object `key`, or for the bucket when nil.
    func request(
        _ method: HTTPRequest.Method,
        _ key: String?,
        query: [(name: String, value: String)] = [],
        headers: HTTPFields = [:],
        body: ClientRequest.Body = .none,
        payloadHash: String = SigV4Request.emptyPayloadHash
    ) async throws -> ClientRequest {
        let host =
            settings.usesPathStyle ? settings.endpoint : "\(settings.bucket).\(settings.endpoint)"
        let segments = (key ?? "").split(separator: "/", omittingEmptySubsequences: false)
        let path = segments.map { PercentCoding.encode($0) }.joined(separator: "/")
        let bucket = settings.usesPathStyle ? "/" + PercentCoding.encode(settings.bucket) : ""
        let signing = SigV4Request(
            method: method.rawValue,
            host: host,
            path: key == nil && !bucket.isEmpty ? bucket : "\(bucket)/\(path)",
            query: query,
            headers: headers,
            payloadHash: payloadHash
        )
        let signed = signing.signed(
            by: try await credentials.credentials(),
            region: settings.region,
            service: "s3",
            at: .now
        )
        let suffix = query.isEmpty ? "" : "?\(signing.encodedQuery)"
        return ClientRequest(
            method,
            "\(settings.scheme)://\(host)\(signing.path)\(suffix)",
            headers: signed,
            body: body,
            timeout: settings.transport.timeout
        )
    }

    private struct KeyPage {
        var keys: [String]
        var isTruncated: Bool
    }

    private func page(prefix: String, after: String?) async throws -> KeyPage {
        var query = [
            (name: "list-type", value: "2"), (name: "max-keys", value: "\(settings.listKeysMax)"),
            (name: "prefix", value: prefix),
        ]
        if let after { query.append((name: "start-after", value: after)) }
        let what = "list \(prefix)"
        let (_, body) = try await transport.collect(what) {
            try await request(.get, nil, query: query)
        }
        let document = try XMLElement.parse(
            body,
            "\(what) in \(name)",
            root: ["ListBucketResult"]
        )
        return KeyPage(
            keys: document.all("Contents").compactMap { $0.text(of: "Key") },
            isTruncated: document.text(of: "IsTruncated") == "true"
        )
    }
}

extension NamePath {
    /// Whether the object `first` comes before `second` by the bytes of their paths; names without one come first.
    func pathOrder(_ first: String, _ second: String) -> Bool {
        // Names in lists were made of paths.
        let paths = [first, second].map { (try? path(of: $0)) ?? "" }
        return paths[0].utf8.lexicographicallyPrecedes(paths[1].utf8)
    }
}
