// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Which module may know which: what the manifest alone cannot enforce.
@Suite("Layers") struct LayerTests {
    private static let tree = SourceTree.here

    /// The modules a file imports.
    private static func imports(_ file: TextFile) -> [(name: String, line: Int)] {
        file.lines.enumerated().compactMap { index, line in
            let words = line.split(separator: " ")
            guard let word = words.firstIndex(of: "import"), word <= 2, words.count > word + 1,
                !line.hasPrefix("//")
            else { return nil }
            let kinds: Set<Substring> = [
                "struct", "class", "enum", "func", "protocol", "let", "var",
            ]
            let name = kinds.contains(words[word + 1]) ? words[word + 2] : words[word + 1]
            return (String(name.split(separator: ".")[0]), index + 1)
        }
    }

    @Test("the pure floor imports pure modules only")
    func corePurity() {
        let pure: Set<String> = [
            "Primitives", "Content", "SwarmCore", "TrackerCore", "Placement", "Simulator", "Crypto",
            "DequeModule", "OrderedCollections", "HeapModule", "RetryCore", "CollectionCore",
        ]
        // The logarithm in the score of rendezvous hashing must be the C library's.
        let mathematics: Set<String> = ["Glibc", "Musl", "Darwin"]
        var findings: [Finding] = []
        for file in Self.tree.swift("Sources/Components/Core") {
            for (name, line) in Self.imports(file) where !pure.contains(name) {
                if mathematics.contains(name), file.path.hasSuffix("/RendezvousHash.swift") {
                    continue
                }
                let rule = "floor 1 does not import \(name): move what needs it to Edge"
                findings.append(Finding(path: file.path, line: line, rule: rule))
            }
        }
        expectNone(findings)
    }

    @Test("the pure floor neither waits, locks, reads clocks nor draws hidden random numbers")
    func coreWords() {
        let banned = [
            "async": "suspends", "await": "suspends", "Task": "starts a task",
            "Mutex": "locks", "ContinuousClock": "reads a clock: take an Instant",
            "SuspendingClock": "reads a clock: take an Instant", "Date": "reads a clock",
            "SystemRandomNumberGenerator": "is not reproducible: take a Generator",
            "shuffled": "changes between toolchains: use Generator.shuffle",
            "randomElement": "changes between toolchains: use Generator.below", "print": "prints",
            "actor": "suspends",
        ]
        let findings = Self.tree.swift("Sources/Components/Core").flatMap { file in
            file.findings { code, _ in
                if code.contains(".random(") { return "floor 1 takes a Generator for chance" }
                return banned.first { code.hasWord($0.key) }.map {
                    "floor 1: \($0.key) \($0.value)"
                }
            }
        }
        expectNone(findings)
    }

    @Test(
        "services know neither each other nor the executable, and nothing imports the whole of Foundation"
    )
    func services() {
        var findings: [Finding] = []
        for file in Self.tree.swift("Sources") {
            for (name, line) in Self.imports(file) {
                let isService = name.hasSuffix("Service") && name != "Service"
                if isService, !file.isBelow("Sources/Herd") {
                    let rule =
                        "services talk over HTTP and the peer protocol: do not import \(name)"
                    findings.append(Finding(path: file.path, line: line, rule: rule))
                }
                if name == "Foundation" {
                    let rule = "import FoundationEssentials: Foundation costs 12 MB of memory"
                    findings.append(Finding(path: file.path, line: line, rule: rule))
                }
            }
        }
        expectNone(findings)
    }

    @Test("the terminal's picture knows snapshots, not components")
    func terminal() {
        let allowed: Set<String> = [
            "Telemetry", "Content", "Primitives", "TUI", "CNcurses", "Glibc", "Synchronization",
            "FoundationEssentials", "DequeModule", "OrderedCollections",
        ]
        var findings: [Finding] = []
        for file in Self.tree.swift("Sources/TUI") {
            for (name, line) in Self.imports(file) where !allowed.contains(name) {
                let rule = "TUI takes snapshots: do not import \(name)"
                findings.append(Finding(path: file.path, line: line, rule: rule))
            }
        }
        expectNone(findings)
    }
}
