// SPDX-License-Identifier: Apache-2.0

package import Logging
import Primitives
import Synchronization
package import Telemetry

/// Where a ``HostList`` tells what came of its look-ups.
package struct LookUpReporter: Sendable {
    private let log: Logger
    private let lookUps: Counter
    private let failures: Counter

    /// Reports to `log` and `counters`.
    package init(log: Logger, counters: Counters) {
        self.log = log
        (lookUps, failures) = (
            counters.counter("host_lookups"), counters.counter("host_lookups_failed")
        )
    }

    /// Notes that a look-up failed because of `why`; the log is told once until one succeeds.
    package func noteFailure(_ why: String, isFirst: Bool, keeping hosts: [String]) {
        lookUps.add()
        failures.add()
        log.log(
            level: isFirst ? .warning : .debug,
            "could not look up hosts; those from before stay",
            metadata: [
                LogKey.error: "\(why)", LogKey.address: "\(hosts.joined(separator: ","))",
            ]
        )
    }

    /// Notes that a look-up found `hosts`.
    package func noteSuccess(_ hosts: [String], isChange: Bool, afterFailure: Bool) {
        lookUps.add()
        guard isChange || afterFailure else { return }
        log.notice(
            isChange ? "the hosts behind a name have changed" : "hosts can be looked up again",
            metadata: [LogKey.address: "\(hosts.joined(separator: ","))"]
        )
    }
}

extension HostList {
    /// How the hosts are looked up, and what came of it.
    struct LookUps {
        /// Asks for the hosts; nil where they are a list.
        private(set) var resolve: Resolve?
        /// When the last one ended; nil before the first.
        var endedAt: Instant?
        /// Why it failed; nil when it did not.
        var failure: String?
        /// Those who wait for the one that is under way; nil while none is.
        var waiters: [AsyncStream<Void>.Continuation]?
        /// Counts the ways to ask, so that what an earlier one finds late does not count.
        private(set) var generation = 0

        init(resolve: Resolve?, endedAt: Instant?) {
            (self.resolve, self.endedAt) = (resolve, endedAt)
        }

        /// Has `resolve` asked from now on, at the next use first.
        mutating func replace(_ resolve: Resolve?) {
            (self.resolve, endedAt, failure) = (resolve, nil, nil)
            generation += 1
        }

        func isDue(at now: Instant, _ policy: HostListPolicy) -> Bool {
            endedAt.map { $0.advanced(by: policy.timeToLive) <= now } ?? true
        }
    }

    /// Looks the hosts up when what is known is old. Who knows hosts from before waits for the name servers for a while only, and
    /// only if nobody else does already.
    func refreshIfDue() async {
        let now = now()
        let (ended, end) = AsyncStream<Void>.makeStream()
        let wait = state.withLock { state -> Wait? in
            guard let resolve = state.lookUps.resolve else { return nil }
            let isKnown = !state.hosts.isEmpty
            if state.lookUps.waiters != nil {
                guard !isKnown else { return nil }
                state.lookUps.waiters?.append(end)
                return Wait(isKnown: false)
            }
            guard state.lookUps.isDue(at: now, policy) else { return nil }
            state.lookUps.waiters = [end]
            return Wait(isKnown: isKnown, start: (resolve, state.lookUps.generation))
        }
        guard let wait else { return }
        if let (resolve, generation) = wait.start {
            // A task of its own: it goes on when the caller leaves, for those who come after.
            Task { await self.lookUp(resolve, generation) }
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in ended {} }
            if wait.isKnown {
                // Cancelled when the look-up ends first.
                group.addTask { [policy] in try? await Task.sleep(for: policy.lookUpPatience) }
            }
            await group.next()
            group.cancelAll()
        }
    }

    private struct Wait {
        /// Whether hosts are known without it.
        let isKnown: Bool
        /// What to begin; nil when somebody has.
        var start: (Resolve, generation: Int)?
    }

    private func lookUp(_ resolve: Resolve, _ generation: Int) async {
        let outcome: Result<[String], any Error>
        do { outcome = .success(try await resolve()) } catch { outcome = .failure(error) }
        let now = now()
        let waiters = state.withLock { state -> [AsyncStream<Void>.Continuation] in
            if generation == state.lookUps.generation { note(outcome, at: now, in: &state) }
            defer { state.lookUps.waiters = nil }
            return state.lookUps.waiters ?? []
        }
        for waiter in waiters { waiter.finish() }
    }

    private func note(
        _ outcome: Result<[String], any Error>,
        at now: Instant,
        in state: inout State
    ) {
        let before = state.lookUps.failure
        // After a failure, too: name servers are not asked at each use.
        state.lookUps.endedAt = now
        switch outcome {
        case .success(let found) where !found.isEmpty:
            state.lookUps.failure = nil
            let isChange = Set(found) != Set(state.hosts)
            if isChange { state.replace(found) }
            reporter?.noteSuccess(found, isChange: isChange, afterFailure: before != nil)
        case .success: fail("no host was found")
        case .failure(let error): fail("\(error)")
        }
        func fail(_ why: String) {
            state.lookUps.failure = why
            reporter?.noteFailure(why, isFirst: before == nil, keeping: state.hosts)
        }
    }

    /// The error of who wants to do `what` and has nobody to ask.
    func noHosts(_ what: String) -> ClusterError {
        guard let failure = state.withLock({ $0.lookUps.failure }) else { return .noHosts(what) }
        return ClusterError(.noHosts, what: what, why: "no host is known: \(failure)")
    }
}
