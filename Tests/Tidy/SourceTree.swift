// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// One text file of the repository, line by line.
struct TextFile: Sendable {
    /// Its path from the repository's root.
    let path: String
    /// Its lines, without newlines.
    let lines: [String]

    /// Whether it lies below `folder`.
    func isBelow(_ folder: String) -> Bool { path.hasPrefix(folder + "/") }
}

/// The repository's own files: what is checked in, or would be.
struct SourceTree: Sendable {
    /// Every text file that is checked.
    let files: [TextFile]
    /// Every path below the root, files and folders.
    let paths: Set<String>

    /// The repository this test was built from.
    static let here = SourceTree(
        root: URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
    )

    private static let extensions: Set<String> = ["swift", "c", "h", "md", "py", "yaml"]

    /// Reads the files below `root`, but for builds, version control and data.
    init(root: URL) {
        var files: [TextFile] = []
        var paths: Set<String> = []
        let prefix = root.path.hasSuffix("/") ? root.path : root.path + "/"
        func visit(_ folder: URL) {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
            for name in names.sorted() where !Self.isLeftOut(name) {
                let url = folder.appending(path: name)
                var isFolder: ObjCBool = false
                guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder)
                else {
                    continue
                }
                let path = String(url.path.dropFirst(prefix.count))
                paths.insert(path)
                if isFolder.boolValue {
                    visit(url)
                } else if Self.extensions.contains(url.pathExtension),
                    let data = try? Data(contentsOf: url)
                {
                    let text = String(decoding: data, as: UTF8.self)
                    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
                    files.append(TextFile(path: path, lines: lines.map(String.init)))
                }
            }
        }
        visit(root)
        (self.files, self.paths) = (files, paths)
    }

    private static func isLeftOut(_ name: String) -> Bool {
        let hidden = name.hasPrefix(".") && name != ".ci"
        return hidden || name == "__pycache__" || name == "Package.resolved"
    }

    /// The Swift files below one of `folders`.
    func swift(_ folders: String...) -> [TextFile] {
        files.filter { file in
            file.path.hasSuffix(".swift") && folders.contains { file.isBelow($0) }
        }
    }
}

/// One breach of a rule.
struct Finding: Hashable, CustomStringConvertible {
    /// Where.
    let path: String
    /// The line, from 1.
    let line: Int
    /// What is wrong, and what to do instead.
    let rule: String

    var description: String { "\(path):\(line): \(rule)" }
}

extension TextFile {
    /// A finding for each line of code, without its comment and its texts, for which `isBad` answers a rule.
    func findings(_ isBad: (_ code: String, _ index: Int) -> String?) -> [Finding] {
        lines.indices.compactMap { index in
            isBad(Self.code(lines[index]), index).map {
                Finding(path: path, line: index + 1, rule: $0)
            }
        }
    }

    /// The code of `line`: what stands in quotes or after `//` is left out.
    static func code(_ line: String) -> String {
        var code: [UInt8] = []
        var isQuoted = false
        var previous: UInt8 = 0
        for byte in line.utf8 {
            if byte == UInt8(ascii: "\""), previous != UInt8(ascii: "\\") {
                isQuoted.toggle()
            } else if !isQuoted {
                if byte == UInt8(ascii: "/"), previous == UInt8(ascii: "/") {
                    code.removeLast()
                    break
                }
                code.append(byte)
            }
            previous = byte
        }
        return String(decoding: code, as: UTF8.self)
    }

    /// Whether a comment stands at the end of the line at `index`, at most `reach` lines above it or `below` lines below.
    func hasComment(
        near index: Int,
        reach: Int = 3,
        below: Int = 0,
        saying word: String = ""
    ) -> Bool {
        let range = max(0, index - reach)...min(lines.count - 1, index + below)
        return range.contains { lines[$0].contains("// \(word)") }
    }
}

extension String {
    /// Whether the text has `word` between characters that belong to no identifier.
    func hasWord(_ word: String) -> Bool {
        var start = startIndex
        while let range = range(of: word, range: start..<endIndex) {
            let before =
                range.lowerBound == startIndex ? nil : self[index(before: range.lowerBound)]
            let after = range.upperBound == endIndex ? nil : self[range.upperBound]
            if !Self.isWord(before), !Self.isWord(after) { return true }
            start = range.upperBound
        }
        return false
    }

    private static func isWord(_ character: Character?) -> Bool {
        guard let character else { return false }
        return character.isLetter || character.isNumber || character == "_"
    }
}

/// Reports every finding as a failure of its own.
func expectNone(_ findings: [Finding], sourceLocation: SourceLocation = #_sourceLocation) {
    for finding in findings { Issue.record("\(finding)", sourceLocation: sourceLocation) }
}
