// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Every member that other targets see says what its type cannot.
@Suite("Documentation") struct DocumentationTests {
    private static let tree = SourceTree.here

    @Test("every package member is documented")
    func documentation() {
        let files = Self.tree.swift("Sources", "Tests/Support", "Tests/Servers")
        let requirements = Set(files.flatMap(Self.requirements))
        let findings = files.flatMap { file in
            file.findings { code, index in
                guard let declaration = Self.declaration(code), !Self.isWitness(declaration),
                    !requirements.contains(Self.name(declaration)),
                    !Self.isDocumented(file, index), !Self.isInConformance(file, index)
                else { return nil }
                return "document it with ///: what the type cannot say"
            }
        }
        expectNone(findings)
    }

    /// What `code` declares for the package, without the word `package`; nil when it declares nothing of that kind.
    private static func declaration(_ code: String) -> Substring? {
        let text = code.drop { $0 == " " }
        guard text.hasPrefix("package "), !text.hasPrefix("package import") else { return nil }
        return text.dropFirst("package ".count)
    }

    /// The name that `declaration` introduces: `func stat(_:)` introduces `stat`.
    private static func name(_ declaration: some StringProtocol) -> String {
        let words = declaration.split { " (:<={".contains($0) }
        let keywords: Set<Substring> = ["func", "var", "let"]
        guard let keyword = words.firstIndex(where: { word in keywords.contains { $0 == word } }),
            keyword + 1 < words.count
        else { return "" }
        return String(words[keyword + 1])
    }

    /// The members that the protocols in `file` require: they are documented there.
    private static func requirements(_ file: TextFile) -> [String] {
        var names: [String] = []
        var isInside = false
        for line in file.lines {
            if line.hasPrefix("package protocol ") || line.hasPrefix("protocol ") {
                isInside = true
            }
            if line == "}" { isInside = false }
            if isInside, line.hasPrefix("    ") { names.append(name(TextFile.code(line))) }
        }
        return names.filter { !$0.isEmpty }
    }

    /// Whether the declaration fulfils a well-known protocol, whose documentation says all, or is one of a run of
    /// constants that name themselves.
    private static func isWitness(_ declaration: Substring) -> Bool {
        let known = [
            "var description", "var debugDescription", "var errorDescription", "func hash(",
            "init(from ", "func encode(to ", "typealias ", "func makeAsyncIterator", "func next()",
            "mutating func next()", "nonisolated var unownedExecutor", "let words", "init(words:",
            "init(rawValue:", "var startIndex", "var endIndex", "func index(",
            "subscript(position:", "struct AsyncIterator", "static let ", "func response(from ",
        ]
        if known.contains(where: { declaration.hasPrefix($0) }) { return true }
        let operators = "static func "
        guard declaration.hasPrefix(operators) else { return false }
        let name = declaration.dropFirst(operators.count)
        return ["==", "<", "+", "-", "*", "~"].contains { name.hasPrefix($0) }
    }

    private static func isDocumented(_ file: TextFile, _ index: Int) -> Bool {
        var above = index - 1
        while above >= 0 {
            let text = file.lines[above].drop { $0 == " " }
            if text.hasPrefix("///") { return true }
            guard text.hasPrefix("@") || text.hasPrefix("//") || text.hasPrefix("#if") else {
                return false
            }
            above -= 1
        }
        return false
    }

    /// Whether the declaration stands in an extension that adds a conformance: the protocol documents it.
    private static func isInConformance(_ file: TextFile, _ index: Int) -> Bool {
        guard file.lines[index].hasPrefix("    ") else { return false }
        let outer = file.lines[..<index].last { line in
            guard let first = line.first else { return false }
            return first.isLetter
        }
        return outer?.hasPrefix("extension ") == true && outer?.contains(": ") == true
    }
}
