// SPDX-License-Identifier: Apache-2.0

import Backends
import ClusterConfiguration
import Content

/// Which remotes shall have which tags.
struct ReplicationRemotes: Sendable {
    /// Where a tag goes.
    enum Destination: Sendable {
        /// The build-index of another cluster.
        case cluster(address: String)
        /// A registry, with whose turn it is to change it.
        case registry(RegistryDestination, RegistryTurns)
    }

    private struct Row {
        let name: String
        let patterns: [NamespacePattern]
        let destination: Destination
    }

    private let rows: [Row]

    /// The remotes of a configuration; registries are asked as `context` has it.
    /// - Throws: `BackendError` for a pattern, `ConfigurationError` for a registry.
    init(_ remotes: [TagRemote], context: BackendContext) throws {
        rows = try remotes.map { remote in
            let destination: Destination =
                if let registry = remote.registry {
                    .registry(try RegistryDestination(registry, context: context), .init())
                } else {
                    .cluster(address: remote.name)
                }
            return Row(
                name: remote.name,
                patterns: try remote.patterns.map { try NamespacePattern($0) },
                destination: destination
            )
        }
    }

    /// What all remotes are called.
    var names: Set<String> { Set(rows.map(\.name)) }

    /// Those that shall have `tag`, each once.
    func matching(_ tag: QualifiedTag) -> [String] {
        let name = tag.description
        return rows.filter { row in
            row.patterns.contains { $0.isFound(in: name) } && row.destination.takes(tag)
        }.map(\.name).sorted()
    }

    /// Where what goes to the remote `name` goes; nil when there is none of that name.
    func destination(_ name: String) -> Destination? {
        rows.first { $0.name == name }?.destination
    }
}

extension ReplicationRemotes.Destination {
    /// Whether it has a place for `tag`.
    fileprivate func takes(_ tag: QualifiedTag) -> Bool {
        guard case .registry(let registry, _) = self else { return true }
        switch ReservedTag(tag.tag) {
        // What it has been pushed it keeps, and content has its names by its bytes.
        case .pushed, .alias: return false
        case .referrer, .deleted, nil: return registry.repository(tag.repository) != nil
        }
    }
}
