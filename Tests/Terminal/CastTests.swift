// SPDX-License-Identifier: Apache-2.0

import Foundation
import TUI
import Telemetry
import Testing

@testable import Terminal

@Suite("Recordings of the screen")
struct CastTests {
    /// A line after the first: when, what, with which text.
    private struct Line: Equatable {
        var kind: String
        var text: String
    }

    private func lines(_ record: (CastRecorder) -> Void) throws -> [Line] {
        let path = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let old = TimeMark(at: Timestamp(unixNanoseconds: 1), label: "old")
        let recorder = try CastRecorder(
            path,
            size: Size(width: 10, height: 2),
            theme: .dark,
            known: [old]
        )
        record(recorder)
        recorder.finish()
        let text = try String(contentsOfFile: path, encoding: .utf8)
        return try text.split(separator: "\n").dropFirst().map { line in
            let parts = try #require(
                JSONSerialization.jsonObject(with: Data(line.utf8)) as? [Any]
            )
            #expect(parts.count == 3 && parts[0] is Double)
            return Line(kind: try #require(parts[1] as? String), text: "\(parts[2])")
        }
    }

    private func frame(_ text: String, cursor: Point? = nil) -> Frame {
        var frame = Frame(size: Size(width: 10, height: 2))
        frame.write(text, x: 0, y: 0, in: frame.bounds, .hint)
        frame.cursor = cursor
        return frame
    }

    @Test("the cursor is hidden, shown and moved as on the screen")
    func cursor() throws {
        let lines = try lines { recorder in
            recorder.record(frame("a"), theme: .dark)
            recorder.record(frame("a", cursor: Point(x: 3, y: 1)), theme: .dark)
            recorder.record(frame("a", cursor: Point(x: 3, y: 1)), theme: .dark)
            recorder.record(frame("a", cursor: Point(x: 4, y: 1)), theme: .dark)
            recorder.record(frame("b", cursor: Point(x: 4, y: 1)), theme: .dark)
            recorder.record(frame("b"), theme: .dark)
        }
        try #require(lines.count == 5)
        #expect(lines[0].text.hasSuffix("\u{1B}[?25l"))
        #expect(lines[1].text == "\u{1B}[2;4H\u{1B}[?25h")
        #expect(lines[2].text == "\u{1B}[2;5H")
        #expect(lines[3].text.contains("b") && lines[3].text.hasSuffix("\u{1B}[2;5H"))
        #expect(lines[4].text == "\u{1B}[?25l" || lines[4].text.hasSuffix("\u{1B}[?25l"))
    }

    @Test("another theme is shown at once, with all its colours")
    func theme() throws {
        let lines = try lines { recorder in
            for theme in [Theme.Name.dark, .dark, .light] {
                recorder.record(frame("abc"), theme: theme)
            }
        }
        try #require(lines.count == 2)
        for (line, theme) in zip(lines, [Theme.Name.dark, .light]) {
            let color = try #require(Theme.named(theme).style(of: .hint).indexed)
            #expect(line.text.contains("38;5;\(color)m") && line.text.contains("abc"))
        }
    }

    @Test("marks that are set while it records become marks of the recording, once each")
    func marks() throws {
        func mark(_ time: Int64, _ label: String) -> TimeMark {
            TimeMark(at: Timestamp(unixNanoseconds: time), label: label)
        }
        let lines = try lines { recorder in
            let old = mark(1, "old")
            recorder.mark([old])
            recorder.mark([old, mark(2, "kill a02")])
            recorder.mark([mark(2, "kill a02"), mark(3, "mark 1")])
        }
        #expect(lines == [Line(kind: "m", text: "kill a02"), Line(kind: "m", text: "mark 1")])
    }
}
