// SPDX-License-Identifier: Apache-2.0

import TUI
import Testing

/// Colours as eyes see them. Sources: WCAG 2.1 (contrast), CIE 1976 (L*a*b*), Viénot, Brettel & Mollon 1999 and Machado 2009
/// (colour blindness, full severity).
private struct Color {
    var red, green, blue: Double

    init(_ rgb: UInt32) {
        func linear(_ value: UInt32) -> Double {
            let share = Double(value & 255) / 255
            if share <= 0.04045 { return share / 12.92 }
            return power((share + 0.055) / 1.055, 2.4)
        }
        (red, green, blue) = (linear(rgb >> 16), linear(rgb >> 8), linear(rgb))
    }

    private init(_ red: Double, _ green: Double, _ blue: Double) {
        func clamp(_ value: Double) -> Double { min(max(0, value), 1) }
        (self.red, self.green, self.blue) = (clamp(red), clamp(green), clamp(blue))
    }

    var luminance: Double { 0.2126 * red + 0.7152 * green + 0.0722 * blue }

    func contrast(with other: Color) -> Double {
        let (high, low) = (max(luminance, other.luminance), min(luminance, other.luminance))
        return (high + 0.05) / (low + 0.05)
    }

    func seen(by matrix: [Double]) -> Color {
        func row(_ index: Int) -> Double {
            matrix[index] * red + matrix[index + 1] * green + matrix[index + 2] * blue
        }
        return Color(row(0), row(3), row(6))
    }

    private var lab: (Double, Double, Double) {
        func cube(_ value: Double) -> Double {
            value > 0.008856 ? power(value, 1 / 3) : 7.787 * value + 16.0 / 116
        }
        let x = cube((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505)
        let y = cube(luminance)
        let z = cube((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089)
        return (116 * y - 16, 500 * (x - y), 200 * (y - z))
    }

    func distance(to other: Color) -> Double {
        let (a, b) = (lab, other.lab)
        let (l, m, n) = (a.0 - b.0, a.1 - b.1, a.2 - b.2)
        return (l * l + m * m + n * n).squareRoot()
    }
}

/// `base` to a positive `exponent`, by bisection of the exponent: tests need neither speed nor Foundation.
private func power(_ base: Double, _ exponent: Double) -> Double {
    guard base > 0 else { return 0 }
    var (result, root, rest) = (1.0, base, exponent)
    while rest >= 1 { (result, rest) = (result * base, rest - 1) }
    for _ in 0..<60 {
        root = root.squareRoot()
        rest *= 2
        if rest >= 1 { (result, rest) = (result * root, rest - 1) }
    }
    return result
}

@Suite("Themes")
struct ThemeTests {
    /// The roles that are told apart by a single colour.
    private static let roles: [Role] = [
        .origin, .complete, .agentEdge, .warning, .down, .hint,
    ]
    private static let eyes: [(name: String, matrix: [Double])] = [
        ("all colours", [1, 0, 0, 0, 1, 0, 0, 0, 1]),
        (
            "no red",
            [
                0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116,
                1.051998,
            ]
        ),
        (
            "no green",
            [
                0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940,
                0.968881,
            ]
        ),
        (
            "no blue",
            [
                1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367,
                0.303900,
            ]
        ),
    ]

    private static func colors(_ theme: Theme.Name) -> [(role: Role, color: Color)] {
        roles.compactMap { role in
            Theme.named(theme).style(of: role).rgb.map { (role, Color($0)) }
        }
    }

    @Test(
        "every colour is readable on its background",
        arguments: [(Theme.Name.dark, UInt32(0x1E1E1E)), (.light, 0xFFFFFF)]
    )
    func contrast(_ theme: Theme.Name, _ background: UInt32) {
        let colors = Self.colors(theme)
        #expect(colors.count == Self.roles.count)
        for (role, color) in colors {
            let ratio = color.contrast(with: Color(background))
            #expect(ratio >= 4.5, "\(role) in \(theme) has \(ratio)")
        }
    }

    @Test(
        "roles stay apart for every kind of eyes",
        arguments: [(Theme.Name.dark, 30.0), (.light, 25.0)]
    )
    func distances(_ theme: Theme.Name, _ least: Double) {
        let colors = Self.colors(theme)
        for eyes in Self.eyes {
            for (index, first) in colors.enumerated() {
                for second in colors[(index + 1)...] {
                    let (a, b) = (
                        first.color.seen(by: eyes.matrix), second.color.seen(by: eyes.matrix)
                    )
                    let distance = a.distance(to: b)
                    #expect(
                        distance >= least,
                        "\(first.role) and \(second.role) in \(theme) for \(eyes.name): \(distance)"
                    )
                }
            }
        }
    }

    @Test("the ramp goes one way in brightness", arguments: [Theme.Name.dark, .light])
    func ramp(_ name: Theme.Name) {
        let theme = Theme.named(name)
        let steps = (0..<Role.partCount).compactMap { theme.style(of: .ramp($0)).rgb }
        let luminances = steps.map { Color($0).luminance }
        #expect(luminances.count == Role.partCount)
        let rising = zip(luminances, luminances.dropFirst()).allSatisfy { $0 < $1 }
        let falling = zip(luminances, luminances.dropFirst()).allSatisfy { $0 > $1 }
        #expect(rising || falling)
    }

    @Test("sixteen colours need fewer pairs than a console has")
    func pairs() {
        for name in Theme.Name.allCases {
            let theme = Theme.named(name)
            let colors = Set(Role.allCases.compactMap { theme.style(of: $0).ansi })
            #expect(colors.count < 64)
            #expect(colors.allSatisfy { $0 < 16 })
        }
    }

    @Test("without colour no two states look alike by their attribute alone, and none is lost")
    func mono() {
        let mono = Theme.named(.mono)
        for role in Role.allCases {
            let style = mono.style(of: role)
            #expect(style.rgb == nil && style.indexed == nil && style.ansi == nil)
        }
        #expect(mono.style(of: .down).mono != mono.style(of: .warning).mono)
        #expect(mono.style(of: .down).mono != mono.style(of: .complete).mono)
    }

    @Test(
        "with eight colours nothing is black, and what has no colour of its own is set off",
        arguments: Theme.Name.allCases
    )
    func eightColors(_ name: Theme.Name) {
        let theme = Theme.named(name)
        for role in Role.allCases {
            let look = theme.look(of: role, depth: .ansi8)
            #expect(look.color.map { (1...7).contains($0) } ?? true, "\(role)")
        }
        for role in [Role.hint, .border] {
            #expect(theme.look(of: role, depth: .ansi8).color == nil)
            #expect(theme.look(of: role, depth: .ansi8).flags == .dim)
        }
        if name != .mono {
            #expect(theme.look(of: .hint, depth: .ansi16).color == 8)
            let down = theme.look(of: .down, depth: .ansi8)
            #expect(down.color == 1 && down.flags.isEmpty)
        }
    }
}
