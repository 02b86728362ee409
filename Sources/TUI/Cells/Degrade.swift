// SPDX-License-Identifier: Apache-2.0

/// Screens are drawn with all glyphs; what a terminal lacks is replaced afterwards, by one table.
extension Frame {
    /// Replaces the glyphs that `set` lacks.
    package mutating func degrade(to set: GlyphSet) {
        switch set {
        case .braille: break
        case .block:
            mapGlyphs { cell in
                Braille.dots(cell).map(Braille.quadrants) ?? cell.scalar
            }
        case .console:
            mapGlyphs { cell in
                Braille.dots(cell).map(Console.halves) ?? Console.replacement(cell)
            }
        case .ascii:
            mapGlyphs { cell in
                if let dots = Braille.dots(cell) { return Braille.density(dots) }
                // Held in part: the role tells how much more finely than the glyph does.
                return Ascii.partDigit(cell) ?? Ascii.replacement(cell.scalar)
            }
        }
    }

    /// Replaces every glyph beyond ASCII.
    private mutating func mapGlyphs(_ glyph: (Cell) -> Unicode.Scalar) {
        mapCells { cell in
            guard cell.glyph > 0x7E else { return cell }
            var cell = cell
            cell.glyph = glyph(cell).value
            return cell
        }
    }
}

/// Eight dots in a cell, two wide and four high.
package enum Braille {
    package static let range: ClosedRange<UInt32> = 0x2800...0x28FF

    /// The dots of a cell that shows some; nil for other glyphs.
    static func dots(_ cell: Cell) -> UInt8? {
        range.contains(cell.glyph) ? UInt8(truncatingIfNeeded: cell.glyph) : nil
    }

    /// The bit of the dot at `x` (0 … 1), `y` (0 … 3).
    package static func bit(x: Int, y: Int) -> UInt8 {
        let left: [UInt8] = [0x01, 0x02, 0x04, 0x40]
        let right: [UInt8] = [0x08, 0x10, 0x20, 0x80]
        return x & 1 == 0 ? left[y & 3] : right[y & 3]
    }

    /// The scalar that shows `dots`.
    package static func scalar(_ dots: UInt8) -> Unicode.Scalar {
        Unicode.Scalar(0x2800 + UInt32(dots)) ?? " "
    }

    /// The quadrant block that covers `dots` best.
    static func quadrants(_ dots: UInt8) -> Unicode.Scalar { blocks[quarters(dots)] }

    /// Which quarters of the cell have a dot. Bit 0: top left, 1: top right, 2: bottom left, 3: bottom right.
    static func quarters(_ dots: UInt8) -> Int {
        var index = 0
        for (bit, mask) in [UInt8(0x03), 0x18, 0x44, 0xA0].enumerated() where dots & mask != 0 {
            index |= 1 << bit
        }
        return index
    }

    private static let blocks: [Unicode.Scalar] = [
        " ", "▘", "▝", "▀", "▖", "▌", "▞", "▛", "▗", "▚", "▐", "▜", "▄", "▙", "▟", "█",
    ]

    /// A character as dark as `dots`.
    static func density(_ dots: UInt8) -> Unicode.Scalar {
        switch dots.nonzeroBitCount {
        case 0: " "
        case 1...2: "."
        case 3...4: ":"
        case 5...6: "|"
        default: "#"
        }
    }
}

/// What the font of the Linux console has, which the kernel brings along: code page 437.
/// - Source: linux drivers/tty/vt/cp437.uni
enum Console {
    private static let glyphs = Set(
        ("·─│┌┐└┘├┤┬┴┼═║░▒▓█▀▄▌▐■•○◆▲▼►◄▶◀←→↑↓↔↕½¼×°²µ±≥≤Σ"
            + "äöüéèàâåçêëïîìÄÅÉæÆôòûùÿÖÜáíóúñÑ¿¡«»§¶").unicodeScalars
    )

    /// Half blocks for areas, and thin signs where lines pass. By ``Braille/quarters(_:)``.
    private static let halfBlocks: [Unicode.Scalar] = [
        " ", "'", "'", "▀", ".", "▌", "/", "█", ".", "\\", "▐", "█", "▄", "█", "█", "█",
    ]

    static func halves(_ dots: UInt8) -> Unicode.Scalar { halfBlocks[Braille.quarters(dots)] }

    static func replacement(_ cell: Cell) -> Unicode.Scalar {
        let scalar = cell.scalar
        if glyphs.contains(scalar) { return scalar }
        if let known = table[scalar] { return known }
        return Ascii.partDigit(cell) ?? Ascii.replacement(scalar)
    }

    private static let table: [Unicode.Scalar: Unicode.Scalar] = [
        "●": "•", "━": "═", "┃": "║", "┄": "·", "┊": "│", "╴": "─", "╶": "─",
        "▁": "_", "▂": "_", "▃": "▄", "▅": "▄", "▆": "█", "▇": "█",
        "▉": "█", "▊": "█", "▋": "▌", "▍": "▌", "▎": "│", "▏": "│",
        "▴": "▲", "▾": "▼", "▸": "►", "▹": "►", "◂": "◄", "◇": "◆", "□": "○", "⋯": "·",
    ]
}

/// ASCII for what screens draw.
enum Ascii {
    /// The tenths held, for a node whose role is a step of the ramp.
    static func partDigit(_ cell: Cell) -> Unicode.Scalar? {
        guard ["○", "◔", "◑", "◕"].contains(cell.scalar) else { return nil }
        guard cell.role.rawValue >= Role.part1.rawValue else {
            return ["○": "0", "◔": "2", "◑": "5", "◕": "7"][cell.scalar]
        }
        let step = Int(cell.role.rawValue - Role.part1.rawValue)
        return Unicode.Scalar(UInt8(ascii: "0") + UInt8(min(9, step * 10 / Role.partCount)))
    }

    static func replacement(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        if let known = table[scalar] { return known }
        switch scalar.value {
        case 0x2500...0x257F: return "+"
        case 0x2581...0x2588: return vertical[Int(scalar.value - 0x2581)]
        case 0x2589...0x258F: return scalar.value < 0x258D ? "=" : "-"
        case 0x2580, 0x2590...0x259F: return "#"
        default: return latin(scalar)
        }
    }

    private static let vertical: [Unicode.Scalar] = ["_", "_", ".", ".", "-", "=", "=", "#"]

    private static func latin(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        let plain =
            ["à": "a", "ä": "a", "é": "e", "è": "e", "ö": "o", "ü": "u"]
            as [Unicode.Scalar: Unicode.Scalar]
        return plain[scalar] ?? "?"
    }

    private static let table: [Unicode.Scalar: Unicode.Scalar] = [
        "─": "-", "━": "=", "│": "|", "┃": "|", "┌": "+", "┐": "+", "└": "+", "┘": "+",
        "├": "+", "┤": "+", "┬": "+", "┴": "+", "┼": "+", "┊": ":", "╴": "-", "╶": "-",
        "●": "#", "◆": "O", "✕": "x", "▲": "!", "▴": "^", "▾": "v", "▼": "v", "▶": ">",
        "◂": "<", "▸": ">", "▹": ">", "◀": "<", "·": ".", "…": "~", "—": "-", "–": "-",
        "›": ">", "‹": "<", "→": ">", "←": "<", "↑": "^", "↓": "v", "↵": "E", "⇧": "^",
        "⌫": "B", "✓": "v", "✎": "*", "⚑": "P", "⚠": "!", "❚": "|", "⟲": "R", "■": "#",
        "□": ".", "█": "#", "▓": "*", "▒": ":", "░": ".", "×": "x", "½": "h", "¼": "q",
        "¾": "q", "≥": ">", "≤": "<", "’": "'", "‘": "'", "“": "\"", "”": "\"", "°": "o",
        "²": "2", "µ": "u", "◇": "o", "★": "*", "↕": "|", "↔": "-", "⋯": ".", "−": "-",
    ]
}
