// SPDX-License-Identifier: Apache-2.0

/// Spreads work over time so that it stays within a rate: says when each part of it may begin.
package struct Pace: Hashable, Sendable {
    /// What is kept to; nil for as fast as it goes.
    package let rate: ByteRate?
    private var freeAt = Instant.origin

    /// A pace of `rate`.
    package init(rate: ByteRate?) { self.rate = rate }

    /// When the next `byteCount` bytes, asked for at `now`, may be sent: at once after a pause, else when what was sent before
    /// has had its time. What was not used is not saved up.
    package mutating func take(_ byteCount: Int, at now: Instant) -> Instant {
        guard let rate, rate.bytesPerSecond > 0, byteCount > 0 else { return now }
        let start = max(freeAt, now)
        let (nanoseconds, overflow) = byteCount.multipliedReportingOverflow(by: 1_000_000_000)
        let length = overflow ? Int.max : nanoseconds / rate.bytesPerSecond
        freeAt = start.advanced(by: .nanoseconds(length))
        return start
    }
}
