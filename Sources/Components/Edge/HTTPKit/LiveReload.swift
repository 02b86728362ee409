// SPDX-License-Identifier: Apache-2.0

import Synchronization
package import Telemetry

/// How a running component takes what has changed in its configuration: it registers once what it can take, and whoever runs it
/// reads the files again and asks. Changes are made one after the other.
package final class LiveReload: Sendable {
    /// What came of a reload.
    package struct Report: Hashable, Sendable {
        /// The keys whose new values are in force.
        package var applied: [String] = []
        /// The keys whose new values wait for a restart.
        package var pending: [String] = []
        /// What can be taken, changed or not: keys, and sections of which all is.
        package var live: Set<String> = []

        /// Whether what `key` says can be taken.
        package func isLive(_ key: String) -> Bool { LiveReload.isLive(key, live) }
    }

    /// What is to be in force, made of what is.
    private typealias Wish = @Sendable (any Sendable) -> any Sendable
    private typealias Taker = @Sendable (Wish) async throws -> Report?

    private struct State {
        var taker: Taker?
        /// The latest change.
        var last: Task<Report?, any Error>?
    }

    private let state = Mutex(State())

    /// Nothing is registered.
    package init() {}

    /// Registers the component whose configuration is `configuration`.
    ///
    /// - Parameters:
    ///   - live: what can be taken: keys, and sections of which all can.
    ///   - status: told what is in force.
    ///   - settings: lists all of a configuration.
    ///   - take: gets what was wanted last and what is wanted now, and makes real what is `live` in it. When it throws, what was
    ///     wanted last stays so.
    package func register<Configuration: Sendable>(
        _ configuration: Configuration,
        live: Set<String>,
        status: ComponentStatus?,
        settings: @escaping @Sendable (Configuration) -> [SettingStatus],
        take: @escaping @Sendable (_ old: Configuration, _ new: Configuration) async throws -> Void
    ) {
        let standing = Standing(configuration, settings(configuration))
        let taker: Taker = { wish in
            let (old, inForce) = standing.value
            guard let new = wish(old) as? Configuration else { return nil }
            try await take(old, new)
            let (report, settings) = Self.compare(inForce, settings(new), live)
            standing.value = (new, settings)
            status?.reconfigure(settings)
            return report
        }
        state.withLock { $0.taker = taker }
    }

    /// The configuration that was wanted last, and what of it is in force.
    private final class Standing<Configuration: Sendable>: Sendable {
        private let box: Mutex<(Configuration, [SettingStatus])>

        init(_ configuration: Configuration, _ settings: [SettingStatus]) {
            box = Mutex((configuration, settings))
        }

        var value: (Configuration, [SettingStatus]) {
            get { box.withLock { $0 } }
            set { box.withLock { $0 = newValue } }
        }
    }

    private static func isLive(_ key: String, _ live: Set<String>) -> Bool {
        live.contains { key == $0 || key.hasPrefix($0 + ".") }
    }

    /// What changes when `wanted` follows `inForce` where it is `live`; and what is in force then.
    private static func compare(
        _ inForce: [SettingStatus],
        _ wanted: [SettingStatus],
        _ live: Set<String>
    ) -> (Report, [SettingStatus]) {
        let (before, after) = (
            Dictionary(grouping: inForce, by: \.key), Dictionary(grouping: wanted, by: \.key)
        )
        var report = Report(live: live)
        var settings: [SettingStatus] = []
        var seen: Set<String> = []
        for key in (wanted + inForce).map(\.key) where seen.insert(key).inserted {
            let (old, new) = (before[key] ?? [], after[key] ?? [])
            let isTaken = isLive(key, live)
            settings += isTaken ? new : old
            guard old.map(\.value) != new.map(\.value) else { continue }
            if isTaken { report.applied.append(key) } else { report.pending.append(key) }
        }
        return (report, settings)
    }

    /// Has the component take `configuration`, which is of its own kind; nil when it is not up yet.
    /// - Throws: what the component throws; then it has what it had, or a part of what is wanted.
    package func reload(_ configuration: any Sendable) async throws -> Report? {
        try await change { _ in configuration }
    }

    /// Has the component take what it was to take last with the changes that `edit` makes; nil when it is not up yet.
    /// - Throws: as ``reload(_:)``.
    @discardableResult package func amend<Configuration: Sendable>(
        _ edit: @escaping @Sendable (inout Configuration) -> Void
    ) async throws -> Report? {
        try await change { current in
            guard var configuration = current as? Configuration else { return current }
            edit(&configuration)
            return configuration
        }
    }

    private func change(_ wish: @escaping Wish) async throws -> Report? {
        let task = state.withLock { state in
            let (before, taker) = (state.last, state.taker)
            // A task of its own: whoever asked may leave, and must not leave us half-way.
            let task = Task {
                _ = await before?.result
                return try await taker?(wish)
            }
            state.last = task
            return task
        }
        return try await task.value
    }
}
