// SPDX-License-Identifier: Apache-2.0

extension ConfigurationNode {
    /// The keys, as paths, under which this document says something else than `other`; lists and texts are compared as wholes.
    package func changedKeys(since other: ConfigurationNode) -> Set<String> {
        Self.changes(self, other, at: path)
    }

    private static func changes(
        _ new: ConfigurationNode?,
        _ old: ConfigurationNode?,
        at path: String
    ) -> Set<String> {
        guard isSection(new), isSection(old), isMapping(new) || isMapping(old) else {
            return (new?.value ?? .null) == (old?.value ?? .null) ? [] : [path]
        }
        let (after, before) = (entries(new), entries(old))
        return Set(after.keys).union(before.keys).reduce(into: []) { keys, key in
            let inner = path.isEmpty ? key : "\(path).\(key)"
            keys.formUnion(changes(after[key], before[key], at: inner))
        }
    }

    private static func isMapping(_ node: ConfigurationNode?) -> Bool {
        if case .mapping = node?.value { true } else { false }
    }

    /// Whether it can be compared key by key: what is absent is like a mapping without keys.
    private static func isSection(_ node: ConfigurationNode?) -> Bool {
        switch node?.value {
        case nil, .null, .mapping: true
        case .scalar, .list: false
        }
    }

    private static func entries(_ node: ConfigurationNode?) -> [String: ConfigurationNode] {
        guard case .mapping(let entries) = node?.value else { return [:] }
        return Dictionary(entries.map { ($0.key, $0.value) }) { _, last in last }
    }
}
