// SPDX-License-Identifier: Apache-2.0

/// A point in time on a clock that its owner chose: nanoseconds since that clock's origin.
///
/// Cores receive instants and never read a clock; a driver maps a monotonic clock to them, a simulation makes them up.
package struct Instant: InstantProtocol, Hashable, Sendable, CustomStringConvertible {
    /// Nanoseconds since the clock's origin. 64 bits last 292 years.
    package var nanoseconds: Int64

    /// The clock's origin.
    package static let origin = Instant(nanoseconds: 0)
    /// Later than every instant a clock reaches; stands for "never" where an optional would be awkward.
    package static let distantFuture = Instant(nanoseconds: .max)

    /// An instant `nanoseconds` after the clock's origin.
    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// The instant `duration` later; saturates at ``distantFuture``, or 292 years before the origin, instead of trapping.
    package func advanced(by duration: Duration) -> Instant {
        let step = duration.nanoseconds
        let (sum, overflow) = nanoseconds.addingReportingOverflow(step)
        if overflow { return Instant(nanoseconds: step < 0 ? .min : .max) }
        return Instant(nanoseconds: sum)
    }

    /// The time from here to `other`; negative when `other` is earlier. Saturates at 292 years.
    package func duration(to other: Instant) -> Duration {
        let (difference, overflow) = other.nanoseconds.subtractingReportingOverflow(nanoseconds)
        if overflow { return .nanoseconds(other < self ? Int64.min : Int64.max) }
        return .nanoseconds(difference)
    }

    package static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    package var description: String { "\(Double(nanoseconds) / 1e9) s" }
}

extension Duration {
    /// The whole duration in nanoseconds; saturates at what 64 bits hold.
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, sumOverflow) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        return sumOverflow ? (seconds < 0 ? .min : .max) : sum
    }

    /// The duration in seconds, for display and rates only.
    package var seconds: Double { Double(nanoseconds) / 1e9 }

    /// A duration of `minutes` minutes.
    package static func minutes(_ minutes: Int64) -> Duration { .seconds(minutes * 60) }

    /// A duration of `hours` hours.
    package static func hours(_ hours: Int64) -> Duration { .seconds(hours * 3600) }
}
