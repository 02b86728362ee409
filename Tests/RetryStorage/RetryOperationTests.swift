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

@Suite("Retry queue: given up, tried again, dropped", .timeLimit(.minutes(1)))
struct RetryOperationTests {
    @Test("gives up what is impossible, tries it again on request, and drops it for good")
    func deadLetters() async throws {
        try await withTemporaryFolder { folder in
            let ledger = WorkLedger()
            ledger.with { $0.impossible = ["a", "b"] }
            let test = try await QueueUnderTest(folder, ledger)
            try await test.run {
                try await test.add("a")
                try await test.add("b")
                try await test.add("c")
                await ledger.wait(for: 2, .writeBackFailed)
                await ledger.wait(for: 1)
                let dead = try await test.queue.page(QueueFilter(state: .dead), limit: 9)
                #expect(Set(dead.map(\.name)) == ["a", "b"])
                #expect(
                    dead.allSatisfy { $0.lastError == "it can't be" && $0.nextAttemptAt == nil }
                )
                #expect(await test.queue.status().first?.deadCount == 2)
                ledger.with { _ = $0.impossible.remove("a") }
                let filter = QueueFilter(name: "a")
                #expect(try await test.queue.retry(filter) == 1)
                await ledger.wait(for: 2)
                #expect(try await test.queue.drop(QueueFilter(state: .dead)) == 1)
                #expect(ledger.dropped == ["b"])
                #expect(try await test.names == [])
            }
        }
    }

    @Test("what is added once more while others are dropped stays, and is owed")
    func keepsWhatComesAgain() async throws {
        try await withTemporaryFolder { folder in
            let ledger = WorkLedger()
            let queue = Mutex<RetryQueue?>(nil)
            var handlers = ledger.handlers
            handlers.drop = { task in
                try await ledger.handlers.drop(task)
                var again = NewRetryTask(name: "second", scope: "s", destination: "d")
                again.isChangeable = true
                try await queue.withLock { $0 }?.add(again, after: .hours(1))
            }
            let test = try await QueueUnderTest(folder, ledger, handlers: handlers)
            queue.withLock { $0 = test.queue }
            for name in ["first", "second"] { try await test.add(name, after: .hours(1)) }
            #expect(try await test.queue.drop(QueueFilter()) == 1)
            #expect(ledger.dropped == ["first"])
            #expect(try await test.names == ["second"])
            await test.database.close()
            queue.withLock { $0 = nil }
        }
    }

    @Test("what is dropped is not done, be it handed over or found on the disk meanwhile")
    func dropsWhatWaits() async throws {
        try await withTemporaryFolder { folder in
            let ledger = WorkLedger()
            let database = try await RetryDatabase(path: "\(folder)/queue.sqlite", pool: .singleton)
            let queue = Mutex<RetryQueue?>(nil)
            @Sendable func add(_ name: String, after delay: Duration) async throws {
                try await queue.withLock { $0 }?.add(
                    NewRetryTask(name: name, scope: "s", destination: "d"),
                    after: delay
                )
            }
            var handlers = ledger.handlers
            handlers.drop = { task in
                try await ledger.handlers.drop(task)
                if task.name == "first" {
                    // Nothing is due, so this one is handed over; the next page has it, too.
                    try await add("handed over", after: .zero)
                } else if task.name == "handed over" {
                    // Once this is done, whatever was due before it would have been started.
                    try await add("later", after: .milliseconds(150))
                    await ledger.wait(for: 1)
                }
            }
            let test = RetryQueue(
                kind: "test",
                database: database,
                rules: QueueUnderTest.quick,
                eventLoop: MultiThreadedEventLoopGroup.singleton.next(),
                events: ledger.events,
                seed: 1,
                handlers: handlers
            )
            queue.withLock { $0 = test }
            try await test.open()
            let running = Task { await test.run() }
            try await add("first", after: .hours(1))
            _ = await test.status()
            #expect(try await test.drop(QueueFilter()) == 2)
            #expect(ledger.dropped == ["first", "handed over"])
            #expect(ledger.runs == ["later"])
            await test.stop(within: .seconds(30))
            await running.value
            await database.close()
            queue.withLock { $0 = nil }
        }
    }

    @Test("gives up what fails too often while its destination takes other work, and only then")
    func attempts() async throws {
        try await withTemporaryFolder { folder in
            let ledger = WorkLedger()
            ledger.fail("poison", .max)
            var rules = QueueUnderTest.quick
            (rules.attemptsMax, rules.failuresToOpen) = (4, 4)
            let test = try await QueueUnderTest(folder, ledger, rules: rules)
            try await test.run {
                try await test.add("poison")
                // Alone it is an outage: it fails more often than that and goes on.
                await ledger.wait(for: 8, .writeBackFailed)
                #expect(await test.queue.status().first?.deadCount == 0)
                #expect(await test.queue.status().first?.circuit != .closed)
                var count = 0
                while await test.queue.status().first?.deadCount == 0 {
                    count += 1
                    try await test.add("good \(count)")
                    await ledger.wait(for: count)
                }
            }
        }
    }

    @Test("another attempt goes past an open circuit")
    func retryPastCircuit() async throws {
        try await withTemporaryFolder { folder in
            let ledger = WorkLedger()
            ledger.fail("a", 1)
            var rules = RetryRules()
            (rules.failuresToOpen, rules.pauseMin, rules.pauseMax) = (1, .hours(1), .hours(1))
            let test = try await QueueUnderTest(folder, ledger, rules: rules)
            try await test.run {
                try await test.add("a")
                await ledger.wait(for: 1, .writeBackFailed)
                let status = try #require(await test.queue.status().first)
                #expect(status.circuit == .open && (status.nextAttemptSeconds ?? 0) > 60)
                #expect(try await test.queue.retry(QueueFilter(state: .failed)) == 1)
                await ledger.wait(for: 1)
                #expect(await test.queue.status().first?.circuit == .closed)
            }
        }
    }

    @Test("a clock that was ahead when work was added does not put it off")
    func clockAhead() async throws {
        try await withTemporaryFolder { folder in
            let before = try await QueueUnderTest(folder, WorkLedger())
            try await before.add("a")
            try await before.add("b", after: .milliseconds(50))
            await before.database.close()
            let file = try DatabaseQueue(path: "\(folder)/queue.sqlite")
            let years = Duration.hours(24 * 365 * 10).nanoseconds
            try await file.write { database in
                try database.execute(
                    sql: """
                        UPDATE task SET created_at_ns = created_at_ns + ?, due_at_ns = due_at_ns + ?
                        """,
                    arguments: [years, years]
                )
            }
            try file.close()
            let ledger = WorkLedger()
            let after = try await QueueUnderTest(folder, ledger)
            try await after.run { await ledger.wait(for: 2) }
            #expect(ledger.runs == ["a", "b"])
        }
    }

    @Test("what is added is synced, and a reader of the file does not get in the way")
    func durability() async throws {
        try await withTemporaryFolder { folder in
            let test = try await QueueUnderTest(folder, WorkLedger())
            let level = try await test.database.write("look") { database in
                try Int.fetchOne(database, sql: "PRAGMA synchronous")
            }
            #expect(level == 2, "FULL")
            let lax = try await test.database.write("look", isDurable: false) { database in
                try Int.fetchOne(database, sql: "PRAGMA synchronous")
            }
            #expect(lax == 1, "NORMAL")
            let file = try DatabaseQueue(path: "\(folder)/queue.sqlite")
            try await test.add("a", after: .hours(1))
            let count = try await file.read { database in
                try Int.fetchOne(database, sql: "SELECT sum(count) FROM tally")
            }
            #expect(count == 1, "another connection sees it at once")
            try file.close()
            await test.database.close()
        }
    }

    @Test("a file of a later version is left alone")
    func laterVersion() async throws {
        try await withTemporaryFolder { folder in
            let test = try await QueueUnderTest(folder, WorkLedger())
            await test.database.close()
            let file = try DatabaseQueue(path: "\(folder)/queue.sqlite")
            try await file.write { database in
                try database.execute(sql: "INSERT INTO grdb_migrations VALUES ('99')")
            }
            try file.close()
            let error = await #expect(throws: RetryStorageError.self) {
                _ = try await QueueUnderTest(folder, WorkLedger())
            }
            #expect(error?.why.contains("later version") == true)
        }
    }

    @Test("a damaged file is refused with what to do, not overwritten")
    func damaged() async throws {
        try await withTemporaryFolder { folder in
            let garbage = Array(repeating: UInt8(ascii: "x"), count: 8192)
            try AtomicFile.write(garbage, to: "\(folder)/queue.sqlite", durable: false)
            let error = await #expect(throws: RetryStorageError.self) {
                _ = try await QueueUnderTest(folder, WorkLedger())
            }
            #expect(error?.code == .unusable && error?.remedy.contains("moved away") == true)
            #expect(try AtomicFile.read("\(folder)/queue.sqlite", bytesMax: 1 << 20) == garbage)
        }
    }
}
