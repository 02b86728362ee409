// SPDX-License-Identifier: Apache-2.0

package import Content
package import NIOCore

/// Holds nothing and takes everything: what the namespace `__noop__` is stored in, for caches
/// without a backend.
/// - Source: uber/kraken lib/backend/noop.go.
package struct NoopBackend: Backend {
    /// The namespace that always means this backend.
    package static let namespace = "__noop__"

    package var name: String { "noop" }

    /// The backend without storage.
    package init() {}

    package func stat(_ name: String, namespace: Namespace) async throws -> BackendObject? { nil }

    package func download(
        _ name: String,
        namespace: Namespace,
        into write: (ByteBuffer) async throws -> Void
    ) async throws { throw BackendError.notFound(name, in: self.name) }

    package func upload(
        _ name: String,
        namespace: Namespace,
        from source: BackendSource
    ) async throws {}

    package func delete(_ name: String, namespace: Namespace) async throws {}

    package func list(_ request: BackendListRequest) async throws -> BackendListPage {
        BackendListPage(names: [])
    }

    package func close() async {}
}
