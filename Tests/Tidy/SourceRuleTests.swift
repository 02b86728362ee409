// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Rules for the text of source files, each with what to write instead.
@Suite("Source rules") struct SourceRuleTests {
    private static let tree = SourceTree.here
    private static let fileLinesMax = 500
    private static let functionLinesMax = 70

    @Test("every source file begins with its licence")
    func licence() {
        let line = "// SPDX-License-Identifier: Apache-2.0"
        let findings = Self.tree.files.compactMap { file -> Finding? in
            let endings = [".swift", ".c", ".h"]
            guard endings.contains(where: { file.path.hasSuffix($0) }) else { return nil }
            // SwiftPM wants its own first line in the manifest.
            let index = file.path == "Package.swift" ? 1 : 0
            guard file.lines.count <= index || file.lines[index] != line else { return nil }
            return Finding(path: file.path, line: index + 1, rule: "begin with: \(line)")
        }
        expectNone(findings)
    }

    @Test("files and functions stay short")
    func lengths() {
        var findings: [Finding] = []
        for file in Self.tree.swift("Sources", "Tests") {
            if file.lines.count > Self.fileLinesMax + 1 {
                let rule = "\(file.lines.count) lines: split it, \(Self.fileLinesMax) are allowed"
                findings.append(Finding(path: file.path, line: Self.fileLinesMax, rule: rule))
            }
            for (line, count) in Self.functions(file) where count > Self.functionLinesMax {
                let rule = "a function of \(count) lines: \(Self.functionLinesMax) are allowed"
                findings.append(Finding(path: file.path, line: line, rule: rule))
            }
        }
        expectNone(findings)
    }

    /// The first line and the length of every function, by the indentation of its closing brace.
    private static func functions(_ file: TextFile) -> [(line: Int, count: Int)] {
        var result: [(Int, Int)] = []
        for (index, line) in file.lines.enumerated() {
            let code = line.drop { $0 == " " }
            guard !code.hasPrefix("//"), !code.hasSuffix("}"),
                code.contains("func ") || code.contains("init(") || code.contains("deinit {")
            else { continue }
            let words = code.prefix { $0 != "(" && $0 != "{" }.split(separator: " ")
            guard
                words.contains("func") || words.last?.hasPrefix("init") == true
                    || words.last == "deinit", !words.contains(where: { $0.hasPrefix(".") })
            else { continue }
            let indent = String(repeating: " ", count: line.count - code.count)
            let rest = file.lines[(index + 1)...]
            guard let end = rest.firstIndex(where: { $0 == indent + "}" }) else { continue }
            // A declaration without a body ends at the next one of the same depth, before any brace.
            let next = rest.firstIndex {
                $0.hasPrefix(indent + "func ") || $0 == indent.dropLast(4) + "}"
            }
            if let next, next < end { continue }
            result.append((index + 1, end - index + 1))
        }
        return result
    }

    @Test("nothing is public: targets share with package")
    func access() {
        let findings = Self.tree.swift("Sources").flatMap { file in
            file.findings { code, _ in
                code.hasWord("public") ? "use package, which is visible in all targets" : nil
            }
        }
        expectNone(findings)
    }

    @Test("unchecked claims of safety are proved beside them")
    func safety() {
        let findings = Self.tree.swift("Sources", "Tests").flatMap { file in
            file.findings { code, index in
                guard code.contains("@unchecked Sendable") || code.contains("nonisolated(unsafe)"),
                    !file.hasComment(near: index, reach: 6, below: 2, saying: "SAFETY:")
                else { return nil }
                return "say in a // SAFETY: comment why no two threads can clash"
            }
        }
        expectNone(findings)
    }

    @Test("a swallowed error has its reason beside it, and nothing is forced")
    func errors() {
        let findings = Self.tree.swift("Sources").flatMap { file in
            file.findings { code, index in
                if code.hasWord("try"), code.contains("try?"),
                    !file.hasComment(near: index, below: 1)
                {
                    return "say in a comment why the error does not matter"
                }
                if code.contains("try!") { return "handle the error" }
                return code.hasWord("fatalError")
                    ? "throw, or use precondition for our own bugs" : nil
            }
        }
        expectNone(findings)
    }

    @Test("nothing sleeps where an event can be awaited")
    func sleeps() {
        let words = ["usleep", "Thread.sleep", "Task.sleep", "nanosleep"]
        let tests = Self.tree.swift("Tests").filter { !$0.isBelow("Tests/Tidy") }.flatMap { file in
            file.findings { code, _ in
                words.contains { code.contains($0) } ? "await an event, or move virtual time" : nil
            }
        }
        expectNone(tests)
        let sources = Self.tree.swift("Sources").flatMap { file in
            file.findings { code, index in
                guard words.contains(where: { code.contains($0) }),
                    !file.hasComment(near: index, reach: 8)
                else { return nil }
                return "await an event; a back-off says so in a comment"
            }
        }
        expectNone(sources)
    }

    @Test("no placeholder stays")
    func placeholders() {
        let findings = Self.tree.swift("Sources", "Tests").filter { !$0.isBelow("Tests/Tidy") }
            .flatMap { file in
                let stub = file.path.hasSuffix("/Stub.swift")
                let first =
                    stub ? [Finding(path: file.path, line: 1, rule: "write it or remove it")] : []
                return first
                    + file.lines.enumerated().compactMap { index, line in
                        guard line.contains("// TODO") || line.contains("FIXME") else { return nil }
                        return Finding(
                            path: file.path,
                            line: index + 1,
                            rule: "do it, or open an issue"
                        )
                    }
            }
        expectNone(findings)
    }
}
