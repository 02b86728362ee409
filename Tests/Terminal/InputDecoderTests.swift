// SPDX-License-Identifier: Apache-2.0

import TUI
import Testing

@testable import Terminal

@Suite("What is typed and what is pasted")
struct InputDecoderTests {
    private func events(_ inputs: [RawInput]) -> [InputEvent] {
        var decoder = InputDecoder()
        return inputs.compactMap { decoder.take($0, at: 0) }
    }

    private func typed(_ text: String) -> [RawInput] {
        text.unicodeScalars.map { .key(.character($0)) }
    }

    @Test("what is typed comes through as it is")
    func typing() {
        let inputs: [RawInput] = [
            .key(.up), .click(Point(x: 1, y: 2)), .wheel(Point(x: 3, y: 4), -1), .other, .pasteEnd,
        ]
        #expect(
            events(inputs) == [
                .key(.up), .click(Point(x: 1, y: 2)), .wheel(Point(x: 3, y: 4), -1),
            ]
        )
    }

    @Test("what is pasted is one text, of which nothing is a key")
    func pasting() {
        let control: [RawInput] = [
            .key(.enter), .key(.control("c")), .key(.control("z")), .key(.escape), .key(.up),
            .click(Point(x: 0, y: 0)), .key(.tab), .pasteBegin,
        ]
        let inputs = [.pasteBegin] + typed("q:crash é") + control + typed("x") + [.pasteEnd]
        #expect(events(inputs + typed("q")) == [.paste("q:crash é\n\tx"), .key(.character("q"))])
    }

    @Test("a pasted text is cut where it gets too long")
    func length() {
        let inputs = [.pasteBegin] + typed(String(repeating: "a", count: 10_000)) + [.pasteEnd]
        #expect(events(inputs) == [.paste(String(repeating: "a", count: InputDecoder.pasteMax))])
    }

    @Test("a pasted text whose end is lost does not take the keyboard away")
    func lostEnd() {
        var decoder = InputDecoder()
        for (time, input) in ([.pasteBegin] + typed("ab")).enumerated() {
            #expect(decoder.take(input, at: Int64(time)) == nil)
        }
        #expect(decoder.giveUp(at: 2 + InputDecoder.silenceMax) == nil)
        #expect(decoder.giveUp(at: 3 + InputDecoder.silenceMax) == .paste("ab"))
        #expect(decoder.giveUp(at: .max) == nil)
        #expect(decoder.take(.key(.enter), at: 9000) == .key(.enter))
    }
}
