// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import TUI
import Telemetry

/// The rules by which a cluster's swarms go, as its agents tell them in their configurations.
struct RulesInForce {
    private var settings: [SettingStatus] = []

    /// The rules of the first agent that tells its configuration; nil when none does, or nothing has changed.
    mutating func update(_ snapshot: ClusterSnapshot) -> SwarmRules? {
        let told = snapshot.components.lazy.filter { $0.kind == .agent }.compactMap(\.settings)
        guard let settings = told.first, settings != self.settings else { return nil }
        self.settings = settings
        return Self.rules(settings)
    }

    /// The rules that `settings` make; nil when they are not understood, as those of a newer agent may be.
    static func rules(_ settings: [SettingStatus]) -> SwarmRules? {
        let paths = settings.filter { $0.key.hasPrefix(prefix) }.map {
            (path: $0.key.dropFirst(prefix.count).split(separator: "."), value: $0.value)
        }
        let document = object(paths)
        // An agent of another version may say what is not known here: then nothing is claimed of it.
        guard !paths.isEmpty, let rules = try? SchedulerSettings(json: document) else { return nil }
        return SwarmRules(rules.policy)
    }

    private static let prefix = "scheduler."

    /// The settings as a document whose sections are objects.
    private static func object(_ paths: [(path: [Substring], value: String)]) -> JSON {
        var names: [Substring] = []
        var groups: [Substring: [(path: [Substring], value: String)]] = [:]
        for (path, value) in paths {
            guard let name = path.first else { continue }
            if groups[name] == nil { names.append(name) }
            groups[name, default: []].append((Array(path.dropFirst()), value))
        }
        return .object(
            names.map { name in
                let group = groups[name] ?? []
                let isLeaf = group.count == 1 && group[0].path.isEmpty
                return .init(String(name), isLeaf ? .string(group[0].value) : object(group))
            }
        )
    }
}
