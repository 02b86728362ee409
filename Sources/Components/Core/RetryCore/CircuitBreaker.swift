// SPDX-License-Identifier: Apache-2.0

package import Primitives

/// Whether a destination is worth trying: after some failures in a row nothing is sent there for a while, then one piece
/// of work as a probe, whose outcome decides for all others.
package struct CircuitBreaker: Hashable, Sendable {
    /// Where it stands.
    package enum State: Hashable, Sendable {
        /// The destination is used.
        case closed
        /// It is left alone until that moment; from then on one probe may go.
        case open(until: Instant)
        /// The probe is under way.
        case probing
    }

    /// What may be started now.
    package enum Admission: Hashable, Sendable {
        /// Anything.
        case all
        /// One piece of work, as a probe.
        case probe
        /// Nothing.
        case none
    }

    /// Where it stands.
    package private(set) var state = State.closed
    /// Failures since the last success.
    package private(set) var failureCount = 0
    /// How often it has opened since the last success.
    private var openingCount = 0

    /// A closed one.
    package init() {}

    /// What may be started at `now`.
    package func admission(at now: Instant) -> Admission {
        switch state {
        case .closed: .all
        case .open(let until): until <= now ? .probe : .none
        case .probing: .none
        }
    }

    /// When an open one lets a probe go.
    package var nextDeadline: Instant? {
        if case .open(let until) = state { until } else { nil }
    }

    /// Notes that work was started.
    package mutating func noteStart() {
        if case .open = state { state = .probing }
    }

    /// Notes that the destination took a piece of work.
    package mutating func noteSuccess() { self = CircuitBreaker() }

    /// Notes that it did not.
    package mutating func noteFailure(
        at now: Instant,
        _ rules: RetryRules,
        _ generator: inout Generator
    ) {
        failureCount += 1
        switch state {
        case .closed where failureCount < rules.failuresToOpen: break
        // What was under way when it opened says nothing new.
        case .open: break
        case .closed, .probing:
            openingCount += 1
            state = .open(until: now.advanced(by: rules.pause(after: openingCount, &generator)))
        }
    }

    /// Notes that a piece of work ended in a way that says nothing of the destination; another one may be the probe.
    package mutating func noteNothing(at now: Instant) {
        if state == .probing { state = .open(until: now) }
    }

    /// Lets a probe go at once: someone knows better.
    package mutating func allowProbe(at now: Instant) {
        if case .open(let until) = state { state = .open(until: min(until, now)) }
    }
}
