// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
import Content
import NIOCore

/// The keys of `shadow:`.
/// - Source: uber/kraken lib/backend/shadowbackend.
package struct ShadowSettings: BackendSettings {
    package static let kind = "shadow"

    private let active: any BackendSettings
    private let shadow: any BackendSettings

    /// Reads the keys.
    package init(
        _ table: inout ConfigurationTable,
        credentials: BackendCredentials
    ) throws(ConfigurationError) {
        active = try Self.settings(&table, "active_backend", credentials)
        shadow = try Self.settings(&table, "shadow_backend", credentials)
    }

    private static func settings(
        _ table: inout ConfigurationTable,
        _ key: String,
        _ credentials: BackendCredentials
    ) throws(ConfigurationError) -> any BackendSettings {
        let node = try table.require(key)
        var configuration = try node.backend()
        guard configuration.kind != kind else { throw node.defect("a shadow has no shadow") }
        configuration.credentials = credentials.node
        return try BackendCatalog.settings(configuration)
    }

    package func makeBackend(_ context: BackendContext) -> any Backend {
        ShadowBackend(active: active.makeBackend(context), shadow: shadow.makeBackend(context))
    }
}

/// Two backends, of which one is used and the other kept equal, for moving from one to the other.
struct ShadowBackend: Backend {
    let active: any Backend
    let shadow: any Backend

    var name: String { "\(active.name) with the shadow \(shadow.name)" }

    /// What both have. An object that only one has is missing, so that it is written again, to both.
    func stat(_ name: String, namespace: Namespace) async throws -> BackendObject? {
        let object = try await active.stat(name, namespace: namespace)
        guard try await shadow.stat(name, namespace: namespace) != nil else { return nil }
        return object
    }

    func download(
        _ name: String,
        namespace: Namespace,
        into write: (ByteBuffer) async throws -> Void
    ) async throws {
        try await active.download(name, namespace: namespace, into: write)
    }

    func upload(_ name: String, namespace: Namespace, from source: BackendSource) async throws {
        try await active.upload(name, namespace: namespace, from: source)
        try await shadow.upload(name, namespace: namespace, from: source)
    }

    func delete(_ name: String, namespace: Namespace) async throws {
        try await active.delete(name, namespace: namespace)
        try await shadow.delete(name, namespace: namespace)
    }

    func list(_ request: BackendListRequest) async throws -> BackendListPage {
        try await active.list(request)
    }

    func lists(_ first: String, before second: String) -> Bool {
        active.lists(first, before: second)
    }

    func close() async {
        await active.close()
        await shadow.close()
    }
}
