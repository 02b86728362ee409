// SPDX-License-Identifier: Apache-2.0

import Primitives
import TUI
import Telemetry

extension PlannedComponent {
    /// What the terminal UI calls it among `count` of its kind: `a05`, `o1`.
    func shortName(among count: Int) -> String {
        switch kind {
        case .agent, .origin: ShortNames.name(id, kind, count: count)
        case .tracker: "t\(index)"
        case .buildIndex: "b\(index)"
        case .proxy: "p\(index)"
        case .testfs: "f\(index)"
        }
    }
}

/// Words for components: identifiers (`agent-5`), short names (`a05`, `a5`), kinds (`agents`), `all`, with `*` and `?` for any
/// letters and any one, and `|` between alternatives.
struct ComponentPattern: Sendable {
    private let words: [Substring]
    private let patterns: [WildcardPattern]

    /// The pattern in `text`.
    init(_ text: String) {
        words = text.split { "|, ".contains($0) }
        patterns = words.map { WildcardPattern($0) }
    }

    /// Whether `component`, one of `count` of its kind, is meant.
    func matches(_ component: PlannedComponent, among count: Int) -> Bool {
        let names = [
            component.id, component.shortName(among: count),
            // Without the zeros that only stand there for the columns.
            component.shortName(among: 0).prefix(1) + "\(component.index)",
        ]
        let groups = ["all", component.kind.plural]
        return words.contains { word in groups.contains { $0 == word } }
            || patterns.contains { pattern in names.contains { pattern.matches($0) } }
    }
}

extension ClusterControl {
    /// The components that `patterns` mean, each once, in the order of the plan.
    /// - Throws: ``Failure`` naming a pattern that means none.
    func components(matching patterns: [String]) throws(Failure) -> [SupervisedComponent] {
        var counts: [ComponentKind: Int] = [:]
        for component in components { counts[component.planned.kind, default: 0] += 1 }
        var meant: Set<String> = []
        for text in patterns {
            let pattern = ComponentPattern(text)
            let found = components.filter {
                pattern.matches($0.planned, among: counts[$0.planned.kind, default: 0])
            }
            guard !found.isEmpty else { throw unknown(text, counts) }
            meant.formUnion(found.map(\.planned.id))
        }
        guard !meant.isEmpty else {
            throw Failure("no component is meant", why: "nothing is named", remedy: known(counts))
        }
        return components.filter { meant.contains($0.planned.id) }
    }

    private func unknown(_ text: String, _ counts: [ComponentKind: Int]) -> Failure {
        Failure("no component matches \(text)", why: "there is none", remedy: known(counts))
    }

    /// The names that there are.
    private func known(_ counts: [ComponentKind: Int]) -> String {
        let rows = ComponentKind.startOrder.reversed().compactMap { kind -> String? in
            let members = components.map(\.planned).filter { $0.kind == kind }
            guard let first = members.first, let last = members.last else { return nil }
            let count = counts[kind, default: 0]
            let short = first.shortName(among: count)
            return members.count == 1
                ? "\(first.id) (\(short))"
                : "\(first.id) … \(last.id) (\(short) … \(last.shortName(among: count)))"
        }
        return "there are \(rows.joined(separator: ", ")); * stands for any letters: a0*"
    }
}

extension ComponentKind {
    /// The word for several of them: `agents`.
    var plural: String {
        switch self {
        case .proxy: "proxies"
        case .buildIndex: "build-indexes"
        case .testfs: rawValue
        case .agent, .origin, .tracker: rawValue + "s"
        }
    }
}
