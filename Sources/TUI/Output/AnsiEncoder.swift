// SPDX-License-Identifier: Apache-2.0

/// Turns frames into what a terminal is sent to show them, without curses: for recordings and for frames in files.
package struct AnsiEncoder: Sendable {
    private let theme: Theme
    private let depth: ColorDepth
    private var shown: Frame?

    /// An encoder for a terminal with `depth` colours that shows nothing yet.
    package init(theme: Theme.Name, depth: ColorDepth) {
        (self.theme, self.depth) = (Theme.named(theme), depth)
    }

    /// What changes the screen from the frame before into `frame`; all of it the first time and after a change of size.
    package mutating func encode(_ frame: Frame) -> String {
        var text = ""
        let before = shown?.size == frame.size ? shown : nil
        if before == nil { text += "\u{1B}[0m\u{1B}[2J" }
        for y in 0..<frame.size.height {
            encodeRow(y, frame, before, &text)
        }
        if !text.isEmpty { text += "\u{1B}[0m" }
        shown = frame
        return text
    }

    /// Unchanged cells between two changed ones that are cheaper to send again than to jump over.
    private static let gapMax = 6

    private func encodeRow(_ y: Int, _ frame: Frame, _ before: Frame?, _ text: inout String) {
        var x = 0
        var look: Look?
        while x < frame.size.width {
            guard frame[x, y] != (before?[x, y] ?? .blank) else {
                x += 1
                continue
            }
            let start = x
            var end = x + 1
            var next = x + 1
            while next < frame.size.width, next - end < Self.gapMax {
                if frame[next, y] != (before?[next, y] ?? .blank) { end = next + 1 }
                next += 1
            }
            text += "\u{1B}[\(y + 1);\(start + 1)H"
            for column in start..<end { put(frame[column, y], &look, &text) }
            x = end
        }
    }

    /// What of a cell is sent besides its glyph.
    private struct Look: Equatable {
        var role: Role
        var background: Role?
        var flags: Cell.Flags
    }

    private func put(_ cell: Cell, _ look: inout Look?, _ text: inout String) {
        let wanted = Look(role: cell.role, background: cell.background, flags: cell.flags)
        if wanted != look {
            text += "\u{1B}[\(codes(wanted).joined(separator: ";"))m"
            look = wanted
        }
        text.unicodeScalars.append(cell.scalar)
    }

    private func codes(_ look: Look) -> [String] {
        var codes = ["0"]
        var flags = look.flags
        let style = theme.style(of: look.role)
        if depth == .mono || theme.name == .mono { flags.formUnion(style.mono) }
        if flags.contains(.bold) { codes.append("1") }
        if flags.contains(.dim) { codes.append("2") }
        if flags.contains(.underline) { codes.append("4") }
        if flags.contains(.reverse) { codes.append("7") }
        codes += color(style, base: 30)
        if let background = look.background {
            codes += color(theme.style(of: background), base: 40)
        }
        return codes
    }

    /// The codes of a colour; `base` is 30 for the foreground and 40 for the background.
    private func color(_ style: Theme.Style, base: Int) -> [String] {
        switch depth {
        case .mono: return []
        case .ansi16:
            guard let color = style.ansi else { return [] }
            return ["\(color < 8 ? base + Int(color) : base + 60 + Int(color) - 8)"]
        case .indexed256:
            guard let color = style.indexed else { return [] }
            return ["\(base + 8)", "5", "\(color)"]
        case .truecolor:
            guard let rgb = style.rgb else { return [] }
            return ["\(base + 8)", "2", "\(rgb >> 16 & 255)", "\(rgb >> 8 & 255)", "\(rgb & 255)"]
        }
    }

    /// `frame` line by line with colours, for a file that is shown by `cat`.
    package static func document(_ frame: Frame, theme: Theme.Name, depth: ColorDepth) -> String {
        let encoder = AnsiEncoder(theme: theme, depth: depth)
        var text = ""
        for y in 0..<frame.size.height {
            var look: Look?
            for cell in frame.row(y) { encoder.put(cell, &look, &text) }
            text += "\u{1B}[0m\n"
        }
        return text
    }
}
