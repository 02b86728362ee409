// SPDX-License-Identifier: Apache-2.0

/// One character position: eight bytes, compared to find what changed.
package struct Cell: Hashable, Sendable {
    /// How a cell differs from its role's plain look.
    package struct Flags: OptionSet, Hashable, Sendable {
        /// One bit for each way.
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        /// Foreground and background change places: selected, or the tab in front.
        package static let reverse = Flags(rawValue: 1)
        package static let bold = Flags(rawValue: 2)
        package static let dim = Flags(rawValue: 4)
        package static let underline = Flags(rawValue: 8)
    }

    /// A scalar that takes exactly one column.
    package var glyph: UInt32
    private var roleValue: UInt16
    /// How it is set off.
    package var flags: Flags
    /// The role of the background plus one; 0 keeps the terminal's.
    private var backgroundValue: UInt8 = 0

    /// `glyph` in the look of `role`. What does not take exactly one column becomes `?`.
    package init(
        _ glyph: Unicode.Scalar,
        _ role: Role = .text,
        _ flags: Flags = [],
        background: Role? = nil
    ) {
        self.glyph = glyph.takesOneColumn ? glyph.value : 0x3F
        (roleValue, self.flags) = (role.rawValue, flags)
        self.background = background
    }

    /// An empty cell.
    package static let blank = Cell(" ")

    /// What the cell means.
    package var role: Role {
        get { Role(rawValue: roleValue) ?? .text }
        set { roleValue = newValue.rawValue }
    }

    /// The role that colours the background; only where 256 colours or more are to be had.
    package var background: Role? {
        get { backgroundValue == 0 ? nil : Role(rawValue: UInt16(backgroundValue) - 1) }
        set { backgroundValue = newValue.map { UInt8($0.rawValue + 1) } ?? 0 }
    }

    /// The glyph as a scalar.
    package var scalar: Unicode.Scalar { Unicode.Scalar(glyph) ?? "?" }
}

extension Unicode.Scalar {
    /// Whether terminals give the scalar exactly one column, as far as its block tells: printable ASCII, Latin, Greek,
    /// Cyrillic, punctuation, arrows, mathematical signs, boxes, blocks, shapes, dingbats and braille.
    ///
    /// Controls, combining and bidirectional marks, and what may be drawn in two columns, are not.
    package var takesOneColumn: Bool {
        switch value {
        case 0x20...0x7E: true
        case 0xA1...0x2FF where value != 0xAD: true
        case 0x370...0x482, 0x48A...0x52F:
            properties.generalCategory != .unassigned
        case 0x2010...0x2027, 0x2030...0x205E: true
        case 0x2070...0x209C, 0x20A0...0x20BF, 0x2100...0x214F: true
        case 0x2190...0x2319, 0x231C...0x2328, 0x232B...0x23E8: true
        case 0x2460...0x24FF, 0x2500...0x25FC: true
        case 0x25FF...0x2613: true
        case 0x2616...0x2647, 0x2654...0x267E, 0x2680...0x2692: true
        case 0x2691, 0x2694...0x26A0: true
        case 0x2701...0x2704, 0x2706...0x2709, 0x270C...0x2727: true
        case 0x2729...0x274B, 0x2756, 0x2758...0x2794, 0x2798...0x27AF: true
        case 0x27B1...0x27BE, 0x27C0...0x27E5, 0x27F0...0x2B1A: true
        default: false
        }
    }
}

extension String {
    /// The text with everything that is not one column wide replaced: controls by `·`, the rest by `?`. Text from other
    /// machines goes through this before it reaches a frame, so that it can neither move the cursor nor shear the grid.
    package var oneColumnPerScalar: String {
        var scalars = String.UnicodeScalarView()
        for scalar in unicodeScalars {
            if scalar.takesOneColumn {
                scalars.append(scalar)
            } else {
                scalars.append(scalar.isControl ? "·" : "?")
            }
        }
        return String(scalars)
    }
}

extension Unicode.Scalar {
    private static let firstPrintable: UInt32 = 0x20
    /// Whether it steers a terminal or the direction of text instead of showing.
    var isControl: Bool {
        value < Self.firstPrintable || (0x7F...0x9F).contains(value)
            || (0x200B...0x200F).contains(value) || (0x202A...0x202E).contains(value)
            || (0x2060...0x206F).contains(value)
    }
}
