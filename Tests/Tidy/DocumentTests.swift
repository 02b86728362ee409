// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Rules for the documents: what they point at exists.
@Suite("Documents") struct DocumentTests {
    private static let tree = SourceTree.here

    @Test("every path in a document leads somewhere")
    func paths() {
        var findings: [Finding] = []
        for file in Self.tree.files where file.path.hasSuffix(".md") {
            let folder = file.path.split(separator: "/").dropLast().joined(separator: "/")
            for (index, line) in file.lines.enumerated() {
                for target in Self.links(line) where !Self.exists(target, from: folder) {
                    let rule = "\(target) does not exist"
                    findings.append(Finding(path: file.path, line: index + 1, rule: rule))
                }
            }
        }
        expectNone(findings)
    }

    /// The targets of links, and the words in code quotes that are paths of this repository.
    private static func links(_ line: String) -> [String] {
        var targets: [String] = []
        for match in line.matches(of: /\]\(([^)#]+)/) where !match.1.contains("://") {
            targets.append(String(match.1))
        }
        let roots = ["Sources/", "Tests/", "docs/", "fixtures/", "bench/"]
        for match in line.matches(of: /`([^`\s]+)`/) {
            let word = String(match.1)
            let isPattern =
                word.contains("*") || word.contains("<") || word.contains("…")
                || word.contains("NNNN")
            if !isPattern, roots.contains(where: { word.hasPrefix($0) }) {
                // `File.swift:12` and `File.swift, function` name the file.
                targets.append("/" + (word.split(separator: ":").first.map(String.init) ?? word))
            }
        }
        return targets
    }

    private static func exists(_ target: String, from folder: String) -> Bool {
        var parts = target.hasPrefix("/") ? [] : folder.split(separator: "/")
        for part in target.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        let path = parts.joined(separator: "/")
        return path.isEmpty || tree.paths.contains(path)
    }

    @Test("decisions are numbered without gaps and fit a screen")
    func decisions() throws {
        let records = Self.tree.files.filter { $0.path.hasPrefix("docs/decisions/") }
            .sorted { $0.path < $1.path }
        for (index, record) in records.enumerated() {
            let name = try #require(record.path.split(separator: "/").last)
            let number = String(index + 1)
            let prefix = String(repeating: "0", count: 4 - number.count) + number + "-"
            #expect(name.hasPrefix(prefix), "\(name) should begin with \(prefix)")
            #expect(record.lines.count <= 41, "\(record.path) has more than 40 lines")
        }
    }
}
