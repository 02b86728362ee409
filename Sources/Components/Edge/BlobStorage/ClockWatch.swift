// SPDX-License-Identifier: Apache-2.0

import Primitives

/// Finds out that civil time was set, by comparing it with a clock that nobody sets.
///
/// What is on disk bears civil times, and is older or younger by as much as the clock was set: without this, a machine whose
/// clock was put right by some days would drop its whole cache at once.
struct ClockWatch: Sendable {
    /// That civil time was set between two looks.
    struct Jump: Hashable, Sendable {
        /// By how many seconds; negative: back.
        let seconds: Int64
        /// What civil time says now.
        let now: Int64

        /// The civil time, as it is counted now, of what bears `time`. What may bear a time of before or after the jump counts
        /// as younger.
        func corrected(_ time: Int64) -> Int64 {
            // Forward: what is not younger than the clock would be without the jump. Back: what is of the future.
            let isBefore = seconds > 0 ? time <= now - seconds : time > now
            return isBefore ? time + seconds : time
        }
    }

    private var civil: Int64
    private var steady: Instant

    /// Seconds that civil time may drift or be slewed between two looks without having been set.
    private static let toleranceSeconds: Int64 = 60

    /// A watch that begins when the clocks say `civil`, in Unix seconds, and `steady`.
    init(civil: Int64, steady: Instant) { (self.civil, self.steady) = (civil, steady) }

    /// Compares the clocks, which say `civil` and `steady`, with what they said at the last look.
    mutating func look(civil: Int64, steady: Instant) -> Jump? {
        let elapsed = self.steady.duration(to: steady).nanoseconds / 1_000_000_000
        let seconds = civil - (self.civil + elapsed)
        (self.civil, self.steady) = (civil, steady)
        guard abs(seconds) > Self.toleranceSeconds else { return nil }
        return Jump(seconds: seconds, now: civil)
    }
}

/// The time since the process first asked for it.
enum SteadyClock {
    private static let start = ContinuousClock.now

    static var now: Instant { Instant.origin.advanced(by: start.duration(to: .now)) }
}
