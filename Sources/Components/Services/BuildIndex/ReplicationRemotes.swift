// SPDX-License-Identifier: Apache-2.0

import Backends
import ClusterConfiguration
import Content
import Synchronization

/// Which remotes shall have which tags, as the configuration of the moment says.
final class ReplicationRemotes: Sendable {
    /// Where a tag goes.
    enum Destination: Sendable {
        /// The build-index of another cluster.
        case cluster(address: String)
        /// A registry, with whose turn it is to change it.
        case registry(RegistryDestination, RegistryTurns)
    }

    private struct Row {
        let remote: TagRemote
        let patterns: [NamespacePattern]
        let destination: Destination
    }

    private let context: BackendContext
    private let rows: Mutex<[Row]>

    /// The remotes of a configuration; registries are asked as `context` has it.
    /// - Throws: `BackendError` for a pattern, `ConfigurationError` for a registry.
    init(_ remotes: [TagRemote], context: BackendContext) throws {
        self.context = context
        rows = Mutex(try remotes.map { try Self.row($0, context) })
    }

    private static func row(
        _ remote: TagRemote,
        _ context: BackendContext,
        turns: RegistryTurns = RegistryTurns()
    ) throws -> Row {
        let destination: Destination =
            if let registry = remote.registry {
                .registry(try RegistryDestination(registry, context: context), turns)
            } else {
                .cluster(address: remote.name)
            }
        return Row(
            remote: remote,
            patterns: try remote.patterns.map { try NamespacePattern($0) },
            destination: destination
        )
    }

    /// What is to be done after a change.
    struct Change: Hashable, Sendable {
        /// Those that are new, or were changed.
        var changed: Set<String> = []
        /// Those that are no more.
        var removed: Set<String> = []
    }

    /// Makes `remotes` those that there are. What is under way to one of them goes on as it began.
    /// - Throws: as ``init(_:context:)``; then all stays as it was.
    func replace(by remotes: [TagRemote]) throws -> Change {
        let old = rows.withLock { $0 }
        var change = Change(removed: Set(old.map(\.remote.name)).subtracting(remotes.map(\.name)))
        let new = try remotes.map { remote -> Row in
            let before = old.first { $0.remote.name == remote.name }
            var turns = RegistryTurns()
            if let before {
                let isSame = before.remote == remote
                if case .registry(let registry, let own) = before.destination {
                    // Its files may say something else now.
                    if isSame && !registry.hasFiles { return before }
                    turns = own
                } else if isSame {
                    return before
                }
            }
            change.changed.insert(remote.name)
            return try Self.row(remote, context, turns: turns)
        }
        rows.withLock { $0 = new }
        return change
    }

    /// What all remotes are called.
    var names: Set<String> { Set(rows.withLock { $0.map(\.remote.name) }) }

    /// Those that shall have `tag`, each once.
    func matching(_ tag: QualifiedTag) -> [String] {
        let name = tag.description
        return rows.withLock { $0 }.filter { row in
            row.patterns.contains { $0.isFound(in: name) } && row.destination.takes(tag)
        }.map(\.remote.name).sorted()
    }

    /// Where what goes to the remote `name` goes; nil when there is none of that name.
    func destination(_ name: String) -> Destination? {
        rows.withLock { $0 }.first { $0.remote.name == name }?.destination
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
