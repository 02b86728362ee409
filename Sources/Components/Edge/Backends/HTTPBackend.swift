// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
import Content
import HTTPKit
import HTTPTypes
import NIOCore

/// The keys of `http:`.
/// - Source: uber/kraken lib/backend/httpbackend.
package struct HTTPBackendSettings: BackendSettings {
    package static let kind = "http"

    /// Where an object lies: `%s` or `{name}` stands for its name, `{namespace}` for its namespace.
    let template: String
    let transport: TransportSettings

    /// Reads the keys.
    package init(
        _ table: inout ConfigurationTable,
        credentials: BackendCredentials
    ) throws(ConfigurationError) {
        let node = try table.require("download_url")
        template = try node.text()
        guard template.hasPrefix("http://") || template.hasPrefix("https://"),
            template.contains("%s") || template.contains("{name}")
        else {
            throw node.defect(
                "\(template) is no template",
                remedy: "write it like https://host/blobs/%s; %s stands for the blob's digits"
            )
        }
        guard !TransportHops.authority(of: template).contains("@") else {
            throw node.defect("credentials in an address are not used, and would show in errors")
        }
        var transport = try TransportSettings(&table)
        transport.timeout = try table.duration("download_timeout") ?? transport.timeout
        self.transport = transport
        // Kraken never uploads; its back-off is here `attempts_max`.
        for key in ["upload_url", "download_backoff"] { _ = table.take(key) }
    }

    package func makeBackend(_ context: BackendContext) -> any Backend {
        HTTPBackend(self, context: context)
    }
}

/// A web server as a backend that can only be read.
struct HTTPBackend: Backend {
    private let settings: HTTPBackendSettings
    private let transport: BackendTransport

    var name: String { transport.backend }

    /// The server that `settings` name.
    init(_ settings: HTTPBackendSettings, context: BackendContext) {
        self.settings = settings
        transport = BackendTransport(
            backend: settings.template,
            context,
            settings.transport,
            remedy: "check that the server runs and download_url is right",
            hops: .redirects
        )
    }

    func stat(_ name: String, namespace: Namespace) async throws -> BackendObject? {
        let url = try url(of: name, namespace)
        let what = "stat \(name)"
        do {
            let (head, _) = try await transport.collect(what) {
                // Some servers know no HEAD.
                ClientRequest(
                    .head,
                    url,
                    timeout: settings.transport.timeout,
                    acceptedStatuses: [200, 403, 405, 501]
                )
            }
            if head.status.code == 200, let bytes = head.contentLength {
                return BackendObject(bytes: bytes)
            }
            let (first, _) = try await transport.collect(what, upTo: 1 << 20) {
                ClientRequest(
                    .get,
                    url,
                    headers: [.range: "bytes=0-0"],
                    timeout: settings.transport.timeout,
                    acceptedStatuses: [200, 206, 416]
                )
            }
            if first.status.code == 416 { return BackendObject(bytes: 0) }
            guard let bytes = ContentRange.total(first.headers) ?? first.contentLength else {
                throw BackendError(
                    .failed,
                    what: "\(what) in \(self.name)",
                    why: "the server does not say how long it is"
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
        let url = try url(of: name, namespace)
        try await transport.download("read \(name)") { offset, first in
            .part(of: url, from: offset, first)
        } into: {
            try await write($0)
        }
    }

    func upload(_ name: String, namespace: Namespace, from source: BackendSource) async throws {
        throw BackendError.unsupported(
            "write \(name)",
            self.name,
            remedy: "use another backend for namespaces that are pushed to"
        )
    }

    func list(_ request: BackendListRequest) async throws -> BackendListPage {
        throw BackendError.unsupported(
            "list \(request.prefix)",
            name,
            remedy: "use another backend where lists are needed"
        )
    }

    func close() async {}

    private func url(of name: String, _ namespace: Namespace) throws -> String {
        let path = try NamePath.identity.path(of: name).split(separator: "/").map {
            PercentCoding.encode($0)
        }.joined(separator: "/")
        return settings.template.replacing("%s", with: path).replacing("{name}", with: path)
            .replacing("{namespace}", with: PercentCoding.encode(namespace.name))
    }
}

extension ClientRequest {
    /// Asks for the bytes of `url` from `offset` on, of the version whose headers came first.
    static func part(
        of url: String,
        from offset: Int,
        _ first: HTTPFields?,
        headers: HTTPFields = [:]
    ) -> ClientRequest {
        var headers = headers
        if offset > 0 {
            headers[.range] = "bytes=\(offset)-"
            // Only of the same version; else the server sends the whole other one, which is refused.
            if let etag = first?[.eTag], !etag.hasPrefix("W/") { headers[.ifRange] = etag }
        }
        return ClientRequest(
            .get,
            url,
            headers: headers,
            timeout: TransportSettings.downloadTimeout,
            acceptedStatuses: [200, 206],
            isBulk: true
        )
    }
}
