// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives
import Telemetry

/// A container of Azure's Blob service.
/// - Source: Azure Storage, "Blob service REST API".
struct AzureBackend: Backend {
    let settings: AzureSettings
    let transport: BackendTransport

    var name: String { transport.backend }

    /// The container that `settings` name.
    init(_ settings: AzureSettings, context: BackendContext) {
        self.settings = settings
        transport = BackendTransport(
            backend: "azure://\(settings.account)/\(settings.container)/\(settings.prefix)",
            context,
            settings.transport,
            remedy: "check the container and that \(settings.endpoint) can be reached"
        )
    }

    func stat(_ name: String, namespace: Namespace) async throws -> BackendObject? {
        let key = try key(of: name)
        do {
            let (response, _) = try await transport.collect("stat \(name)") {
                try request(.head, key)
            }
            guard let bytes = response.contentLength else {
                throw BackendError(
                    .failed,
                    what: "stat \(name) in \(self.name)",
                    why: "the answer does not say how long the blob is"
                )
            }
            return BackendObject(bytes: bytes)
        } catch let error as BackendError where error.code == .notFound { return nil }
    }

    func download(
        _ name: String,
        namespace: Namespace,
        into write: (ByteBuffer) async throws -> Void
    ) async throws {
        let key = try key(of: name)
        try await transport.download("read \(name)") { offset, first in
            var headers: HTTPFields = [:]
            if offset > 0 {
                headers[.known("x-ms-range")] = "bytes=\(offset)-"
                // Only of the same version.
                headers[.ifMatch] = first?[.eTag]
            }
            var request = try request(.get, key, headers: headers)
            request.acceptedStatuses = [200, 206]
            request.timeout = TransportSettings.downloadTimeout
            request.isBulk = true
            return request
        } into: {
            try await write($0)
        }
    }

    func delete(_ name: String, namespace: Namespace) async throws {
        let key = try key(of: name)
        _ = try await transport.collect("remove \(name)") {
            var request = try request(.delete, key)
            request.acceptedStatuses = [202, 404]
            return request
        }
    }

    func list(_ request: BackendListRequest) async throws -> BackendListPage {
        let prefix = try keys.prefix(of: request)
        let wanted = request.limit.map { max(1, $0) } ?? .max
        let begin = request.token.map(AzurePageToken.init)
        var marker = begin?.marker ?? ""
        var found: [(name: String, marker: String)] = []
        while true {
            let page = try await page(prefix: prefix, marker: marker)
            for key in page.keys {
                guard let name = keys.name(at: key, for: request) else { continue }
                if let begin, !lists(begin.name, before: name) { continue }
                found.append((name, marker))
            }
            let names = found.prefix(wanted).map(\.name)
            if found.count > wanted, let last = found.prefix(wanted).last {
                let token = AzurePageToken(name: last.name, marker: last.marker)
                return BackendListPage(names: names, nextToken: token.text)
            }
            guard !page.next.isEmpty else { return BackendListPage(names: names) }
            marker = page.next
        }
    }

    func lists(_ first: String, before second: String) -> Bool {
        settings.namePath.pathOrder(AzurePageToken(first).name, AzurePageToken(second).name)
    }

    func close() async {}

    // MARK: - Requests

    /// The name of the blob for the object `name`.
    func key(of name: String) throws -> String {
        try keys.key(of: name)
    }

    private var keys: ObjectKeys {
        ObjectKeys(prefix: settings.prefix, namePath: settings.namePath)
    }

    /// A signed request for the blob `key`, or for the container when nil.
    func request(
        _ method: HTTPRequest.Method,
        _ key: String?,
        query: [(name: String, value: String)] = [],
        headers: HTTPFields = [:],
        body: ClientRequest.Body = .none,
        bodyBytes: Int = 0
    ) throws -> ClientRequest {
        let authority = TransportHops.authority(of: settings.endpoint)
        let segments =
            [settings.container] + (key.map { $0.split(separator: "/").map(String.init) } ?? [])
        let path =
            settings.endpoint.dropFirst(authority.count)
            + segments.map { "/" + PercentCoding.encode($0) }.joined()
        var headers = headers
        headers[.known("x-ms-version")] = AzureRequest.version
        headers[.known("x-ms-date")] = HTTPDate.text(
            unixSeconds: Int(Timestamp.now.unixNanoseconds / 1_000_000_000)
        )
        let signing = AzureRequest(
            method: method.rawValue,
            account: settings.account,
            path: String(path),
            query: query,
            headers: headers,
            bodyBytes: bodyBytes
        )
        var suffix = signing.encodedQuery
        switch settings.login {
        case .key(let key): headers = signing.signed(by: key)
        case .sharedAccess(let signature): suffix += (suffix.isEmpty ? "" : "&") + signature
        }
        return ClientRequest(
            method,
            "\(authority)\(path)\(suffix.isEmpty ? "" : "?\(suffix)")",
            headers: headers,
            body: body,
            timeout: settings.transport.timeout(sending: bodyBytes)
        )
    }

    private func page(
        prefix: String,
        marker: String
    ) async throws -> (keys: [String], next: String) {
        var query = [
            (name: "comp", value: "list"), (name: "maxresults", value: "\(settings.listKeysMax)"),
            (name: "prefix", value: prefix), (name: "restype", value: "container"),
        ]
        if !marker.isEmpty { query.append((name: "marker", value: marker)) }
        let what = "list \(prefix)"
        let (_, body) = try await transport.collect(what) { try request(.get, nil, query: query) }
        let document = try XMLElement.parse(
            body,
            "\(what) in \(name)",
            root: ["EnumerationResults"]
        )
        let blobs = document.first("Blobs")?.all("Blob") ?? []
        return (blobs.compactMap { $0.text(of: "Name") }, document.text(of: "NextMarker") ?? "")
    }
}

/// Where a list goes on: Azure goes on at the beginnings of its own pages only, so the last name is remembered, too.
struct AzurePageToken: Hashable, Sendable {
    var name: String
    var marker: String

    private static let separator: Character = "\u{1f}"

    /// The place after `name` on the page of `marker`.
    init(name: String, marker: String) { (self.name, self.marker) = (name, marker) }

    /// Reads what ``text`` wrote, or a name.
    init(_ text: String) {
        let parts = text.split(
            separator: Self.separator,
            maxSplits: 1,
            omittingEmptySubsequences: false
        )
        name = String(parts[0])
        marker = parts.count > 1 ? String(parts[1]) : ""
    }

    /// The token as text.
    var text: String { "\(name)\(Self.separator)\(marker)" }
}
