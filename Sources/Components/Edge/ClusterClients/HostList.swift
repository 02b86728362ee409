// SPDX-License-Identifier: Apache-2.0

import Placement
package import Primitives
import Synchronization

/// The hosts of one kind of component, `host:port`, with what callers have learnt about their
/// health.
///
/// A host that gave no answer several times within a while is left out for as long, and so is one whose probes fail, unless
/// that would leave out all.
/// - Source: uber/kraken lib/hostlist, lib/healthcheck/passive.go and monitor.go.
package final class HostList: Sendable {
    /// Asks for the hosts.
    package typealias Resolve = @Sendable () async throws -> [String]

    let policy: HostListPolicy
    let now: @Sendable () -> Instant
    let reporter: LookUpReporter?
    let state: Mutex<State>
    /// Makes hosts of what a configuration says that is to be looked up.
    private let resolveEntries: @Sendable (_ entries: [String]) async throws -> [String]

    struct State {
        var hosts: [String]
        var lookUps: LookUps
        var health: PassiveHealthFilter
        /// What probes say; nil while none are made.
        var probes: ActiveHealthFilter?
        var generator: Generator

        func usable(_ hosts: [String], at now: Instant) -> [String] {
            guard let healthy = probes?.healthyMembers else { return health.usable(hosts, at: now) }
            let probed = hosts.filter(healthy.contains)
            return health.usable(probed.isEmpty ? hosts : probed, at: now)
        }

        mutating func replace(_ hosts: [String]) {
            self.hosts = hosts
            health.retainMembers(Set(hosts))
            probes?.replaceMembers(hosts)
        }
    }

    /// A list of `hosts`.
    ///
    /// - Parameters:
    ///   - resolve: asked for the hosts again, at a use, once what is known is older than
    ///     `policy.timeToLive`; when it fails, the last known hosts stay.
    ///   - resolveEntries: makes hosts of what a configuration says that is read later.
    ///   - reporter: told what came of look-ups.
    ///   - seed: of the random order.
    ///   - now: the clock.
    package init(
        _ hosts: [String],
        policy: HostListPolicy = HostListPolicy(),
        resolve: Resolve? = nil,
        resolveEntries: @escaping @Sendable (_ entries: [String]) async throws -> [String] = {
            $0
        },
        reporter: LookUpReporter? = nil,
        seed: UInt64 = .random(in: .min ... .max),
        now: @escaping @Sendable () -> Instant = LiveClock.now
    ) {
        (self.policy, self.now) = (policy, now)
        (self.resolveEntries, self.reporter) = (resolveEntries, reporter)
        state = Mutex(
            State(
                hosts: hosts,
                // A list without hosts is looked up at its first use.
                lookUps: LookUps(resolve: resolve, endedAt: hosts.isEmpty ? nil : now()),
                health: PassiveHealthFilter(
                    failsMax: policy.failuresMax,
                    failTimeout: policy.failureWindow
                ),
                generator: Generator(seed: seed)
            )
        )
    }

    /// All hosts as last known, in the configured order, whatever their health.
    package var hosts: [String] { state.withLock { $0.hosts } }

    /// Whether the hosts are behind names that are looked up.
    package var isLookedUp: Bool { state.withLock { $0.lookUps.resolve != nil } }

    /// Whether there are none, and no names behind which there could be any.
    package var isEmpty: Bool {
        state.withLock { $0.hosts.isEmpty && $0.lookUps.resolve == nil }
    }

    /// Replaces the hosts by those of a configuration that has changed; what is known of those that stay is kept. Those that
    /// are to be looked up count once they were; those from before stay until then.
    package func reconfigure(_ entries: [String]) {
        let isNamed = HostNames.needLookUp(entries)
        state.withLock { [resolveEntries] state in
            guard isNamed else {
                state.lookUps.replace(nil)
                return state.replace(entries)
            }
            state.lookUps.replace { try await resolveEntries(entries) }
        }
    }

    /// The healthy hosts in the configured order, or all when none is; resolved again first when
    /// due.
    package func healthyHosts() async -> [String] {
        await refreshIfDue()
        let now = now()
        return state.withLock { $0.usable($0.hosts, at: now) }
    }

    /// ``healthyHosts()`` in random order, then the others, for the case that no healthy one
    /// answers.
    package func shuffledHosts() async -> [String] {
        await refreshIfDue()
        let now = now()
        return state.withLock { state in
            var hosts = state.hosts
            state.generator.shuffle(&hosts)
            let usable = state.usable(hosts, at: now)
            return usable + hosts.filter { !usable.contains($0) }
        }
    }

    /// Whether `host` may be asked.
    package func isHealthy(_ host: String) -> Bool {
        let now = now()
        return state.withLock { state in
            let isProbed = state.probes?.healthyMembers.contains(host) ?? true
            return isProbed && state.health.isHealthy(host, at: now)
        }
    }

    /// Notes that `host` gave no answer.
    package func noteFailure(of host: String) {
        let now = now()
        state.withLock { _ = $0.health.recordFailure(of: host, at: now) }
    }

    /// Notes that `host` answered, whatever it said.
    package func noteAnswer(of host: String) {
        state.withLock { $0.health.recordSuccess(of: host) }
    }

    // MARK: - Probes

    /// Has what ``record(_:)`` is told count from now on.
    func beginMonitoring(_ policy: ProbePolicy) {
        var probes = ActiveHealthFilter(failsMax: policy.failsMax, passesMin: policy.passesMin)
        state.withLock { state in
            probes.replaceMembers(state.hosts)
            state.probes = probes
        }
    }

    /// All hosts, whatever their health, looked up again first when due.
    package func lookedUpHosts() async -> [String] {
        await refreshIfDue()
        return hosts
    }

    /// Notes which hosts passed a probe; answers those whose health that changed, with what it is now.
    func record(_ passed: [String: Bool]) -> [(host: String, isHealthy: Bool)] {
        state.withLock { state in
            var changed: [(String, Bool)] = []
            for (host, passed) in passed.sorted(by: { $0.key < $1.key })
            where state.probes?.record(host, passed: passed) == true {
                changed.append((host, passed))
            }
            return changed
        }
    }
}

/// How long a ``HostList`` trusts what it knows.
package struct HostListPolicy: Hashable, Sendable {
    /// Failures within ``failureWindow`` that leave a host out.
    package var failuresMax: Int
    /// The time that failures are remembered, and that a host is left out.
    package var failureWindow: Duration
    /// The age at which a resolved list is resolved again.
    package var timeToLive: Duration
    /// How long a use waits for a look-up while the hosts from before are known.
    package var lookUpPatience = Duration.seconds(1)

    /// Kraken's defaults, but for what is given.
    package init(
        failuresMax: Int = 3,
        failureWindow: Duration = .minutes(5),
        timeToLive: Duration = .seconds(5)
    ) {
        (self.failuresMax, self.failureWindow) = (failuresMax, failureWindow)
        self.timeToLive = timeToLive
    }
}

/// The process's monotonic clock.
package enum LiveClock {
    private static let start = ContinuousClock.now

    /// The time since this clock was first read.
    @Sendable package static func now() -> Instant {
        Instant.origin.advanced(by: start.duration(to: .now))
    }
}
