// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// What `herd status --wait` waits for: `agents.complete==24`, `origins.ok>=3`, `agents.blobs_completed>0`.
///
/// Before the point stands a kind of component in the plural, or `components` for all; after it `count`, `ok` (healthy),
/// `complete` (agents and origins with no unfinished blob), `swarms`, or the name of a counter, of which the sum is taken.
struct StatusCondition: Sendable {
    /// The condition as it was written.
    let text: String
    private let kind: ComponentKind?
    private let figure: String
    private let comparison: String
    private let number: Int

    /// The comparisons, the longer ones first.
    private static let comparisons = ["==", "!=", ">=", "<=", ">", "<"]

    /// Reads a condition; nil when `text` is none.
    init?(_ text: String) {
        self.text = text
        let plain = text.filter { $0 != " " }
        guard let comparison = Self.comparisons.first(where: { plain.contains($0) }),
            let place = plain.firstRange(of: comparison),
            let number = Int(plain[place.upperBound...])
        else { return nil }
        let words = plain[..<place.lowerBound].split(separator: ".", maxSplits: 1)
        guard let plural = words.first else { return nil }
        kind = ComponentKind.allCases.first { $0.plural == plural }
        guard kind != nil || plural == "components" else { return nil }
        (self.comparison, self.number) = (comparison, number)
        figure = words.count > 1 ? String(words[1]) : "count"
    }

    /// The figure's value now.
    func value(in snapshots: [ComponentSnapshot]) -> Int {
        let chosen = snapshots.filter { kind == nil || $0.kind == kind }
        switch figure {
        case "count": return chosen.count
        case "ok": return chosen.count { $0.health == .ok }
        case "complete":
            return chosen.count { snapshot in
                guard let swarms = snapshot.swarms, !swarms.isEmpty else { return false }
                return swarms.allSatisfy { $0.phase == .seeding }
            }
        case "swarms": return chosen.reduce(0) { $0 + ($1.swarms?.count ?? 0) }
        default: return chosen.reduce(0) { $0 &+ ($1.counters[figure] ?? 0) }
        }
    }

    /// Whether it holds.
    func holds(in snapshots: [ComponentSnapshot]) -> Bool {
        let value = value(in: snapshots)
        switch comparison {
        case "==": return value == number
        case "!=": return value != number
        case ">=": return value >= number
        case "<=": return value <= number
        case ">": return value > number
        default: return value < number
        }
    }
}
