// SPDX-License-Identifier: Apache-2.0

import Foundation
import TUI
import Testing

/// Frames kept in `fixtures/tui`, as text: a line with the name, the glyphs, a line of dashes, the roles' letters,
/// and where there are any, each after a line of dashes, what is reversed (`^`) and the backgrounds' letters.
///
/// `HERD_GOLDEN=update` writes them anew; what changed is then reviewed as text.
enum Golden {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "fixtures/tui")
    private static let isUpdating = ProcessInfo.processInfo.environment["HERD_GOLDEN"] == "update"

    /// Compares `frame` with the one kept as `name`.
    static func check(
        _ frame: Frame,
        _ name: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try check(text: text(frame, name), name, sourceLocation: sourceLocation)
    }

    /// Compares `text` with the one kept as `name`.
    static func check(
        text: String,
        _ name: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let file = folder.appending(path: name + ".txt")
        if isUpdating {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
            return
        }
        let kept = String(decoding: try Data(contentsOf: file), as: UTF8.self)
        guard kept != text else { return }
        let differing = zip(kept.split(separator: "\n"), text.split(separator: "\n")).filter {
            $0 != $1
        }
        .prefix(6).map { "- \($0)\n+ \($1)" }.joined(separator: "\n")
        Issue.record("\(name) looks different:\n\(differing)", sourceLocation: sourceLocation)
    }

    private static func text(_ frame: Frame, _ name: String) -> String {
        var lines = ["\(name) \(frame.size.width)x\(frame.size.height)", frame.text]
        addPlane(frame, to: &lines, letter)
        if frame.cells.contains(where: { $0.flags.contains(.reverse) }) {
            addPlane(frame, to: &lines) { $0.flags.contains(.reverse) ? "^" : " " }
        }
        if frame.cells.contains(where: { $0.background != nil }) {
            addPlane(frame, to: &lines) { $0.background?.letter ?? "." }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func addPlane(
        _ frame: Frame,
        to lines: inout [String],
        _ letter: (Cell) -> Character
    ) {
        lines.append(String(repeating: "-", count: frame.size.width))
        for y in 0..<frame.size.height { lines.append(String(frame.row(y).map(letter))) }
    }

    /// The role's letter; a blank for blanks in plain text.
    private static func letter(_ cell: Cell) -> Character {
        cell.role == .text && cell.scalar == " " ? " " : cell.role.letter
    }
}
