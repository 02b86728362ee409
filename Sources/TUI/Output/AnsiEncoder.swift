// SPDX-License-Identifier: Apache-2.0

/// Turns frames into what a terminal is sent to show them, without curses: for recordings and for frames in files.
package struct AnsiEncoder: Sendable {
    private var theme: Theme
    private let depth: ColorDepth
    private var shown: Frame?
    /// Where the cursor shows; nil while it is hidden. Terminals begin with one that shows.
    private var cursor: Point?
    private var knowsCursor = false

    /// An encoder for a terminal with `depth` colours that shows nothing yet.
    package init(theme: Theme.Name, depth: ColorDepth) {
        (self.theme, self.depth) = (Theme.named(theme), depth)
    }

    /// Other colours from the next frame on, which is then sent whole.
    package mutating func change(to theme: Theme.Name) {
        guard theme != self.theme.name else { return }
        self.theme = Theme.named(theme)
        shown = nil
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
        encodeCursor(frame.cursor, hasMoved: !text.isEmpty, &text)
        return text
    }

    /// Shows the cursor where it belongs; `hasMoved` says that drawing has put it elsewhere.
    private mutating func encodeCursor(_ wanted: Point?, hasMoved: Bool, _ text: inout String) {
        defer { (cursor, knowsCursor) = (wanted, true) }
        guard let wanted else {
            if cursor != nil || !knowsCursor { text += "\u{1B}[?25l" }
            return
        }
        if wanted != cursor || hasMoved { text += "\u{1B}[\(wanted.y + 1);\(wanted.x + 1)H" }
        if cursor == nil || !knowsCursor { text += "\u{1B}[?25h" }
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
        let own = theme.look(of: look.role, depth: depth)
        let flags = look.flags.union(own.flags)
        if flags.contains(.bold) { codes.append("1") }
        if flags.contains(.dim) { codes.append("2") }
        if flags.contains(.underline) { codes.append("4") }
        if flags.contains(.reverse) { codes.append("7") }
        codes += color(own.color, base: 30)
        if let background = look.background {
            codes += color(theme.look(of: background, depth: depth).color, base: 40)
        }
        return codes
    }

    /// The codes of a colour; `base` is 30 for the foreground and 40 for the background.
    private func color(_ color: UInt32?, base: Int) -> [String] {
        guard let color else { return [] }
        switch depth {
        case .mono: return []
        case .ansi8, .ansi16:
            return ["\(color < 8 ? base + Int(color) : base + 60 + Int(color) - 8)"]
        case .indexed256: return ["\(base + 8)", "5", "\(color)"]
        case .truecolor:
            return [
                "\(base + 8)", "2", "\(color >> 16 & 255)", "\(color >> 8 & 255)",
                "\(color & 255)",
            ]
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
