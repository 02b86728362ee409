// SPDX-License-Identifier: Apache-2.0

import Files
import GRDB
import HTTPKit
import HTTPTypes
import NIOPosix
import Primitives
import RetryCore
import Synchronization
import Telemetry
import TestSupport
import Testing

@testable import RetryStorage

/// What queues did, and how often each piece of work is to fail.
final class WorkLedger: Sendable {
    struct Failure: Error {}
    struct Entry {
        var runs: [String] = []
        var failures: [String: Int] = [:]
        var impossible: Set<String> = []
        var reports: [Int] = []
        var dropped: [String] = []
    }
    private let entry = Mutex(Entry())
    let events = EventLog(component: "test")

    func with<Value>(_ body: (inout sending Entry) -> sending Value) -> Value {
        entry.withLock { entry in body(&entry) }
    }
    var runs: [String] { entry.withLock { $0.runs } }
    var dropped: [String] { entry.withLock { $0.dropped } }
    func fail(_ name: String, _ count: Int) { entry.withLock { $0.failures[name] = count } }

    func perform(_ task: RetryTask) throws -> ClusterEvent? {
        try entry.withLock { entry in
            entry.runs.append(task.name)
            if entry.impossible.contains(task.name) { throw ImpossibleWork("it can't be") }
            if let left = entry.failures[task.name], left > 0 {
                entry.failures[task.name] = left - 1
                throw Failure()
            }
        }
        return ClusterEvent(.writeBackDone, reason: task.name, detail: ["payload": task.payload])
    }

    var handlers: RetryQueue.Handlers {
        .init(
            perform: { try self.perform($0) },
            report: { task, _, count in
                self.entry.withLock { $0.reports.append(count) }
                self.events.record(ClusterEvent(.writeBackFailed, reason: task.name))
            },
            drop: { task in self.entry.withLock { $0.dropped.append(task.name) } }
        )
    }

    /// Returns once so many events of `kind` have been seen.
    func wait(for count: Int, _ kind: EventKind = .writeBackDone) async {
        guard let subscription = events.subscribe(after: 0) else { return }
        var seen = 0
        for await batch in subscription {
            seen += batch.events.count { $0.kind == kind }
            if seen >= count { return }
        }
    }
}

/// A queue in a file below a temporary folder.
struct QueueUnderTest {
    let database: RetryDatabase
    let queue: RetryQueue

    static var quick: RetryRules {
        var rules = RetryRules()
        (rules.pauseMin, rules.pauseMax) = (.milliseconds(1), .milliseconds(4))
        return rules
    }

    init(
        _ folder: String,
        _ ledger: WorkLedger,
        rules: RetryRules = quick,
        limits: Limits = Limits(),
        handlers: RetryQueue.Handlers? = nil
    ) async throws {
        database = try await RetryDatabase(
            path: "\(folder)/queue.sqlite",
            pool: .singleton,
            limits: limits
        )
        queue = RetryQueue(
            kind: "test",
            database: database,
            rules: rules,
            eventLoop: MultiThreadedEventLoopGroup.singleton.next(),
            events: ledger.events,
            seed: 1,
            handlers: handlers ?? ledger.handlers
        )
        try await queue.open()
    }

    func add(
        _ name: String,
        to destination: String = "d",
        after delay: Duration = .zero
    ) async throws {
        try await queue.add(
            NewRetryTask(name: name, scope: "s", destination: destination),
            after: delay
        )
    }

    /// Runs the queue while `body` does, then stops and closes it.
    func run(_ body: () async throws -> Void) async throws {
        let outcome: Result<Void, any Error>
        let running = Task { [queue] in await queue.run() }
        do { outcome = .success(try await body()) } catch { outcome = .failure(error) }
        await queue.stop(within: .seconds(30))
        await running.value
        await database.close()
        try outcome.get()
    }

    var names: [String] {
        get async throws { try await queue.page(QueueFilter(), limit: 1000).map(\.name) }
    }
}

@Suite("Retry queue", .timeLimit(.minutes(1))) struct RetryQueueTests {
    @Test("tries what fails again, until it is done")
    func retries() async throws {
        try await withTemporaryFolder { folder in
            let ledger = WorkLedger()
            ledger.fail("a", 3)
            let test = try await QueueUnderTest(folder, ledger)
            try await test.run {
                try await test.add("a")
                try await test.add("b")
                await ledger.wait(for: 2)
                let status = try #require(await test.queue.status().first)
                #expect(status.pendingCount == 0 && status.doneCount == 2)
                #expect(status.deadCount == 0 && status.circuit == .closed)
            }
            #expect(ledger.runs.count { $0 == "a" } == 4 && ledger.runs.count { $0 == "b" } == 1)
            #expect(ledger.with { $0.reports } == [1, 2, 3])
        }
    }

    @Test(
        "queues what the disk had no room for once it has some, and what came meanwhile only once"
    )
    func room() async throws {
        try await withTemporaryFolder { folder in
            let ledger = WorkLedger()
            let test = try await QueueUnderTest(folder, ledger)
            func limit(pages: Int) async throws {
                try await test.database.write("set a limit") {
                    try $0.execute(sql: "PRAGMA max_page_count = \(pages)")
                }
            }
            // No less than there are.
            try await limit(pages: 1)
            var refused: [String] = []
            for number in 0..<2000 where refused.count < 3 {
                let name = "\(number)-" + String(repeating: "x", count: 900)
                do { try await test.add(name, after: .hours(1)) } catch let error
                    as RetryStorageError
                {
                    #expect(error.code == .noSpace, "\(error)")
                    refused.append(name)
                }
            }
            try #require(refused.count == 3)
            try await test.run {
                try await limit(pages: 1 << 20)
                // One that comes again finds room by itself.
                try await test.add(refused[0], after: .hours(1))
                while try await !Set(refused).isSubset(of: test.names.suffix(3)) {}
                #expect(try await test.names.count { refused.contains($0) } == 3)
            }
        }
    }

    @Test(
        "does again what is added while it runs, where it may have changed; ends with the latest",
        arguments: [false, true]
    )
    func repeats(_ isChangeable: Bool) async throws {
        try await withTemporaryFolder { folder in
            let ledger = WorkLedger()
            let (started, start) = AsyncStream<Void>.makeStream()
            let (gate, open) = AsyncStream<Void>.makeStream()
            let payloads = Mutex<[String]>([])
            let test = try await QueueUnderTest(
                folder,
                ledger,
                handlers: .init(
                    perform: { task in
                        payloads.withLock { $0.append(task.payload) }
                        start.yield()
                        for await _ in gate { break }
                        return try ledger.perform(task)
                    },
                    report: { _, _, _ in }
                )
            )
            func add(_ payload: String) async throws {
                try await test.queue.add(
                    NewRetryTask(
                        name: "a",
                        scope: "s",
                        destination: "d",
                        payload: isChangeable ? payload : "",
                        isChangeable: isChangeable
                    )
                )
            }
            try await test.run {
                try await add("1")
                for await _ in started { break }
                try await add("2")
                try await add("3")
                open.finish()
                await ledger.wait(for: isChangeable ? 2 : 1)
            }
            #expect(payloads.withLock { $0 } == (isChangeable ? ["1", "3"] : [""]))
        }
    }

    @Test("does not wait, when it stops, for what fails or is not due yet; goes on after a restart")
    func stops() async throws {
        try await withTemporaryFolder { folder in
            let ledger = WorkLedger()
            ledger.fail("bad", .max)
            var rules = RetryRules()
            (rules.pauseMin, rules.pauseMax) = (.hours(1), .hours(1))
            let test = try await QueueUnderTest(folder, ledger, rules: rules)
            try await test.run {
                try await test.add("bad")
                try await test.add("later", after: .hours(1))
                try await test.add("good")
                await ledger.wait(for: 1)
                await ledger.wait(for: 1, .writeBackFailed)
                #expect(try await test.names == ["bad", "later"])
                let status = try #require(await test.queue.status().first)
                #expect(status.failedCount == 1 && status.pendingCount == 2)
                #expect(status.lastError != nil && status.tasks?.first?.state == .failed)
            }
            let healed = WorkLedger()
            let next = try await QueueUnderTest(folder, healed, rules: rules)
            try await next.run { await healed.wait(for: 1) }
            #expect(
                healed.runs == ["bad"],
                "a restart tries what failed at once, and nothing early"
            )
        }
    }

    @Test("refuses what is beyond its bound, and says so; what is known already is no more")
    func bound() async throws {
        try await withTemporaryFolder { folder in
            var limits = Limits()
            limits.retryTasksMax = 3
            let test = try await QueueUnderTest(folder, WorkLedger(), limits: limits)
            for name in ["a", "b", "c", "a"] { try await test.add(name, after: .hours(1)) }
            let error = await #expect(throws: RetryStorageError.self) {
                try await test.add("d", after: .hours(1))
            }
            #expect(error?.code == .full && error?.problem.status == .serviceUnavailable)
            #expect(error?.problem.headers[.retryAfter] != nil)
            #expect(try await test.names == ["a", "b", "c"])
            await test.database.close()
        }
    }

    @Test("a burst from many tasks is on the disk whole, each piece once")
    func burst() async throws {
        try await withTemporaryFolder { folder in
            let ledger = WorkLedger()
            let test = try await QueueUnderTest(folder, ledger)
            try await test.run {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for index in 0..<500 {
                        group.addTask { try await test.add("n\(index % 250)", after: .hours(1)) }
                    }
                    try await group.waitForAll()
                }
                #expect(try await Set(test.names).count == 250)
                #expect(try await test.queue.retry(QueueFilter()) == 250)
                await ledger.wait(for: 250)
            }
            #expect(Set(ledger.runs).count == 250 && ledger.runs.count == 250)
        }
    }

    @Test("pages and filters, and finds a task by its number")
    func pages() async throws {
        try await withTemporaryFolder { folder in
            let test = try await QueueUnderTest(folder, WorkLedger())
            for index in 0..<25 {
                try await test.add("n\(index)", to: index % 5 == 0 ? "x" : "y", after: .hours(1))
            }
            var (seen, after): ([QueueTask], Int64) = ([], 0)
            while true {
                let page = try await test.queue.page(QueueFilter(), after: after, limit: 7)
                guard let last = page.last else { break }
                (seen, after) = (seen + page, last.id)
            }
            #expect(seen.map(\.name) == (0..<25).map { "n\($0)" })
            let x = try await test.queue.page(QueueFilter(destination: "x"), limit: 100)
            #expect(x.map(\.name) == ["n0", "n5", "n10", "n15", "n20"])
            #expect(x.allSatisfy { $0.state == .pending && $0.nextAttemptAt != nil })
            #expect(try await test.queue.page(QueueFilter(state: .dead), limit: 9).isEmpty)
            #expect(try await test.queue.page(QueueFilter(kind: "other"), limit: 9).isEmpty)
            let one = try await test.queue.page(QueueFilter(id: x[2].id), limit: 9)
            #expect(one.map(\.name) == ["n10"])
            await test.database.close()
        }
    }
}
