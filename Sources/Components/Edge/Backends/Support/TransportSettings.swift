// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import HTTPKit
import Primitives

/// The keys that every backend over HTTP has beside its own.
struct TransportSettings: Hashable, Sendable {
    /// For a request whose answer is short.
    var timeout = Duration.seconds(60)
    /// When and how often one is sent again.
    var retry = RetryPolicy(
        attemptsMax: 4,
        pause: .milliseconds(250),
        statuses: [408, 429, 500, 502, 503, 504]
    )

    /// The slowest transfer that is waited for.
    private static let slowestRate = ByteRate(bytesPerSecond: 128 << 10)

    /// The defaults.
    init() {}

    /// Reads `timeout` and `attempts_max`.
    init(_ table: inout ConfigurationTable) throws(ConfigurationError) {
        timeout = try table.duration("timeout") ?? timeout
        retry.attemptsMax = try table.integer("attempts_max", in: 1...100) ?? retry.attemptsMax
    }

    /// For a request that takes `bytes` there.
    func timeout(sending bytes: Int) -> Duration {
        timeout + .seconds(bytes / Self.slowestRate.bytesPerSecond)
    }

    /// For an object that comes, however long: the connection's own time-out notices when nothing more does.
    static let downloadTimeout = Duration.hours(24)
}
