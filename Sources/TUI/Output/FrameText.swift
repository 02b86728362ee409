// SPDX-License-Identifier: Apache-2.0

/// Frames as text for files that people review: what is shown, then what each cell means.
package enum FrameText {
    /// A header line, the plane of glyphs, and the plane of roles with one letter for each cell.
    package static func golden(_ frame: Frame, title: String) -> String {
        var lines = ["# \(title) \(frame.size.width)x\(frame.size.height)"]
        lines += (0..<frame.size.height).map { "|" + frame.text(row: $0) }
        lines.append("# roles")
        lines += (0..<frame.size.height).map { "|" + roles(frame, row: $0) }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Letters of roles; reversed cells in the row below would cost too much: they show as `R`. Blanks show as blanks.
    private static func roles(_ frame: Frame, row y: Int) -> String {
        var text = ""
        for cell in frame.row(y) {
            if cell.flags.contains(.reverse) {
                text.append("R")
            } else {
                text.append(cell.glyph == 0x20 && cell.background == nil ? " " : cell.role.letter)
            }
        }
        while text.last == " " { text.removeLast() }
        return text
    }
}
