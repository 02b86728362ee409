// SPDX-License-Identifier: Apache-2.0

import Primitives
import RetryCore
import Telemetry
import TestSupport
import Testing

@testable import RetryStorage

/// Work that is started without a look for it, and ends that are written together.
@Suite("Held work of a retry queue", .timeLimit(.minutes(1))) struct HeldTasksTests {
    @Test("does again what comes again right after it was done, before the disk knows that")
    func comesAgain() async throws {
        try await withTemporaryFolder { folder in
            let ledger = WorkLedger()
            let test = try await QueueUnderTest(folder, ledger)
            try await test.run {
                for count in 1...20 {
                    try await test.add("a")
                    await ledger.wait(for: count)
                    if count % 5 == 0 { #expect(try await test.names == []) }
                }
                let status = try #require(await test.queue.status().first)
                #expect(status.pendingCount == 0 && status.doneCount == 20)
            }
            #expect(ledger.runs.count == 20)
        }
    }

    @Test("a burst is done whole while the queue is idle, more of it than there are workers for")
    func bursts() async throws {
        try await withTemporaryFolder { folder in
            let ledger = WorkLedger()
            let test = try await QueueUnderTest(folder, ledger)
            try await test.run {
                var names: [String] = []
                for round in 1...5 {
                    let burst = (0..<40).map { "\(round)-\($0)" }
                    names += burst
                    ledger.fail(burst[7], 1)
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for name in burst { group.addTask { try await test.add(name) } }
                        try await group.waitForAll()
                    }
                    await ledger.wait(for: names.count)
                    #expect(try await test.names == [])
                }
                #expect(Set(ledger.runs) == Set(names))
                // What failed once was done twice, and nothing else.
                #expect(ledger.runs.count == names.count + 5)
            }
        }
    }

    @Test("what is done is off the disk when the queue has stopped")
    func endsAreWritten() async throws {
        try await withTemporaryFolder { folder in
            let ledger = WorkLedger()
            let test = try await QueueUnderTest(folder, ledger)
            try await test.run {
                try await test.add("a")
                try await test.add("later", after: .hours(1))
                await ledger.wait(for: 1)
            }
            let again = try await QueueUnderTest(folder, ledger)
            #expect(try await again.names == ["later"])
            await again.database.close()
        }
    }

    @Test("a stop waits for ends that others write, and no longer", arguments: Seeds.fresh(30))
    func stopsWhileOthersWrite(seed: UInt64) async throws {
        try await withTemporaryFolder { folder in
            let ledger = WorkLedger()
            let test = try await QueueUnderTest(folder, ledger)
            let start = ContinuousClock.now
            var asking: Task<Void, Never>?
            try await test.run {
                for name in 0..<Int(seed % 7) + 1 { try await test.add("\(name)") }
                asking = Task { for _ in 0..<20 { _ = await test.queue.status() } }
            }
            await asking?.value
            // The stop's own limit is 30 s.
            #expect(ContinuousClock.now - start < .seconds(15))
            #expect(ledger.runs.count == Int(seed % 7) + 1)
        }
    }
}
