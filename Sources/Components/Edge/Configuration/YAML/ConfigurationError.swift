// SPDX-License-Identifier: Apache-2.0

/// Something in a configuration that cannot be used: where it stands, what is wrong, what would be right.
package struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file; empty when the value came from elsewhere, as from the command line.
    package let file: String
    /// The line in it, from 1; nil when the defect has no line, as when the file cannot be read.
    package let line: Int?
    /// The key, with the keys above it: `scheduler.conn_tti`; empty for the document itself.
    package let key: String
    /// What is wrong.
    package let why: String
    /// What to do; nil when ``why`` says enough.
    package let remedy: String?

    /// `key` at `line` of `file` is unusable because of `why`.
    package init(
        file: String = "",
        line: Int? = nil,
        key: String = "",
        why: String,
        remedy: String? = nil
    ) {
        (self.file, self.line, self.key) = (file, line, key)
        (self.why, self.remedy) = (why, remedy)
    }

    /// `file:line: key: why; remedy`.
    package var description: String {
        var place = file
        if let line { place += ":\(line)" }
        let parts = [place, key, why].filter { !$0.isEmpty }
        return parts.joined(separator: ": ") + (remedy.map { "; \($0)" } ?? "")
    }
}
