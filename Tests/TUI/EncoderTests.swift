// SPDX-License-Identifier: Apache-2.0

import Primitives
import TUI
import Telemetry
import Testing

@Suite("Frames as escape sequences")
struct EncoderTests {
    private static let glyphs: [Unicode.Scalar] = ["a", "Z", " ", "●", "⠿", "█", "─", "…"]

    private func randomFrame(_ size: Size, _ random: inout Generator, like before: Frame?) -> Frame
    {
        var frame = before?.size == size ? before ?? Frame(size: size) : Frame(size: size)
        for _ in 0..<random.below(size.width * size.height + 1) {
            let (x, y) = (random.below(max(1, size.width)), random.below(max(1, size.height)))
            frame[x, y] = Cell(
                Self.glyphs[random.below(Self.glyphs.count)],
                Role.allCases[random.below(Role.allCases.count)],
                Cell.Flags(rawValue: UInt8(random.below(16))),
                background: random.below(4) == 0 ? .ramp(random.below(9)) : nil
            )
        }
        let place = Point(x: random.below(max(1, size.width)), y: random.below(max(1, size.height)))
        frame.cursor = random.below(2) == 0 ? place : nil
        return frame
    }

    @Test(
        "what a terminal shows after a frame does not depend on the frames before",
        arguments: 0..<20
    )
    func pairs(_ seed: UInt64) {
        var random = Generator(seed: seed)
        for depth in ColorDepth.allCases {
            let theme = Theme.Name.allCases[random.below(3)]
            let size = Size(width: 1 + random.below(40), height: 1 + random.below(12))
            var encoder = AnsiEncoder(theme: theme, depth: depth)
            var terminal = VirtualTerminal(width: size.width, height: size.height)
            var frame: Frame?
            for _ in 0..<6 {
                let next = randomFrame(size, &random, like: frame)
                terminal.feed(encoder.encode(next))
                frame = next
                var fresh = VirtualTerminal(width: size.width, height: size.height)
                var other = AnsiEncoder(theme: theme, depth: depth)
                fresh.feed(other.encode(next))
                #expect(terminal.problems.isEmpty && fresh.problems.isEmpty)
                for shown in [terminal, fresh] {
                    #expect(shown.cursor?.x == next.cursor?.x && shown.cursor?.y == next.cursor?.y)
                }
                for y in 0..<size.height {
                    let shown = String(String.UnicodeScalarView(next.row(y).map(\.scalar)))
                    #expect(terminal.text(row: y) == shown)
                    for x in 0..<size.width where next[x, y] != .blank {
                        let index = y * size.width + x
                        #expect(terminal.places[index] == fresh.places[index])
                    }
                }
            }
        }
    }

    @Test("a frame that did not change sends nothing")
    func nothing() {
        var random = Generator(seed: 7)
        let frame = randomFrame(Size(width: 20, height: 5), &random, like: nil)
        var encoder = AnsiEncoder(theme: .dark, depth: .truecolor)
        #expect(!encoder.encode(frame).isEmpty)
        #expect(encoder.encode(frame).isEmpty)
    }

    @Test("another theme colours everything anew")
    func theme() {
        var random = Generator(seed: 5)
        let frame = randomFrame(Size(width: 20, height: 5), &random, like: nil)
        var encoder = AnsiEncoder(theme: .dark, depth: .truecolor)
        _ = encoder.encode(frame)
        encoder.change(to: .light)
        var other = AnsiEncoder(theme: .light, depth: .truecolor)
        var (changed, fresh) = (
            VirtualTerminal(width: 20, height: 5), VirtualTerminal(width: 20, height: 5)
        )
        changed.feed(encoder.encode(frame))
        fresh.feed(other.encode(frame))
        #expect(changed.places == fresh.places)
        encoder.change(to: .light)
        #expect(encoder.encode(frame).isEmpty)
    }

    @Test("without colour there is no code of a colour")
    func mono() {
        var random = Generator(seed: 3)
        let frame = randomFrame(Size(width: 30, height: 8), &random, like: nil)
        var encoder = AnsiEncoder(theme: .dark, depth: .mono)
        var terminal = VirtualTerminal(width: 30, height: 8)
        terminal.feed(encoder.encode(frame))
        #expect(terminal.places.allSatisfy { $0.look.allSatisfy { $0 < 30 } })
    }

    private struct Header: Decodable {
        let version: Int
        let width: Int
        let height: Int
        let timestamp: Int
        let env: [String: String]
    }

    private enum Part: Decodable, Equatable {
        case number(Double)
        case text(String)
        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Double.self) {
                self = .number(number)
            } else {
                self = .text(try container.decode(String.self))
            }
        }
    }

    @Test("lines of a recording are JSON that says the same")
    func cast() throws {
        let size = Size(width: 80, height: 24)
        let line = Asciicast.header(size: size, unixSeconds: 1_700_000_000, term: "xterm\"\\")
        let header = try TelemetryJSON.decode(Header.self, from: Array(line.utf8))
        #expect((header.version, header.width, header.height) == (2, 80, 24))
        #expect(header.env == ["TERM": "xterm\"\\"])
        let text = "\u{1B}[1;1H●\r\n\t\"\u{7F}"
        let event = Asciicast.output(text, at: 1.25)
        let parts = try TelemetryJSON.decode([Part].self, from: Array(event.utf8))
        #expect(parts == [.number(1.25), .text("o"), .text(text)])
        #expect(Asciicast.resize(size, at: 2) == "[2.000, \"r\", \"80x24\"]\n")
        #expect(Asciicast.marker("kill a02", at: 0.5) == "[0.500, \"m\", \"kill a02\"]\n")
    }
}
