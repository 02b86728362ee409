// SPDX-License-Identifier: Apache-2.0

import Primitives

/// How long to wait before a failed component is started again: twice as long each time, with a share of chance, so that
/// components that failed together do not come back in step.
struct Backoff: Sendable {
    private var attempt = 0
    private var generator: Generator
    private let first: Duration
    private let longest: Duration

    /// Pauses from `first` to `longest`, drawn from `generator`.
    init(
        first: Duration = .milliseconds(500),
        longest: Duration = .seconds(30),
        generator: Generator
    ) {
        (self.first, self.longest, self.generator) = (first, longest, generator)
    }

    /// The next pause: between half and all of the current length.
    mutating func next() -> Duration {
        let full = min(longest.nanoseconds, first.nanoseconds << Int64(min(attempt, 20)))
        attempt += 1
        let half = full / 2
        return .nanoseconds(half + Int64(generator.below(Int(half) + 1)))
    }

    /// Starts over: the component ran well for a while.
    mutating func reset() { attempt = 0 }
}
