// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Yams

/// Reads configuration files: YAML, `extends:` and the overlay of secrets.
/// - Source: uber/kraken utils/configutil.
package enum ConfigurationFile {
    /// Files in a chain of `extends:`; a longer one is taken for a mistake.
    package static let chainMax = 16

    /// The document at `path` laid over what it extends, with the document at `secrets` on top.
    /// - Throws: ``ConfigurationError`` with file and line.
    package static func load(
        _ path: String,
        secrets: String? = nil
    ) throws(ConfigurationError) -> ConfigurationNode {
        let warnings = ConfigurationWarnings()
        var document = try load(path, extendedBy: [], warnings)
        if let secrets {
            document = document.merged(with: try load(secrets, extendedBy: [], warnings))
        }
        return document
    }

    /// The document in `text`; `file` names it in errors. `extends:` is not followed.
    /// - Throws: ``ConfigurationError`` with file and line.
    package static func parse(
        _ text: String,
        file: String,
        warnings: ConfigurationWarnings = ConfigurationWarnings()
    ) throws(ConfigurationError) -> ConfigurationNode {
        do {
            let root = try Yams.compose(yaml: text)
            guard let root else {
                let empty = ConfigurationNode.Value.mapping([])
                return node(holding: empty, file: file, line: 1, path: "", warnings)
            }
            let document = try convert(root, file: file, path: "", line: 1, warnings)
            switch document.value {
            case .mapping: return document
            case .null: return node(holding: .mapping([]), file: file, line: 1, path: "", warnings)
            case .scalar, .list: throw document.defect("expected keys and values")
            }
        } catch let error as ConfigurationError {
            throw error
        } catch {
            throw syntaxError(error, file: file)
        }
    }

    private static func load(
        _ path: String,
        extendedBy chain: [String],
        _ warnings: ConfigurationWarnings
    ) throws(ConfigurationError) -> ConfigurationNode {
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw ConfigurationError(
                file: path,
                why: "cannot be read as UTF-8 text",
                remedy: "check that it exists and is readable"
            )
        }
        let document = try parse(text, file: path, warnings: warnings)
        var table = try document.table()
        guard let base = table.take("extends") else { return document }
        let basePath = resolve(try base.text(), relativeTo: path)
        guard !chain.contains(basePath), basePath != path else {
            throw base.defect("\(basePath) extends itself")
        }
        guard chain.count < chainMax else {
            throw base.defect("more than \(chainMax) files extend one another")
        }
        return try load(basePath, extendedBy: chain + [path], warnings)
            .merged(with: document.without("extends"))
    }

    private static func resolve(_ base: String, relativeTo file: String) -> String {
        guard !base.hasPrefix("/"), let slash = file.lastIndex(of: "/") else { return base }
        return String(file[...slash]) + base
    }

    // MARK: - From Yams's tree to ours

    private static func node(
        holding value: ConfigurationNode.Value,
        file: String,
        line: Int,
        path: String,
        _ warnings: ConfigurationWarnings
    ) -> ConfigurationNode {
        ConfigurationNode(value: value, file: file, line: line, path: path, warnings: warnings)
    }

    private static func convert(
        _ source: Node,
        file: String,
        path: String,
        line: Int,
        _ warnings: ConfigurationWarnings
    ) throws(ConfigurationError) -> ConfigurationNode {
        let line = source.mark?.line ?? line
        switch source {
        case .scalar(let scalar):
            let isPlain = scalar.style == .plain || scalar.style == .any
            let isNull = isPlain && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
            let value = isNull ? ConfigurationNode.Value.null : .scalar(scalar.string)
            return node(holding: value, file: file, line: line, path: path, warnings)
        case .sequence(let sequence):
            var elements: [ConfigurationNode] = []
            for (index, element) in sequence.enumerated() {
                let inner = "\(path)[\(index)]"
                elements.append(
                    try convert(element, file: file, path: inner, line: line, warnings)
                )
            }
            return node(holding: .list(elements), file: file, line: line, path: path, warnings)
        case .mapping(let mapping):
            let entries = try convert(mapping, file: file, path: path, line: line, warnings)
            return node(holding: .mapping(entries), file: file, line: line, path: path, warnings)
        case .alias:
            throw ConfigurationError(file: file, line: line, key: path, why: "unresolved alias")
        }
    }

    private static func convert(
        _ mapping: Node.Mapping,
        file: String,
        path: String,
        line: Int,
        _ warnings: ConfigurationWarnings
    ) throws(ConfigurationError) -> [ConfigurationNode.Entry] {
        var entries: [ConfigurationNode.Entry] = []
        for (key, value) in mapping {
            let keyLine = key.mark?.line ?? line
            guard case .scalar(let scalar) = key else {
                throw ConfigurationError(
                    file: file,
                    line: keyLine,
                    key: path,
                    why: "a key must be a plain text"
                )
            }
            let inner = path.isEmpty ? scalar.string : "\(path).\(scalar.string)"
            let converted = try convert(value, file: file, path: inner, line: keyLine, warnings)
            // `<<: *base` brings in the keys of a mapping that the document itself does not set.
            if scalar.string == "<<", case .mapping(let inherited) = converted.value {
                entries += inherited.filter { entry in
                    !entries.contains { $0.key == entry.key } && mapping[entry.key] == nil
                }
                continue
            }
            entries.append(
                .init(key: scalar.string, line: keyLine, file: file, value: converted)
            )
        }
        return entries
    }

    /// What Yams says, in our words.
    private static func syntaxError(_ error: any Error, file: String) -> ConfigurationError {
        switch error {
        case YamlError.scanner(_, let problem, let mark, _),
            YamlError.parser(_, let problem, let mark, _),
            YamlError.composer(_, let problem, let mark, _):
            return ConfigurationError(file: file, line: mark.line, why: "not YAML: \(problem)")
        case YamlError.duplicatedKeysInMapping(let keys, let context):
            return ConfigurationError(
                file: file,
                line: context.mark.line,
                why: "key given twice: \(keys.joined(separator: ", "))"
            )
        default:
            return ConfigurationError(file: file, why: "not YAML: \(error)")
        }
    }
}
