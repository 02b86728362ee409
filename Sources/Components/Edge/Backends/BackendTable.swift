// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
package import Content

/// Which backend stores what: rows of patterns, of which the first that is found in a namespace
/// wins.
/// - Source: uber/kraken lib/backend/manager.go.
package struct BackendTable: Sendable {
    private let rows: [Row]

    private struct Row: Sendable {
        let pattern: NamespacePattern
        let backend: any Backend
        let gates: BandwidthGates?
        let mustBeReady: Bool
    }

    /// The table of `rules`; equal configurations share a backend.
    /// - Throws: ``BackendError`` `.invalidConfiguration` when a pattern can't be read;
    ///   `ConfigurationError` when a backend's settings can't.
    package init(rules: [BackendRule], context: BackendContext) throws {
        var made: [BackendConfiguration: any Backend] = [:]
        rows = try rules.map { rule in
            let backend =
                try made[rule.backend]
                ?? Self.measured(
                    BackendCatalog.settings(rule.backend).makeBackend(context),
                    context
                )
            made[rule.backend] = backend
            let gates = rule.bandwidth.map(BandwidthGates.init)
            return Row(
                pattern: try NamespacePattern(rule.namespacePattern),
                backend: gates.map { ThrottledBackend(backend, $0) } ?? backend,
                gates: gates,
                mustBeReady: rule.mustBeReady
            )
        }
    }

    private static func measured(
        _ backend: any Backend,
        _ context: BackendContext
    ) -> any Backend {
        guard let (component, registry) = context.measures else { return backend }
        return MeteredBackend(
            backend,
            BackendMeasures(of: backend.name, component: component, in: registry)
        )
    }

    /// One backend for every namespace.
    package init(_ backend: any Backend) throws {
        rows = [
            Row(
                pattern: try NamespacePattern(".*"),
                backend: backend,
                gates: nil,
                mustBeReady: false
            )
        ]
    }

    /// The backend of `namespace`.
    /// - Throws: ``BackendError`` `.noBackend` when no row matches.
    package func backend(for namespace: Namespace) throws -> any Backend {
        try backend(for: namespace.name)
    }

    /// The backend of what `text` is found to be; lists have prefixes, even the empty one, for a
    /// namespace.
    /// - Throws: ``BackendError`` `.noBackend` when no row matches.
    package func backend(for text: String) throws -> any Backend {
        if text == NoopBackend.namespace { return NoopBackend() }
        guard let row = rows.first(where: { $0.pattern.isFound(in: text) }) else {
            throw BackendError(
                .noBackend,
                what: "find the backend of \(text.isEmpty ? "the empty namespace" : text)",
                why: "no pattern in the backend table matches it",
                remedy: "add a row to backends, for example with the namespace .*"
            )
        }
        return row.backend
    }

    /// All backends, each once, in the order of their rows.
    package var backends: [any Backend] {
        var names: Set<String> = []
        return rows.map(\.backend).filter { names.insert($0.name).inserted }
    }

    /// The names of all backends, in the order of their rows.
    package var destinations: [String] {
        var names: [String] = []
        for row in rows where !names.contains(row.backend.name) { names.append(row.backend.name) }
        return names
    }

    /// What the backend of `namespace` is called, for queues, which keep apart what goes to different backends.
    package func destination(of namespace: Namespace) -> String {
        do { return try backend(for: namespace).name } catch { return "no backend" }
    }

    /// Whether every backend that must be ready answers; that it has no such object is an answer.
    /// - Throws: ``BackendError`` of the first that does not.
    package func checkReadiness(of purpose: BackendConfiguration.Purpose) async throws {
        let bytes = (0..<Digest.byteCount).map { _ in UInt8.random(in: .min ... .max) }
        guard let digest = Digest(bytes: bytes) else { return }
        let name = purpose == .blobs ? digest.hex : "readiness/probe:\(digest.hex)"
        for row in rows where row.mustBeReady {
            _ = try await row.backend.stat(name, namespace: try Namespace(name))
        }
    }

    /// Gives each of `memberCount` components that share a backend its part of the bandwidth.
    package func shareBandwidth(among memberCount: Int) {
        for row in rows { row.gates?.share(among: memberCount) }
    }

    /// Closes every backend.
    package func close() async { for row in rows { await row.backend.close() } }
}
