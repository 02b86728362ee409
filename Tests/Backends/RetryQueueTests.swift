// SPDX-License-Identifier: Apache-2.0

import Backends
import NIOPosix
import Primitives
import Synchronization
import Telemetry
import Testing

@Suite("Retry queue", .timeLimit(.minutes(1))) struct RetryQueueTests {
    private struct Failure: Error {}

    /// What a queue did, and how often each piece of work is to fail.
    private final class Ledger: Sendable {
        struct Entry {
            var runs: [String] = []
            var failures: [String: Int] = [:]
            var reports: [Int] = []
        }
        let entry = Mutex(Entry())

        func run(_ work: String) throws -> ClusterEvent? {
            try entry.withLock { entry in
                entry.runs.append(work)
                if let left = entry.failures[work], left > 0 {
                    entry.failures[work] = left - 1
                    throw Failure()
                }
            }
            return ClusterEvent(.writeBackDone, reason: work)
        }
    }

    private let events = EventLog(component: "test")

    private func queue(
        _ ledger: Ledger,
        capacity: Int = .max,
        repeats: Bool = false,
        pause: Duration = .milliseconds(1),
        refill: @escaping @Sendable (RetryQueue<String>) async -> Void = { _ in },
        perform: (@Sendable (String) async throws -> ClusterEvent?)? = nil
    ) -> RetryQueue<String> {
        RetryQueue(
            rules: .init(
                runningMax: 1,
                capacity: capacity,
                pauseMin: pause,
                pauseMax: pause,
                repeatsWhatRuns: repeats
            ),
            eventLoop: MultiThreadedEventLoopGroup.singleton.next(),
            events: events,
            perform: perform ?? { try ledger.run($0) },
            report: { _, _, count in ledger.entry.withLock { $0.reports.append(count) } },
            refill: refill
        )
    }

    /// Returns once so many pieces of work have been done.
    private func done(_ count: Int) async {
        guard let subscription = events.subscribe(after: 0) else { return }
        var seen = 0
        for await batch in subscription {
            seen += batch.events.count { $0.kind == .writeBackDone }
            if seen >= count { return }
        }
    }

    @Test("tries what fails again, until it is done")
    func retries() async {
        let ledger = Ledger()
        ledger.entry.withLock { $0.failures["a"] = 3 }
        let queue = queue(ledger)
        await withDiscardingTaskGroup { group in
            group.addTask { await queue.run() }
            await queue.add("a", after: .zero)
            await queue.add("b", after: .zero)
            await done(2)
            await queue.stop(within: .seconds(30))
        }
        let entry = ledger.entry.withLock { $0 }
        #expect(entry.runs.count { $0 == "a" } == 4 && entry.runs.count { $0 == "b" } == 1)
        #expect(entry.reports == [1, 2, 3])
        let status = await queue.status("q") { $0 }
        #expect(status.pendingCount == 0 && status.doneCount == 2 && status.capacity == nil)
    }

    @Test("fetches what had no room once there is room again")
    func capacity() async {
        let ledger = Ledger()
        let all = ["a", "b", "c", "d", "e"]
        let queue = queue(ledger, capacity: 2) { queue in
            let done = ledger.entry.withLock { $0.runs }
            for work in all where !done.contains(work) { await queue.add(work, after: .zero) }
        }
        for work in all { await queue.add(work, after: .zero) }
        #expect(await queue.work { _ in true }.sorted() == ["a", "b"])
        await withDiscardingTaskGroup { group in
            group.addTask { await queue.run() }
            await done(5)
            await queue.stop(within: .seconds(30))
        }
        #expect(Set(ledger.entry.withLock { $0.runs }) == Set(all))
    }

    @Test(
        "does again what is added while it runs, where it may have changed",
        arguments: [false, true]
    )
    func repeats(_ repeats: Bool) async {
        let ledger = Ledger()
        let (started, start) = AsyncStream<Void>.makeStream()
        let (gate, open) = AsyncStream<Void>.makeStream()
        let queue = queue(ledger, repeats: repeats) { _ in
        } perform: { work in
            start.yield()
            for await _ in gate { break }
            return try ledger.run(work)
        }
        await withDiscardingTaskGroup { group in
            group.addTask { await queue.run() }
            await queue.add("a", after: .zero)
            for await _ in started { break }
            await queue.add("a", after: .zero)
            open.finish()
            await done(repeats ? 2 : 1)
            await queue.stop(within: .seconds(30))
        }
        #expect(ledger.entry.withLock { $0.runs }.count == (repeats ? 2 : 1))
    }

    @Test("does not wait, when it stops, for what fails or is not due yet")
    func stops() async {
        let ledger = Ledger()
        ledger.entry.withLock { $0.failures["bad"] = .max }
        let queue = queue(ledger, pause: .hours(1))
        await withDiscardingTaskGroup { group in
            group.addTask { await queue.run() }
            await queue.add("bad", after: .zero)
            await queue.add("later", after: .hours(1))
            await queue.add("good", after: .zero)
            await done(1)
            await queue.stop(within: .hours(1))
        }
        let left = await queue.work { _ in true }.sorted()
        #expect(left == ["bad", "later"])
        let status = await queue.status("q") { $0 }
        #expect(status.failedCount == 1 && status.lastError != nil)
    }
}
