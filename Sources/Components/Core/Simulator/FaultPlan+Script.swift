// SPDX-License-Identifier: Apache-2.0

package import Primitives

/// Faults that meet certain hosts at certain moments: how what was done to a run by hand is written down, so that it can be
/// repeated exactly.
extension FaultPlan {
    /// A host by its place in the cluster.
    package enum Host: Sendable, Hashable {
        case agent(Int)
        case origin(Int)

        /// `agent-3`, as the host is called as a component.
        package var name: String {
            switch self {
            case .agent(let index): "agent-\(index)"
            case .origin(let index): "origin-\(index)"
            }
        }

        /// The host called `name`; nil when it is none.
        package init?(name: String) {
            if let index = Self.index(name, "agent-") {
                self = .agent(index)
            } else if let index = Self.index(name, "origin-") {
                self = .origin(index)
            } else {
                return nil
            }
        }

        private static func index(_ name: String, _ prefix: String) -> Int? {
            guard name.hasPrefix(prefix), let index = Int(name.dropFirst(prefix.count)), index >= 0
            else { return nil }
            return index
        }
    }

    /// One thing that is done at one moment.
    package struct Step: Sendable, Hashable {
        /// What is done.
        package enum Action: Sendable, Hashable {
            /// The host ends; its connections are seen to close.
            case kill(Host)
            /// A host that was killed begins again, with or without its disk.
            case start(Host, isWiped: Bool)
            /// The host's links carry so much; nil: as much as at first.
            case pace(Host, ByteRate?)
            /// Nobody else can reach these hosts, as it seems until the given time.
            case cut([Host], until: Duration)
            /// These can be reached again.
            case heal([Host])
            /// The next piece that the host sends is wrong.
            case wrong(Host)
            /// A tracker goes down, or comes up.
            case tracker(Int, isUp: Bool)
        }

        /// When.
        package var at: Duration
        /// What.
        package var action: Action

        /// `action` at `at`.
        package init(at: Duration, _ action: Action) { (self.at, self.action) = (at, action) }
    }

    // MARK: - Text

    /// Reads a step; nil when `word` begins like none.
    /// - Throws: ``PlanError`` when it begins like one and is none.
    static func step(_ word: String) throws(PlanError) -> Step? {
        guard let colon = word.firstIndex(of: ":") else { return nil }
        let name = word[..<colon]
        guard stepNames.contains(String(name)) else { return nil }
        let parts = word[word.index(after: colon)...].split(separator: "@")
        guard parts.count == 2, let action = action(String(name), parts[0], parts[1]),
            let at = Duration(parsing: String(parts[1].startOfSpan))
        else {
            throw PlanError(
                what: "fault \(word)",
                why: "expected one of kill:agent-3@5s, start:agent-3@8s, start:agent-3/wiped@8s, "
                    + "pace:agent-3=1MB/s@5s, pace:agent-3@8s, cut:agent-3+agent-4@5s..35s, "
                    + "heal:agent-3+agent-4@8s, wrong:origin-0@5s, down:tracker-0@5s, up:tracker-0@8s"
            )
        }
        return Step(at: at, action)
    }

    private static let stepNames: Set<String> = [
        "kill", "start", "pace", "cut", "heal", "wrong", "down", "up",
    ]

    private static func action(
        _ name: String,
        _ what: Substring,
        _ when: Substring
    ) -> Step.Action? {
        switch name {
        case "kill": return Host(name: String(what)).map { .kill($0) }
        case "start":
            let isWiped = what.hasSuffix("/wiped")
            let host = isWiped ? what.dropLast("/wiped".count) : what
            return Host(name: String(host)).map { .start($0, isWiped: isWiped) }
        case "pace":
            let parts = what.split(separator: "=")
            guard let first = parts.first, let host = Host(name: String(first)) else { return nil }
            guard parts.count > 1 else { return .pace(host, nil) }
            return ByteRate(parsing: String(parts[1])).map { .pace(host, $0) }
        case "cut":
            guard let hosts = hosts(what), let end = when.endOfSpan,
                let until = Duration(parsing: String(end))
            else { return nil }
            return .cut(hosts, until: until)
        case "heal": return hosts(what).map { .heal($0) }
        case "wrong": return Host(name: String(what)).map { .wrong($0) }
        case "down", "up":
            guard what.hasPrefix("tracker-"), let index = Int(what.dropFirst("tracker-".count))
            else { return nil }
            return .tracker(index, isUp: name == "up")
        default: return nil
        }
    }

    private static func hosts(_ text: Substring) -> [Host]? {
        let hosts = text.split(separator: "+").map { Host(name: String($0)) }
        let found = hosts.compactMap { $0 }
        return found.count == hosts.count && !found.isEmpty ? found : nil
    }
}

extension FaultPlan.Step {
    /// The step as ``FaultPlan/init(parsing:)`` reads it.
    package var text: String {
        switch action {
        case .kill(let host): "kill:\(host.name)@\(at.text)"
        case .start(let host, let isWiped):
            "start:\(host.name)\(isWiped ? "/wiped" : "")@\(at.text)"
        case .pace(let host, let rate):
            "pace:\(host.name)\(rate.map { "=\($0.bytesPerSecond)" } ?? "")@\(at.text)"
        case .cut(let hosts, let until): "cut:\(Self.list(hosts))@\(at.text)..\(until.text)"
        case .heal(let hosts): "heal:\(Self.list(hosts))@\(at.text)"
        case .wrong(let host): "wrong:\(host.name)@\(at.text)"
        case .tracker(let index, let isUp): "\(isUp ? "up" : "down"):tracker-\(index)@\(at.text)"
        }
    }

    private static func list(_ hosts: [FaultPlan.Host]) -> String {
        hosts.map(\.name).joined(separator: "+")
    }

    /// The hosts that it names.
    var hosts: [FaultPlan.Host] {
        switch action {
        case .kill(let host), .start(let host, _), .pace(let host, _), .wrong(let host): [host]
        case .cut(let hosts, _), .heal(let hosts): hosts
        case .tracker: []
        }
    }

    func validate(for plan: SimulationPlan) throws(PlanError) {
        for host in hosts {
            let count: Int
            let index: Int
            switch host {
            case .agent(let number): (index, count) = (number, plan.agents)
            case .origin(let number): (index, count) = (number, plan.origins)
            }
            guard index < count else {
                throw PlanError(what: host.name, why: "there are \(count), from 0")
            }
        }
        if case .tracker(let index, _) = action, !(0..<plan.trackers).contains(index) {
            throw PlanError(what: "tracker-\(index)", why: "there are \(plan.trackers), from 0")
        }
        if case .cut(_, let until) = action, until < at {
            throw PlanError(what: text, why: "it ends before it begins")
        }
    }
}

extension Substring {
    /// What precedes the `..` of `5s..8s`.
    fileprivate var startOfSpan: Substring { dots.map { self[..<$0] } ?? self }
    /// What follows it; nil without one.
    fileprivate var endOfSpan: Substring? { dots.map { self[$0...].dropFirst(2) } }

    private var dots: Index? { indices.first { self[$0...].hasPrefix("..") } }
}
