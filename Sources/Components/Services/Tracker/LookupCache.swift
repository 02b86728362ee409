// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Primitives
import Synchronization
import TrackerCore

/// Answers of slow look-ups: remembered as long as each says, and looked up once at a time for all who ask.
///
/// A look-up belongs to nobody who waits for it: they may give up, it ends and is remembered. Bounded in answers, in their
/// cost (the answer found longest ago is dropped) and in look-ups on their way (a further caller gets nil at once).
final class LookupCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    /// What a look-up found, and for how long that is as good as asking again.
    struct Answer: Sendable {
        let value: Value
        let timeToLive: Duration
    }

    private struct Remembered: Sendable {
        let value: Value
        let cost: Int
        let foundAt: Instant
        let freshUntil: Instant
    }

    private struct State {
        var answers = RecencyMap<Key, Remembered>()
        var cost = 0
        var waiters: [Key: [UInt64: CheckedContinuation<Value?, Never>]] = [:]
        var nextWaiter: UInt64 = 0

        /// Notes that `key` is being looked up; false when it is already, or too much is.
        mutating func begin(_ key: Key, _ lookupsMax: Int) -> Bool {
            guard waiters[key] == nil, waiters.count < lookupsMax else { return false }
            waiters[key] = [:]
            return true
        }

        mutating func remember(_ key: Key, _ answer: Remembered) {
            if let replaced = answers.remove(key) { cost -= replaced.cost }
            answers.touch(key, at: answer.foundAt, initial: { answer }, change: { _ in })
            cost += answer.cost
        }
    }

    private let answersMax: Int
    private let costMax: Int
    private let lookupsMax: Int
    private let cost: @Sendable (Value) -> Int
    private let now: @Sendable () -> Instant
    private let state = Mutex(State())

    init(
        answersMax: Int,
        lookupsMax: Int,
        costMax: Int = .max,
        cost: @escaping @Sendable (Value) -> Int = { _ in 0 },
        now: @escaping @Sendable () -> Instant = LiveClock.now
    ) {
        (self.answersMax, self.lookupsMax) = (answersMax, lookupsMax)
        (self.costMax, self.cost, self.now) = (costMax, cost, now)
    }

    /// What is remembered of `key` and not older than its time to live, or than `staleMax` where that is given.
    ///
    /// When it is past its time to live, `lookUp` is started unless it runs already.
    func remembered(
        _ key: Key,
        staleMax: Duration = .zero,
        lookUp: @escaping @Sendable () async -> Answer
    ) -> Value? {
        let now = now()
        let (value, mustLookUp) = state.withLock { state -> (Value?, Bool) in
            guard let answer = state.answers[key] else {
                return (nil, state.begin(key, lookupsMax))
            }
            if answer.freshUntil > now { return (answer.value, false) }
            let isUsable = answer.foundAt.advanced(by: staleMax) > now
            return (isUsable ? answer.value : nil, state.begin(key, lookupsMax))
        }
        if mustLookUp { start(key, lookUp) }
        return value
    }

    /// The answer for `key`: a fresh one that is remembered, else what `lookUp` finds; nil when that takes longer than
    /// `timeout`, when too many look-ups run, or when the task is cancelled.
    func value(
        of key: Key,
        timeout: Duration,
        lookUp: @escaping @Sendable () async -> Answer
    ) async -> Value? {
        if let value = remembered(key, lookUp: lookUp) { return value }
        return await wait(for: key, timeout: timeout)
    }

    /// What the look-up of `key` that is on its way finds; nil when there is none, or it takes longer than `timeout`.
    func wait(for key: Key, timeout: Duration) async -> Value? {
        let waiter = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        // Unstructured: it must not outlive the wait, which a group would make wait for it instead.
        let timer = Task { [weak self] in
            // Cancelled once the answer is there; then nobody waits under this number any more.
            try? await Task.sleep(for: timeout)
            self?.giveUp(waiter, on: key)
        }
        defer { timer.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let value = state.withLock { state -> Value?? in
                    guard state.waiters[key] != nil, !Task.isCancelled else {
                        // It may have ended since the caller looked: then its answer is fresh.
                        let answer = state.answers[key]
                        return .some(answer.flatMap { $0.freshUntil > now() ? $0.value : nil })
                    }
                    state.waiters[key]?[waiter] = continuation
                    return nil
                }
                if let value { continuation.resume(returning: value) }
            }
        } onCancel: {
            giveUp(waiter, on: key)
        }
    }

    private func giveUp(_ waiter: UInt64, on key: Key) {
        state.withLock { $0.waiters[key]?.removeValue(forKey: waiter) }?.resume(returning: nil)
    }

    private func start(_ key: Key, _ lookUp: @escaping @Sendable () async -> Answer) {
        // Unstructured: whoever asked first may give up while others wait. It ends with its requests' time-outs.
        Task { finish(key, await lookUp()) }
    }

    private func finish(_ key: Key, _ answer: Answer) {
        let now = now()
        let remembered = Remembered(
            value: answer.value,
            cost: cost(answer.value),
            foundAt: now,
            freshUntil: now.advanced(by: answer.timeToLive)
        )
        let waiters = state.withLock { state in
            state.remember(key, remembered)
            while state.answers.count > answersMax || state.cost > costMax {
                guard let (_, dropped) = state.answers.removeOldest() else { break }
                state.cost -= dropped.cost
            }
            return state.waiters.removeValue(forKey: key) ?? [:]
        }
        for waiter in waiters.values { waiter.resume(returning: answer.value) }
    }
}
