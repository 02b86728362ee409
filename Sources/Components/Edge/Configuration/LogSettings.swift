// SPDX-License-Identifier: Apache-2.0

package import Telemetry

/// How much a component logs, as its configuration says: Kraken's `zap.level`.
package struct LogSettings: Hashable, Sendable {
    /// A level of Herd's logs.
    package enum Level: String, CaseIterable, Sendable {
        case trace, debug, info, notice, warning, error, critical
    }

    /// From where on is logged; nil when the configuration does not say.
    package var level: Level?

    /// Nothing is said.
    package init() {}

    /// Reads `zap: {level: info}` in a component's configuration; both Kraken's and Herd's names of levels will do.
    /// - Source: go.uber.org/zap, `zapcore.Level`.
    package init(yaml document: ConfigurationNode) throws(ConfigurationError) {
        var whole = try document.table()
        guard var section = try whole.table("zap") else { return }
        try take(&section)
    }

    /// Takes the section out of `whole`; the rest of it, which says how Kraken writes its lines, has no effect.
    init(takingFrom whole: inout ConfigurationTable) throws(ConfigurationError) {
        guard var section = try whole.table("zap") else { return }
        try take(&section)
        try section.finish(ignoring: Self.withoutEffect)
    }

    private mutating func take(_ section: inout ConfigurationTable) throws(ConfigurationError) {
        guard let node = section.take("level") else { return }
        let text = try node.text()
        guard let level = Level(rawValue: text) ?? Self.zapLevels[text] else {
            throw node.defect(
                "\(text) is no level",
                remedy: "use one of \(Level.allCases.map(\.rawValue).joined(separator: ", "))"
            )
        }
        self.level = level
    }

    /// Kraken's names that Herd does not have.
    private static let zapLevels: [String: Level] = [
        "warn": .warning, "dpanic": .critical, "panic": .critical, "fatal": .critical,
    ]
    private static let withoutEffect = [
        "development", "disableCaller", "disableStacktrace", "sampling", "encoding",
        "encoderConfig", "outputPaths", "errorOutputPaths", "initialFields",
    ]

    /// What is in force, for whoever asks.
    package var settings: [SettingStatus] {
        guard let level else { return [] }
        return [SettingStatus(key: "zap.level", value: level.rawValue, isChanged: true)]
    }
}
