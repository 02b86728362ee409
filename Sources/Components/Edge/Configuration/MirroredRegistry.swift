// SPDX-License-Identifier: Apache-2.0

import Content

/// Another registry that an agent answers for (`mirrors`).
package struct MirroredRegistry: Hashable, Sendable {
    /// What clients call it: `docker.io`, `registry.example.com:5000`.
    package var registry: String
    /// What its repositories' names begin with here, without the slash; empty for the cluster's own registry.
    package var prefix: String
    /// Whether repositories that clients name without a registry, and that the cluster does not have, are looked for there.
    package var isDefault = false

    /// The registry `registry`, under its own name here.
    package init(_ registry: String) {
        (self.registry, prefix) = (registry, Self.prefix(for: registry))
    }

    /// The name of a registry as the beginning of repositories' names, which have no colon.
    package static func prefix(for registry: String) -> String {
        registry.replacing(":", with: "_")
    }
}

extension MirroredRegistry {
    /// Reads `{registry: docker.io, prefix: …, default: true}`.
    init(_ node: ConfigurationNode) throws(ConfigurationError) {
        var table = try node.table()
        let name = try table.require("registry")
        self.init(try name.text().lowercased())
        let chosen = table.take("prefix")
        if let chosen { prefix = try chosen.text() }
        isDefault = try table.flag("default") ?? false
        try table.finish()
        guard !prefix.isEmpty else { return }
        do { _ = try RepositoryName(prefix) } catch {
            throw (chosen ?? name).defect(
                "\(prefix) can't begin a repository's name",
                remedy: "set prefix to something like docker.io"
            )
        }
    }
}
