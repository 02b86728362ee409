// SPDX-License-Identifier: Apache-2.0

/// Colours and attributes for every role at every depth of colour.
package struct Theme: Sendable {
    /// What themes are called.
    package enum Name: String, CaseIterable, Codable, Sendable { case dark, light, mono }

    /// How a role looks. A missing colour is the terminal's own.
    package struct Style: Equatable, Sendable {
        /// 0xRRGGBB.
        package var rgb: UInt32?
        /// A colour of the 256.
        package var indexed: UInt8?
        /// A colour of the first 16.
        package var ansi: UInt8?
        /// What it has without any colour.
        package var mono: Cell.Flags
        /// A look; what is left out is the terminal's own.
        package init(
            rgb: UInt32? = nil,
            indexed: UInt8? = nil,
            ansi: UInt8? = nil,
            mono: Cell.Flags = []
        ) {
            (self.rgb, self.indexed, self.ansi, self.mono) = (rgb, indexed, ansi, mono)
        }
    }

    package let name: Name
    private let styles: [Style]

    /// How `role` looks.
    package func style(of role: Role) -> Style { styles[Int(role.rawValue)] }

    /// A colour and attributes, for one depth of colour.
    package struct Look: Equatable, Sendable {
        /// 0xRRGGBB, or the number of a colour of the depth; nil is the terminal's own.
        package var color: UInt32?
        /// What a cell has besides.
        package var flags: Cell.Flags
    }

    /// How `role` looks on a terminal with `depth` colours.
    package func look(of role: Role, depth: ColorDepth) -> Look {
        let style = style(of: role)
        switch depth {
        case .mono: return Look(color: nil, flags: style.mono)
        case .ansi8:
            // There are no bright colours: bright black would be black, and be seen by nobody.
            let color = style.ansi.flatMap { $0 < 8 ? UInt32($0) : nil }
            let isPlain = color == nil || name == .mono
            return Look(color: color, flags: isPlain ? style.mono : [])
        case .ansi16: return look(style.ansi.map(UInt32.init), style)
        case .indexed256: return look(style.indexed.map(UInt32.init), style)
        case .truecolor: return look(style.rgb, style)
        }
    }

    private func look(_ color: UInt32?, _ style: Style) -> Look {
        Look(color: color, flags: name == .mono ? style.mono : [])
    }

    /// The theme called `name`.
    package static func named(_ name: Name) -> Theme {
        switch name {
        case .dark: dark
        case .light: light
        case .mono: mono
        }
    }

    private init(_ name: Name, _ style: (Role) -> Style) {
        self.name = name
        styles = Role.allCases.map(style)
    }

    private static let dark = Theme(.dark) { role in
        switch role {
        case .text: Style()
        case .title: Style(mono: .bold)
        case .border: Style(rgb: 0x5C6370, indexed: 59, ansi: 8, mono: .dim)
        case .hint: Style(rgb: 0x85888F, indexed: 102, ansi: 8, mono: .dim)
        case .origin: Style(rgb: 0xEE55EC, indexed: 207, ansi: 5, mono: .bold)
        case .complete: Style(rgb: 0x44F5A0, indexed: 85, ansi: 2, mono: .bold)
        case .agentEdge: Style(rgb: 0xB7DEFA, indexed: 153, ansi: 6)
        case .warning: Style(rgb: 0xFED333, indexed: 220, ansi: 3, mono: .underline)
        case .down: Style(rgb: 0xF55A40, indexed: 203, ansi: 1, mono: .reverse)
        default: part(role, darkRamp, [60, 61, 67, 74, 110, 116, 152, 187, 229])
        }
    }

    private static let light = Theme(.light) { role in
        switch role {
        case .text: Style()
        case .title: Style(mono: .bold)
        case .border: Style(rgb: 0x8A8F99, indexed: 245, ansi: 8, mono: .dim)
        case .hint: Style(rgb: 0x3F434D, indexed: 238, ansi: 8, mono: .dim)
        case .origin: Style(rgb: 0xC0129F, indexed: 126, ansi: 5, mono: .bold)
        case .complete: Style(rgb: 0x0F7A4E, indexed: 29, ansi: 2, mono: .bold)
        case .agentEdge: Style(rgb: 0x0A45E0, indexed: 26, ansi: 6)
        case .warning: Style(rgb: 0x96600A, indexed: 94, ansi: 3, mono: .underline)
        case .down: Style(rgb: 0x5A1E04, indexed: 52, ansi: 1, mono: .reverse)
        default: part(role, lightRamp, [252, 251, 147, 111, 68, 32, 26, 25, 18])
        }
    }

    private static let mono = Theme(.mono) { role in Style(mono: dark.style(of: role).mono) }

    private static let darkRamp: [UInt32] = [
        0x3B4A6B, 0x3F5F94, 0x4676B0, 0x558DBF, 0x6FA5C6, 0x90BCC6, 0xB4D0C4, 0xD5E2C0, 0xF2F0B8,
    ]
    private static let lightRamp: [UInt32] = [
        0xC3CAD6, 0xA5B7D3, 0x87A3CF, 0x698FCB, 0x4B7DC6, 0x3A69AA, 0x2A558D, 0x194071, 0x082A54,
    ]
    /// Blue, cyan, white.
    private static let ansiRamp: [UInt8] = [4, 4, 4, 6, 6, 6, 7, 7, 7]

    private static func part(_ role: Role, _ ramp: [UInt32], _ indexed: [UInt8]) -> Style {
        let step = Int(role.rawValue - Role.part1.rawValue)
        return Style(rgb: ramp[step], indexed: indexed[step], ansi: ansiRamp[step])
    }
}
