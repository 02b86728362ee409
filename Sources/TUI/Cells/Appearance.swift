// SPDX-License-Identifier: Apache-2.0

/// Which glyphs a terminal shows.
package enum GlyphSet: String, CaseIterable, Codable, Sendable {
    /// All of ours, braille included.
    case braille
    /// Without braille: graphs use quadrants.
    case block
    /// What the Linux console's own font has: lines, shades, half blocks and a few signs.
    case console
    case ascii
}

/// How many colours a terminal has.
package enum ColorDepth: String, CaseIterable, Codable, Sendable, Comparable {
    case mono, ansi8, ansi16, indexed256, truecolor

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    package static func < (left: ColorDepth, right: ColorDepth) -> Bool { left.rank < right.rank }
}
