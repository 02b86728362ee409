// SPDX-License-Identifier: Apache-2.0

/// One value of a configuration file: what it holds, where it stands, and which keys lead to it.
///
/// Read a mapping through ``table()``, which notices keys that nobody asked for.
package struct ConfigurationNode: Sendable {
    /// What a node holds.
    package indirect enum Value: Sendable {
        /// Nothing: `key:` with no value, `~` or `null`. Reads as an absent key.
        case null
        /// A text as written, without its quotes.
        case scalar(String)
        /// A sequence.
        case list([ConfigurationNode])
        /// A mapping in the order of the file.
        case mapping([Entry])
    }

    /// A key of a mapping with its value.
    package struct Entry: Sendable {
        /// The key.
        package let key: String
        /// The line of the key, from 1.
        package let line: Int
        /// The file of the key: a base and what extends it differ.
        package let file: String
        /// Its value.
        package var value: ConfigurationNode
    }

    /// What it holds.
    package var value: Value
    /// The file it was read from.
    package let file: String
    /// The line it begins on, from 1.
    package let line: Int
    /// The keys that lead to it, joined by dots; empty for the whole document.
    package let path: String
    /// Where remarks on this document go.
    package let warnings: ConfigurationWarnings

    /// A node that holds `value`.
    package init(
        value: Value,
        file: String,
        line: Int,
        path: String,
        warnings: ConfigurationWarnings
    ) {
        (self.value, self.file, self.line) = (value, file, line)
        (self.path, self.warnings) = (path, warnings)
    }

    /// An error about this node.
    package func defect(_ why: String, remedy: String? = nil) -> ConfigurationError {
        ConfigurationError(file: file, line: line, key: path, why: why, remedy: remedy)
    }

    /// The elements of a sequence.
    /// - Throws: ``ConfigurationError`` when it is none.
    package func list() throws(ConfigurationError) -> [ConfigurationNode] {
        switch value {
        case .list(let elements): return elements
        case .null: return []
        case .scalar, .mapping: throw defect("expected a list", remedy: "write - before each entry")
        }
    }

    /// The mapping, ready to be read key by key.
    /// - Throws: ``ConfigurationError`` when it is none.
    package func table() throws(ConfigurationError) -> ConfigurationTable {
        switch value {
        case .mapping(let entries): return ConfigurationTable(node: self, entries: entries)
        case .null: return ConfigurationTable(node: self, entries: [])
        case .scalar, .list: throw defect("expected keys and values")
        }
    }

    /// `overlay` laid over this node: mappings merge key by key, everything else is replaced.
    /// - Source: uber/kraken utils/configutil: base files first, onto the same structure.
    package func merged(with overlay: ConfigurationNode) -> ConfigurationNode {
        guard case .mapping(var entries) = value, case .mapping(let upper) = overlay.value else {
            if case .null = overlay.value { return self }
            return overlay
        }
        for entry in upper {
            if let index = entries.firstIndex(where: { $0.key == entry.key }) {
                let merged = entries[index].value.merged(with: entry.value)
                entries[index] = Entry(
                    key: entry.key,
                    line: entry.line,
                    file: entry.file,
                    value: merged
                )
            } else {
                entries.append(entry)
            }
        }
        var result = overlay
        result.value = .mapping(entries)
        return result
    }

    /// The same document without the key `key` at its top.
    func without(_ key: String) -> ConfigurationNode {
        guard case .mapping(let entries) = value else { return self }
        var result = self
        result.value = .mapping(entries.filter { $0.key != key })
        return result
    }
}

extension ConfigurationNode {
    /// A mapping of `values` that comes from no file; `path` names it in errors.
    package init(values: [(key: String, value: String)], path: String) {
        let warnings = ConfigurationWarnings()
        func node(_ value: Value, _ path: String) -> ConfigurationNode {
            ConfigurationNode(value: value, file: "", line: 1, path: path, warnings: warnings)
        }
        let entries = values.map { key, value in
            Entry(key: key, line: 1, file: "", value: node(.scalar(value), "\(path).\(key)"))
        }
        self = node(.mapping(entries), path)
    }
}

// Nodes are equal when they say the same, wherever they stand.
extension ConfigurationNode: Hashable {
    package static func == (left: ConfigurationNode, right: ConfigurationNode) -> Bool {
        left.value == right.value
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(value) }
}

extension ConfigurationNode.Value: Hashable {}

extension ConfigurationNode.Entry: Hashable {
    package static func == (left: Self, right: Self) -> Bool {
        left.key == right.key && left.value == right.value
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(key)
        hasher.combine(value)
    }
}
