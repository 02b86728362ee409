// SPDX-License-Identifier: Apache-2.0

package import Telemetry

/// A configuration as its file would say it.
package enum SettingText {
    /// `settings` in YAML, sections indented; what is not the default has a pencil before it.
    package static func lines(_ settings: [SettingStatus]) -> [String] {
        var lines: [String] = []
        var open: [Substring] = []
        for setting in settings {
            // What comes in a row of a table is not cut at the dots of an address.
            let isRow = setting.key.hasPrefix("remotes.")
            let path = setting.key.split(separator: ".", maxSplits: isRow ? 1 : .max)
            guard let name = path.last else { continue }
            let sections = Array(path.dropLast())
            var depth = 0
            while depth < min(open.count, sections.count), open[depth] == sections[depth] {
                depth += 1
            }
            for section in sections[depth...] {
                lines.append(indent(depth, isChanged: false) + "\(section):")
                depth += 1
            }
            open = sections
            let mark = indent(sections.count, isChanged: setting.isChanged)
            lines.append("\(mark)\(name): \(setting.value)".oneColumnPerScalar)
        }
        return lines
    }

    private static func indent(_ depth: Int, isChanged: Bool) -> String {
        (isChanged ? "✎ " : "  ") + String(repeating: "  ", count: depth)
    }
}
