// SPDX-License-Identifier: Apache-2.0

import TUI
import Testing

@Suite("Glyphs that a terminal lacks")
struct DegradeTests {
    private func frame(_ text: String) -> Frame {
        var frame = Frame(size: Size(width: text.unicodeScalars.count, height: 1))
        frame.write(text, x: 0, y: 0, in: frame.bounds)
        return frame
    }

    @Test("ASCII has nothing beyond ASCII, whatever was drawn")
    func ascii() {
        for value in UInt32(0x20)...0x2BFF {
            guard let scalar = Unicode.Scalar(value), scalar.takesOneColumn else { continue }
            var frame = frame(String(scalar))
            frame.degrade(to: .ascii)
            #expect(
                (0x20...0x7E).contains(frame[0, 0].glyph),
                "\(scalar) became \(frame[0, 0].scalar)"
            )
        }
    }

    @Test("what has a sign of its own keeps one")
    func states() {
        var frame = frame("●◆✕▲·┌─┐│█")
        frame.degrade(to: .ascii)
        #expect(frame.text == "#Ox!.+-+|#")
    }

    @Test("a part is told in tenths")
    func parts() {
        for (share, digit) in [(0.0, "0"), (0.34, "3"), (0.5, "4"), (0.99, "8")] {
            var frame = Frame(size: Size(width: 1, height: 1))
            frame[0, 0] = Cell(Glyph.part(share), .part(share))
            frame.degrade(to: .ascii)
            #expect(frame.text == digit, "for \(share)")
        }
    }

    @Test("blocks replace braille and nothing else")
    func blocks() {
        var frame = frame("⣿⠉⣀⡇●┌")
        frame.degrade(to: .block)
        #expect(frame.text == "█▀▄▌●┌")
    }

    /// - Source: linux drivers/tty/vt/cp437.uni, without letters of other scripts
    private static let consoleFont = Set(
        ("☺☻♥♦◆♣♠•◘○◙♂♀♪♫☼¤▶►◀◄↕‼¶§▬↨↑↓→←∟↔▲▼⌂ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»"
            + "░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αβßΓπΣσµμτΦØΘΩδð∞φøε∈∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■×")
            .unicodeScalars
    )

    @Test("the Linux console gets nothing that its font lacks, whatever was drawn")
    func console() {
        for value in UInt32(0x20)...0x2BFF {
            guard let scalar = Unicode.Scalar(value), scalar.takesOneColumn else { continue }
            var frame = frame(String(scalar))
            frame.degrade(to: .console)
            let shown = frame[0, 0].scalar
            #expect(
                (0x20...0x7E).contains(shown.value) || Self.consoleFont.contains(shown),
                "\(scalar) became \(shown)"
            )
        }
    }

    @Test("on the Linux console areas stay areas, states stay apart, and lines are thin")
    func consoleSigns() {
        var areas = frame("⣿⠉⣀⡇⢸█▄▌░▒▓┌─┐│")
        areas.degrade(to: .console)
        #expect(areas.text == "█▀▄▌▐█▄▌░▒▓┌─┐│")
        var states = frame("●◆✕▲○·")
        states.degrade(to: .console)
        #expect(states.text == "•◆x▲○·")
        var lines = frame("⡈⢁⠁⢀")
        lines.degrade(to: .console)
        #expect(lines.text == "/\\'.")
    }
}
