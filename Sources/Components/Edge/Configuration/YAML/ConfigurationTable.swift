// SPDX-License-Identifier: Apache-2.0

package import Primitives

/// A mapping that is read key by key and knows, in the end, which keys nobody asked for.
///
/// Every getter answers nil for an absent or empty key, so a default stands where the key is read:
/// `policy.seederIdle = try table.duration("seeder_tti") ?? policy.seederIdle`. Call ``finish(ignoring:)`` last.
package struct ConfigurationTable {
    private let node: ConfigurationNode
    private let entries: [ConfigurationNode.Entry]
    private var asked: Set<String> = []

    init(node: ConfigurationNode, entries: [ConfigurationNode.Entry]) {
        (self.node, self.entries) = (node, entries)
    }

    /// The keys of the file in their order.
    package var keys: [String] { entries.map(\.key) }

    /// An error about the mapping as a whole.
    package func defect(_ why: String, remedy: String? = nil) -> ConfigurationError {
        node.defect(why, remedy: remedy)
    }

    /// The node under `key`; nil when absent or empty. Marks the key as known.
    package mutating func take(_ key: String) -> ConfigurationNode? {
        asked.insert(key)
        guard let value = entries.last(where: { $0.key == key })?.value else { return nil }
        if case .null = value.value { return nil }
        return value
    }

    /// The node under `key`.
    /// - Throws: ``ConfigurationError`` when the key is absent.
    package mutating func require(_ key: String) throws(ConfigurationError) -> ConfigurationNode {
        guard let value = take(key) else { throw node.defect("the key \(key) is missing") }
        return value
    }

    /// The text under `key`.
    package mutating func text(_ key: String) throws(ConfigurationError) -> String? {
        try take(key)?.text()
    }

    /// The integer under `key`, which must lie in `range`.
    package mutating func integer(
        _ key: String,
        in range: ClosedRange<Int> = 0...Int.max
    ) throws(ConfigurationError) -> Int? {
        try take(key)?.integer(in: range)
    }

    /// The truth value under `key`.
    package mutating func flag(_ key: String) throws(ConfigurationError) -> Bool? {
        try take(key)?.flag()
    }

    /// The duration under `key`; zero means absent, as in Kraken.
    package mutating func duration(_ key: String) throws(ConfigurationError) -> Duration? {
        guard let duration = try take(key)?.duration(), duration > .zero else { return nil }
        return duration
    }

    /// The size under `key`.
    package mutating func size(_ key: String) throws(ConfigurationError) -> ByteCount? {
        try take(key)?.size()
    }

    /// The sub-mapping under `key`.
    package mutating func table(_ key: String) throws(ConfigurationError) -> ConfigurationTable? {
        try take(key)?.table()
    }

    /// Checks that every key of the file was asked for. Those in `ignored` get one warning together: Kraken has them,
    /// Herd does without.
    /// - Throws: ``ConfigurationError`` at the first unknown key, with the nearest known one.
    package func finish(ignoring ignored: [String] = []) throws(ConfigurationError) {
        var skipped: [ConfigurationNode.Entry] = []
        for entry in entries where !asked.contains(entry.key) {
            if ignored.contains(entry.key) {
                skipped.append(entry)
                continue
            }
            let nearest = NearestWord.to(entry.key, among: asked.union(ignored).sorted())
            throw ConfigurationError(
                file: entry.file,
                line: entry.line,
                key: entry.value.path,
                why: "unknown key",
                remedy: nearest.map { "did you mean \($0)?" }
            )
        }
        guard let first = skipped.first else { return }
        let names = skipped.map(\.key).joined(separator: ", ")
        let why = "without effect in Herd: \(names)"
        node.warnings.add(
            ConfigurationError(file: first.file, line: first.line, key: node.path, why: why)
        )
    }
}

/// Finds the word someone probably meant.
enum NearestWord {
    /// The word of `words` fewest edits away from `word`, if near enough to be worth a guess.
    static func to(_ word: String, among words: [String]) -> String? {
        let limit = max(2, word.count / 3)
        let scored = words.map { (distance(word, $0), $0) }
        guard let best = scored.min(by: { $0.0 < $1.0 }), best.0 <= limit else { return nil }
        return best.1
    }

    /// Insertions, deletions and replacements that turn `left` into `right` (Levenshtein).
    static func distance(_ left: String, _ right: String) -> Int {
        let (left, right) = (Array(left.utf8), Array(right.utf8))
        var row = Array(0...right.count)
        for (i, byte) in left.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, other) in right.enumerated() {
                let replaced = diagonal + (byte == other ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(replaced, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[right.count]
    }
}
