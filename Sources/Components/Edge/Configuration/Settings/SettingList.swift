// SPDX-License-Identifier: Apache-2.0

import Primitives
import RetryCore
import Telemetry

/// Makes the list of what a configuration says, beside what it would say by default.
///
/// Only what is named here is shown, so that a secret that is added to a configuration does not show up by itself.
struct SettingList<Configuration> {
    private(set) var settings: [SettingStatus] = []
    private let configuration: Configuration
    private let usual: Configuration

    /// A list of what `configuration` says, in which what `usual` says as well counts as default.
    init(_ configuration: Configuration, usual: Configuration) {
        (self.configuration, self.usual) = (configuration, usual)
    }

    /// Adds the value at `path` under `key`.
    mutating func add<Value: SettingValue>(
        _ key: String,
        _ path: KeyPath<Configuration, Value>
    ) {
        let value = configuration[keyPath: path]
        append(key, value.settingText, isChanged: value != usual[keyPath: path])
    }

    /// Adds the value at `path` under `key`, unless there is none.
    mutating func add<Value: SettingValue>(
        _ key: String,
        _ path: KeyPath<Configuration, Value?>
    ) {
        guard let value = configuration[keyPath: path] else { return }
        append(key, value.settingText, isChanged: value != usual[keyPath: path])
    }

    /// Adds the hosts at `path` under `key`, as a list or as the name that stands for them.
    mutating func addHosts(_ key: String, _ path: KeyPath<Configuration, [String]>) {
        let hosts = configuration[keyPath: path]
        let isChanged = hosts != usual[keyPath: path]
        if hosts.count == 1, let name = hosts.first, name.hasPrefix("dns:") {
            append("\(key).dns", String(name.dropFirst("dns:".count)), isChanged: isChanged)
        } else {
            append("\(key).static", hosts.settingText, isChanged: isChanged)
        }
    }

    /// Adds the rules of a queue at `path`, under keys that begin with `key`.
    mutating func addRetries(_ key: String, _ path: KeyPath<Configuration, RetryRules>) {
        add("\(key).num_incoming_workers", path.appending(path: \.freshWorkers))
        add("\(key).num_retry_workers", path.appending(path: \.retryWorkers))
        add("\(key).retry_interval", path.appending(path: \.pauseMax))
        add("\(key).retry_interval_min", path.appending(path: \.pauseMin))
        add("\(key).attempts_max", path.appending(path: \.attemptsMax))
    }

    /// Adds `value` under `key`.
    mutating func append(_ key: String, _ value: String, isChanged: Bool) {
        settings.append(SettingStatus(key: key, value: value, isChanged: isChanged))
    }

    /// Adds what `list` has.
    mutating func append<Other>(_ list: SettingList<Other>) { settings += list.settings }
}

/// A value that a configuration file can hold.
protocol SettingValue: Equatable {
    /// The value as the file would say it.
    var settingText: String { get }
}

extension Int: SettingValue {
    var settingText: String { "\(self)" }
}

extension Bool: SettingValue {
    var settingText: String { self ? "true" : "false" }
}

extension String: SettingValue {
    var settingText: String { isEmpty ? "\"\"" : self }
}

extension [String]: SettingValue {
    /// In YAML's short form; what could be taken for a part of that is quoted.
    var settingText: String {
        let elements = map { $0.contains { "[]{},#'\"".contains($0) } ? "\"\($0)\"" : $0 }
        return "[\(elements.joined(separator: ", "))]"
    }
}

extension ByteCount: SettingValue {
    /// In the largest unit that it is a multiple of.
    var settingText: String {
        let units: [(String, Int)] = [("TB", 40), ("GB", 30), ("MB", 20), ("KB", 10)]
        for (name, shift) in units where bytes > 0 && bytes % (1 << shift) == 0 {
            return "\(bytes >> shift)\(name)"
        }
        return "\(bytes)"
    }
}

extension Duration: SettingValue {
    /// In Go's notation.
    var settingText: String {
        let units: [(String, Int64)] = [
            ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000),
            ("ms", 1_000_000), ("us", 1000), ("ns", 1),
        ]
        var (rest, text) = (nanoseconds, "")
        for (name, size) in units where rest >= size {
            text += "\(rest / size)\(name)"
            rest %= size
        }
        return text.isEmpty ? "0s" : text
    }
}

extension PeerIDFactory: SettingValue {
    var settingText: String { rawValue }
}

extension TrackerHandoutOrder: SettingValue {
    var settingText: String { rawValue }
}
