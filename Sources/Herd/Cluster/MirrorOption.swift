// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration

/// A registry that `herd up --mirror` mirrors: `docker.io`, or `name=URL`.
struct MirrorOption: Hashable, Sendable, ExpressibleByArgument {
    /// What clients call it.
    let registry: MirroredRegistry
    /// Where it is asked, with `http://` where it has no TLS.
    let address: String

    /// Reads the option; nil when it is something else.
    init?(argument text: String) {
        let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
        guard let name = parts.first, !name.contains("/"),
            name.contains(where: { ".:".contains($0) })
        else { return nil }
        var registry = MirroredRegistry(name.lowercased())
        // Docker's mirrors are for this one, and it does not say so.
        registry.isDefault = name == Self.hub
        self.registry = registry
        var address = parts.count > 1 ? parts[1] : name == Self.hub ? Self.hubAddress : name
        while address.hasSuffix("/") { address.removeLast() }
        guard !address.isEmpty else { return nil }
        self.address = address
    }

    private static let hub = "docker.io"
    private static let hubAddress = "registry-1.docker.io"

    /// The row of a backend table for what is below its prefix.
    func rule(_ purpose: BackendConfiguration.Purpose) -> BackendRule {
        let pattern = "^" + registry.prefix.replacing(".", with: #"\."#) + "/"
        let kind = purpose == .blobs ? "registry_blob" : "registry_tag"
        return BackendRule(
            namespacePattern: pattern,
            backend: BackendConfiguration(
                kind: kind,
                [("address", address), ("prefix", registry.prefix)]
            )
        )
    }
}
