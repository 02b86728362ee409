// SPDX-License-Identifier: Apache-2.0

package import Primitives

/// How often to ask again while the other side answers 202.
///
/// Kraken's own schedule begins with one second; this one begins with a few short waits, because an
/// origin of ours usually has a small blob after some milliseconds.
/// - Source: uber/kraken origin/blobclient/cluster_client.go, `PollSchedule`.
package struct PollPolicy: Hashable, Sendable {
    /// The first waits, before the exponential ones.
    package var quickWaits: [Duration]
    /// The first exponential wait.
    package var initialWait: Duration
    /// By how much each wait is longer than the one before, in tenths: 13 is ×1.3.
    package var growthTenths: Int64
    /// No wait is longer.
    package var waitMax: Duration
    /// Each wait is longer or shorter by up to this share, so that many clients do not ask at once.
    package var jitter: Ratio
    /// Time after which the poll is given up.
    package var elapsedMax: Duration

    /// The default schedule, but for what is given.
    package init(
        quickWaits: [Duration] = [
            .milliseconds(50), .milliseconds(100), .milliseconds(200), .milliseconds(400),
        ],
        initialWait: Duration = .seconds(1),
        growthTenths: Int64 = 13,
        waitMax: Duration = .seconds(5),
        jitter: Ratio = Ratio(5, in: 100),
        elapsedMax: Duration = .minutes(15)
    ) {
        (self.quickWaits, self.initialWait) = (quickWaits, initialWait)
        (self.growthTenths, self.waitMax) = (growthTenths, waitMax)
        (self.jitter, self.elapsedMax) = (jitter, elapsedMax)
    }

    /// The wait before attempt number `attempt` (from zero, counted after the first answer),
    /// without jitter.
    package func wait(before attempt: Int) -> Duration {
        if attempt < quickWaits.count { return quickWaits[attempt] }
        var wait = initialWait
        for _ in quickWaits.count..<attempt where wait < waitMax { wait = wait * growthTenths / 10 }
        return min(wait, waitMax)
    }

    /// ``wait(before:)`` made longer or shorter by up to ``jitter``, as `generator` has it.
    package func wait(before attempt: Int, from generator: inout Generator) -> Duration {
        let wait = wait(before: attempt).nanoseconds
        let spread = Int(wait) / jitter.denominator * jitter.numerator
        guard spread > 0 else { return .nanoseconds(wait) }
        return .nanoseconds(wait - Int64(spread) + Int64(generator.below(2 * spread + 1)))
    }
}
