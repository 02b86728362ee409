// SPDX-License-Identifier: Apache-2.0

import Foundation
import TUI
import Testing

/// Frames kept as text: what is on the screen, then each cell's role as a letter, then the backgrounds if there are any.
enum SwarmFrames {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("fixtures/tui")

    /// Compares `frame` with the fixture called `name`; with HERD_GOLDEN=update it becomes the fixture.
    static func check(_ frame: Frame, _ name: String) throws {
        let file = folder.appendingPathComponent(name + ".txt")
        let text = describe(frame, name)
        if ProcessInfo.processInfo.environment["HERD_GOLDEN"] == "update" {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try text.write(to: file, atomically: true, encoding: .utf8)
        }
        let kept = try String(contentsOf: file, encoding: .utf8)
        guard text != kept else { return }
        let pairs = zip(text.split(separator: "\n"), kept.split(separator: "\n"))
        let line = pairs.first { $0 != $1 }
        Issue.record(
            "\(name) differs, first in:\n\(line?.0 ?? "its length")\nkept:\n\(line?.1 ?? "")"
        )
    }

    private static func describe(_ frame: Frame, _ name: String) -> String {
        var text = "\(name) \(frame.size.width)x\(frame.size.height)\n\(frame.text)\n"
        text += "-- roles\n" + plane(frame) { $0.role.letter }
        let hasBackground = frame.cells.contains { $0.background != nil }
        if hasBackground {
            text += "-- backgrounds\n" + plane(frame) { $0.background?.letter ?? "." }
        }
        return text
    }

    private static func plane(_ frame: Frame, _ letter: (Cell) -> Character) -> String {
        (0..<frame.size.height).map { y in
            var row = frame.row(y).map(letter)
            while row.last == "." { row.removeLast() }
            return String(row) + "\n"
        }
        .joined()
    }
}
