// SPDX-License-Identifier: Apache-2.0

import DequeModule
package import Primitives
import Synchronization

/// Events that follow one another without a gap, and how many are missing before them.
package struct EventBatch: Hashable, Sendable {
    /// The events, oldest first.
    package let events: [ClusterEvent]
    /// How many events before the first were dropped since the reader's last batch.
    package let droppedCount: UInt64

    /// `events` after `droppedCount` lost ones.
    package init(events: [ClusterEvent], droppedCount: UInt64) {
        (self.events, self.droppedCount) = (events, droppedCount)
    }
}

/// A component's latest events: a bounded ring that any thread may append to.
///
/// At the limit the oldest event is dropped and counted. Readers hold a position, never events of their own, so a slow
/// one costs nothing and learns how many it has missed.
package final class EventLog: Sendable {
    /// The component whose events these are.
    package let component: String
    private let capacity: Int
    private let readersMax: Int
    private let clock: @Sendable () -> Timestamp
    private let state = Mutex(State())

    /// A reader that waits, and for what.
    struct Waiter {
        let continuation: CheckedContinuation<Void, Never>
        /// Nil: for anything.
        let kinds: Set<EventKind>?
        /// The event that it is woken by whatever it is.
        let latest: UInt64

        func isWoken(by event: ClusterEvent) -> Bool {
            kinds?.contains(event.kind) ?? true || event.sequence >= latest
        }
    }

    struct State {
        var events = Deque<ClusterEvent>()
        /// The number of the next event.
        var nextSequence: UInt64 = 1
        var readerCount = 0
        var nextWaiter: UInt64 = 0
        var waiters: [UInt64: Waiter] = [:]
    }

    /// An empty log of `component` that keeps `limits.eventsMax` events for at most `limits.eventReadersMax` readers.
    package init(
        component: String,
        limits: Limits = Limits(),
        clock: @escaping @Sendable () -> Timestamp = { .now }
    ) {
        self.component = component
        (capacity, readersMax) = (max(1, limits.eventsMax), limits.eventReadersMax)
        self.clock = clock
    }

    /// The number of the latest event; 0 before the first.
    package var lastSequence: UInt64 { state.withLock { $0.nextSequence - 1 } }

    /// Gives `event` its number, time and component, and appends it.
    package func record(_ event: ClusterEvent) {
        var event = event
        event.component = component
        event.timestamp = clock()
        let waiters = state.withLock { state in
            event.sequence = state.nextSequence
            state.nextSequence += 1
            if state.events.count == capacity { state.events.removeFirst() }
            state.events.append(event)
            var woken: [CheckedContinuation<Void, Never>] = []
            for (number, waiter) in state.waiters where waiter.isWoken(by: event) {
                state.waiters[number] = nil
                woken.append(waiter.continuation)
            }
            return woken
        }
        for waiter in waiters { waiter.resume() }
    }

    /// The events numbered above `sequence`, and how many of those are gone.
    package func events(after sequence: UInt64) -> EventBatch {
        state.withLock { Self.events(after: sequence, in: $0) }
    }

    private static func events(after sequence: UInt64, in state: State) -> EventBatch {
        let firstKept = state.nextSequence - UInt64(state.events.count)
        let position = sequence < state.nextSequence ? sequence : 0
        let first = max(position + 1, firstKept)
        let skip = Int(first - firstKept)
        return EventBatch(
            events: Array(state.events.dropFirst(skip)),
            droppedCount: first - (position + 1)
        )
    }

    /// A stream of the events numbered above `sequence` (the `Last-Event-ID` of a reader that comes back), or of those to
    /// come when it is nil. Nil when `limits.eventReadersMax` read already.
    /// - Parameter kinds: the events that the reader looks for. It gets the others with them, or before they are dropped, so that it
    ///   is not woken for each. Nil: all.
    package func subscribe(
        after sequence: UInt64? = nil,
        lookingFor kinds: Set<EventKind>? = nil
    ) -> EventSubscription? {
        state.withLock { state in
            guard state.readerCount < readersMax else { return nil }
            state.readerCount += 1
            let last = state.nextSequence - 1
            // A position from before a restart may lie ahead of the log: that reader starts over with what there is.
            let position = sequence.map { $0 <= last ? $0 : 0 } ?? last
            return EventSubscription(log: self, position: position, kinds: kinds)
        }
    }

    fileprivate func unsubscribe() {
        state.withLock { $0.readerCount -= 1 }
    }

    /// Returns once there are events above `sequence`, one of `kinds` or many, or when the task is cancelled.
    fileprivate func waitForEvents(after sequence: UInt64, _ kinds: Set<EventKind>?) async {
        let waiter = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let mustWait = state.withLock { state in
                    guard state.nextSequence - 1 <= sequence, !Task.isCancelled else {
                        return false
                    }
                    state.waiters[waiter] = Waiter(
                        continuation: continuation,
                        kinds: kinds,
                        latest: sequence + UInt64(max(1, capacity / 2))
                    )
                    return true
                }
                if !mustWait { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: waiter) }?.continuation.resume()
        }
    }
}

/// One reader's place in an ``EventLog``; iterate it from one task. The place is given up when the value goes.
package final class EventSubscription: AsyncSequence, Sendable {
    package typealias Element = EventBatch
    private let log: EventLog
    private let kinds: Set<EventKind>?
    private let position: Atomic<UInt64>

    fileprivate init(log: EventLog, position: UInt64, kinds: Set<EventKind>?) {
        (self.log, self.kinds) = (log, kinds)
        self.position = Atomic(position)
    }

    deinit { log.unsubscribe() }

    /// The next events, as many as there are, at least one; waits for them. Nil once the task is cancelled.
    package func next() async -> EventBatch? {
        while !Task.isCancelled {
            let batch = log.events(after: position.load(ordering: .relaxed))
            if let last = batch.events.last {
                position.store(last.sequence, ordering: .relaxed)
                return batch
            }
            await log.waitForEvents(after: position.load(ordering: .relaxed), kinds)
        }
        return nil
    }

    package func makeAsyncIterator() -> Iterator { Iterator(subscription: self) }

    /// Reads the subscription batch by batch.
    package struct Iterator: AsyncIteratorProtocol {
        fileprivate let subscription: EventSubscription
        package func next() async -> EventBatch? { await subscription.next() }
    }
}
