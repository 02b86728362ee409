// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Logging
import Synchronization

/// From which level on a process logs, which may change while it runs.
final class LogThreshold: Sendable {
    private let index: Atomic<Int>

    /// Begins with `level`.
    init(_ level: Logger.Level) { index = Atomic(Self.index(of: level)) }

    /// The level now.
    var level: Logger.Level {
        get { Logger.Level.allCases[index.load(ordering: .relaxed)] }
        set { index.store(Self.index(of: newValue), ordering: .relaxed) }
    }

    private static func index(of level: Logger.Level) -> Int {
        // Every level is one of all.
        Logger.Level.allCases.firstIndex(of: level) ?? 0
    }
}

extension LogSettings {
    /// The level that the configuration says, or the one that components have.
    var loggerLevel: Logger.Level { level.flatMap { Logger.Level(rawValue: $0.rawValue) } ?? .info }
}
