// SPDX-License-Identifier: Apache-2.0

/// A regular expression over namespaces or tags, compiled once, searched for anywhere in the text.
///
/// Kraken's patterns are RE2's; every one of those that people write for namespaces means the same
/// here.
package struct NamespacePattern: Sendable {
    /// As configured.
    package let text: String
    // SAFETY: a Regex is immutable once made and searching it has no side effects; the standard
    // library only lacks the annotation because a Regex may hold closures, which one made of text
    // does not.
    private nonisolated(unsafe) let regex: Regex<AnyRegexOutput>
    private let matchesEverything: Bool

    /// The pattern `text`.
    /// - Throws: ``BackendError`` `.invalidConfiguration` with what is wrong.
    package init(_ text: String) throws(BackendError) {
        self.text = text
        matchesEverything = [".*", "", "^.*$", "^.*"].contains(text)
        do {
            regex = try Regex(text)
        } catch {
            throw BackendError(
                .invalidConfiguration,
                what: "read the namespace pattern \(text)",
                why: "\(error)",
                remedy: "write a regular expression, for example ^library/.*"
            )
        }
    }

    /// Whether the pattern is found in `namespace`.
    package func isFound(in namespace: String) -> Bool {
        if matchesEverything { return true }
        // A text regex has no transforms that could throw; were it to, it would not match.
        return (try? regex.firstMatch(in: namespace)) != nil
    }
}
