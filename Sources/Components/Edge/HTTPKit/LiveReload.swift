// SPDX-License-Identifier: Apache-2.0

import Synchronization
package import Telemetry

/// How a running component takes what has changed in its configuration: it registers once what it can take, and whoever runs it
/// reads the files again and asks.
package final class LiveReload: Sendable {
    /// What came of a reload.
    package struct Report: Hashable, Sendable {
        /// The keys whose new values are in force.
        package var applied: [String] = []
        /// The keys whose new values wait for a restart.
        package var pending: [String] = []
    }

    private typealias Taker = @Sendable (any Sendable) async throws -> Report?
    private let taker = Mutex<Taker?>(nil)

    /// Nothing is registered.
    package init() {}

    /// Registers the component whose configuration is `configuration`. `settings` lists all of it; `take` gets what is in
    /// force and what is wanted, makes some of that real, and answers which keys those are.
    package func register<Configuration: Sendable>(
        _ configuration: Configuration,
        settings: @escaping @Sendable (Configuration) -> [SettingStatus],
        take:
            @escaping @Sendable (_ old: Configuration, _ new: Configuration) async throws -> Set<
                String
            >
    ) {
        let shared = Shared(configuration)
        taker.withLock { taker in
            taker = { wanted in
                guard let wanted = wanted as? Configuration else { return nil }
                let old = shared.value
                let taken = try await take(old, wanted)
                let before = Dictionary(
                    settings(old).map { ($0.key, $0.value) },
                    uniquingKeysWith: { first, _ in first }
                )
                var report = Report()
                for setting in settings(wanted) where before[setting.key] != setting.value {
                    let isTaken = taken.contains {
                        setting.key == $0 || setting.key.hasPrefix($0 + ".")
                    }
                    if isTaken {
                        report.applied.append(setting.key)
                    } else {
                        report.pending.append(setting.key)
                    }
                }
                shared.value = wanted
                return report
            }
        }
    }

    /// The configuration that was read last.
    private final class Shared<Value: Sendable>: Sendable {
        private let box: Mutex<Value>
        init(_ value: Value) { box = Mutex(value) }
        var value: Value {
            get { box.withLock { $0 } }
            set { box.withLock { $0 = newValue } }
        }
    }

    /// Has the component take `configuration`, which is of its own kind; nil when it is not up yet.
    /// - Throws: what the component throws; then it has what it had, or a part of what is wanted.
    package func reload(_ configuration: any Sendable) async throws -> Report? {
        try await taker.withLock { $0 }?(configuration)
    }
}
