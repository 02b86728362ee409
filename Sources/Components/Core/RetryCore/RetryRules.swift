// SPDX-License-Identifier: Apache-2.0

package import Primitives

/// How a queue of work that must be done tries again.
package struct RetryRules: Hashable, Sendable {
    /// Pieces of new work done at a time.
    package var freshWorkers: Int
    /// Pieces of work that failed before, done at a time beside them, so that neither holds up the other.
    package var retryWorkers: Int
    /// Pieces of work done at a time for one destination.
    package var perDestinationMax: Int
    /// The pause after the first failure; doubles with each further one.
    package var pauseMin = Duration.seconds(1)
    /// The longest pause.
    package var pauseMax = Duration.seconds(60)
    /// Failures after which work is given up while its destination takes other work. While it takes none, work waits
    /// however long that lasts.
    package var attemptsMax = 20
    /// Failures in a row after which a destination is left alone for a while.
    package var failuresToOpen = 5

    /// The defaults, but for what is given.
    package init(
        freshWorkers: Int = 4,
        retryWorkers: Int = 2,
        perDestinationMax: Int = .max
    ) {
        (self.freshWorkers, self.retryWorkers) = (freshWorkers, retryWorkers)
        self.perDestinationMax = perDestinationMax
    }

    /// The pause after `failureCount` failures in a row: it doubles up to ``pauseMax``, less up to a half by chance, so
    /// that what failed together does not come back together.
    package func pause(after failureCount: Int, _ generator: inout Generator) -> Duration {
        let doublings = min(max(failureCount, 1) - 1, 32)
        let (grown, overflow) = pauseMin.nanoseconds.multipliedReportingOverflow(by: 1 << doublings)
        let whole = overflow ? pauseMax.nanoseconds : min(grown, pauseMax.nanoseconds)
        guard whole > 1 else { return .nanoseconds(max(0, whole)) }
        return .nanoseconds(whole - Int64(generator.below(Int(whole / 2) + 1)))
    }
}
