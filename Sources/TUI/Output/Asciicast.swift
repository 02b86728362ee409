// SPDX-License-Identifier: Apache-2.0

import Content

/// Lines of an asciicast v2 recording.
/// - Source: https://docs.asciinema.org/manual/asciicast/v2/
package enum Asciicast {
    /// The first line.
    package static func header(size: Size, unixSeconds: Int64, term: String) -> String {
        "{\"version\": 2, \"width\": \(size.width), \"height\": \(size.height), \"timestamp\": \(unixSeconds), "
            + "\"env\": {\"TERM\": \(quoted(term))}}\n"
    }

    /// What the terminal was sent, `seconds` after the beginning.
    package static func output(_ text: String, at seconds: Double) -> String {
        line(seconds, "o", text)
    }

    /// The terminal's new size.
    package static func resize(_ size: Size, at seconds: Double) -> String {
        line(seconds, "r", "\(size.width)x\(size.height)")
    }

    /// A moment worth finding again.
    package static func marker(_ label: String, at seconds: Double) -> String {
        line(seconds, "m", label)
    }

    private static func line(_ seconds: Double, _ code: String, _ text: String) -> String {
        "[\(Units.decimal(max(0, seconds), 3)), \"\(code)\", \(quoted(text))]\n"
    }

    private static func quoted(_ text: String) -> String { JSON.string(text).text }
}
