// SPDX-License-Identifier: Apache-2.0

package import Primitives

/// Who is healthy by probes: a member falls out after some failures in a row and comes back after some successes in a row.
///
/// A set of exactly one member is always healthy, new members start healthy, and one that leaves is forgotten whole, so
/// that it starts healthy when it returns (Kraken half remembers it).
/// - Source: uber/kraken lib/healthcheck/filter.go and state.go.
package struct ActiveHealthFilter: Hashable, Sendable {
    /// Failures in a row that make a member unhealthy; positive.
    package let failsMax: Int
    /// Successes in a row that make it healthy again; positive.
    package let passesMin: Int
    private var states: [String: State] = [:]

    private struct State: Hashable, Sendable {
        /// Positive: successes in a row. Negative: failures in a row.
        var trend = 0
        var isHealthy = true
    }

    /// A filter without members.
    /// - Precondition: both thresholds are positive.
    package init(failsMax: Int = 3, passesMin: Int = 2) {
        precondition(failsMax > 0 && passesMin > 0, "a threshold that is always reached")
        (self.failsMax, self.passesMin) = (failsMax, passesMin)
    }

    /// Makes exactly `members` the members.
    package mutating func replaceMembers(_ members: some Sequence<String>) {
        var kept: [String: State] = [:]
        for member in members { kept[member] = states[member] ?? State() }
        states = kept
    }

    /// Notes the outcome of a probe; answers whether the member's own health changed. No effect on a stranger.
    @discardableResult package mutating func record(_ member: String, passed: Bool) -> Bool {
        guard var state = states[member] else { return false }
        let wasHealthy = state.isHealthy
        if passed {
            state.trend = min(max(state.trend, 0) + 1, passesMin)
            if state.trend == passesMin { state.isHealthy = true }
        } else {
            state.trend = max(min(state.trend, 0) - 1, -failsMax)
            if state.trend == -failsMax { state.isHealthy = false }
        }
        states[member] = state
        return state.isHealthy != wasHealthy
    }

    /// The healthy members; empty when there are several and all of them are unhealthy.
    package var healthyMembers: Set<String> {
        if states.count == 1 { return Set(states.keys) }
        return Set(states.lazy.filter(\.value.isHealthy).map(\.key))
    }
}

/// Who is healthy by what callers report: a member that failed often within a while is left alone for as long.
///
/// A success clears a member's record, unlike in Kraken, where three lost requests within five minutes exclude even a
/// tracker that answers thousands, and split the swarm in two.
/// - Source: uber/kraken lib/healthcheck/passive.go.
package struct PassiveHealthFilter: Hashable, Sendable {
    /// Failures within ``failTimeout`` that exclude a member; positive.
    package let failsMax: Int
    /// How far apart failures may be to count together, and how long a member stays excluded.
    package let failTimeout: Duration
    private var states: [String: State] = [:]

    private struct State: Hashable, Sendable {
        /// When it failed: the latest ``failsMax`` times, oldest first.
        var failures: [Instant] = []
        var excludedUntil: Instant?
    }

    /// A filter that excludes nobody.
    /// - Precondition: `failsMax` is positive.
    package init(failsMax: Int = 3, failTimeout: Duration = .minutes(5)) {
        precondition(failsMax > 0, "a threshold that is always reached")
        (self.failsMax, self.failTimeout) = (failsMax, failTimeout)
    }

    /// Notes that `member` could not be reached; answers whether it is excluded from now on and was not before.
    @discardableResult package mutating func recordFailure(
        of member: String,
        at now: Instant
    ) -> Bool {
        var state = states[member] ?? State()
        let wasExcluded = state.excludedUntil.map { $0 > now } ?? false
        state.failures.removeAll { $0.advanced(by: failTimeout) <= now }
        state.failures.append(now)
        if state.failures.count > failsMax { state.failures.removeFirst() }
        if state.failures.count == failsMax {
            state.excludedUntil = now.advanced(by: failTimeout)
        }
        states[member] = state
        return !wasExcluded && state.excludedUntil.map { $0 > now } ?? false
    }

    /// Notes that `member` answered: its failures are forgotten.
    package mutating func recordSuccess(of member: String) {
        if states[member] != nil { states[member] = nil }
    }

    /// Forgets everyone who is not in `members`.
    package mutating func retainMembers(_ members: Set<String>) {
        states = states.filter { members.contains($0.key) }
    }

    /// Whether `member` may be used at `now`.
    package func isHealthy(_ member: String, at now: Instant) -> Bool {
        guard let until = states[member]?.excludedUntil else { return true }
        return until <= now
    }

    /// Those of `members` that may be used at `now`; all of them when none may.
    package func usable(_ members: [String], at now: Instant) -> [String] {
        let healthy = members.filter { isHealthy($0, at: now) }
        return healthy.isEmpty ? members : healthy
    }
}
