// SPDX-License-Identifier: Apache-2.0

import Primitives
import RetryCore
import TestSupport
import Testing

/// A queue in virtual time: a disk that is a dictionary, destinations that are up or down, a process that is killed now and
/// then.
private struct QueueWorld {
    struct Row {
        let destination: String
        var dueAt: Instant
        var failureCount = 0
        var isDead = false
        /// Fails whatever the destination.
        let isPoison: Bool
        let isImpossible: Bool
    }

    let rules: RetryRules
    var generator: Generator
    var scheduler: RetryScheduler
    var rows: [Int64: Row] = [:]
    var now = Instant.origin
    var isUp: [String: Bool] = [:]
    var running: [(id: Int64, endsAt: Instant)] = []
    var done: Set<Int64> = []
    var attempts: [String: Int] = [:]

    init(seed: UInt64) {
        var generator = Generator(seed: seed)
        var rules = RetryRules()
        rules.freshWorkers = 1 + generator.below(4)
        rules.retryWorkers = 1 + generator.below(3)
        rules.perDestinationMax = 1 + generator.below(4)
        rules.failuresToOpen = 1 + generator.below(5)
        rules.attemptsMax = rules.failuresToOpen + 1 + generator.below(10)
        self.rules = rules
        scheduler = RetryScheduler(rules: rules, seed: generator.next())
        self.generator = generator
    }

    mutating func add(_ id: Int64, to destination: String) {
        rows[id] = Row(
            destination: destination,
            dueAt: now,
            isPoison: generator.chance(Ratio(1, in: 12)),
            isImpossible: generator.chance(Ratio(1, in: 20))
        )
        scheduler.know(destination)
    }

    /// What a kill leaves: the rows.
    mutating func restart() {
        running = []
        scheduler = RetryScheduler(rules: rules, seed: generator.next())
        for row in rows.values.map(\.destination).sorted() { scheduler.know(row) }
    }

    mutating func start() {
        while true {
            var candidates: [RetryScheduler.Candidate] = []
            for demand in scheduler.demands(at: now) {
                let due = rows.filter { id, row in
                    row.destination == demand.destination && !row.isDead && row.dueAt <= now
                        && (row.failureCount == 0) == (demand.lane == .fresh)
                        && !scheduler.isRunning(id)
                }
                candidates += due.sorted { ($0.value.dueAt, $0.key) < ($1.value.dueAt, $1.key) }
                    .prefix(demand.count)
                    .map {
                        RetryScheduler.Candidate(
                            id: $0.key,
                            destination: $0.value.destination,
                            dueAt: $0.value.dueAt,
                            failureCount: $0.value.failureCount
                        )
                    }
            }
            let admitted = scheduler.admit(candidates, at: now)
            if admitted.isEmpty { break }
            for candidate in admitted {
                let took = Duration.milliseconds(1 + generator.below(2000))
                running.append((candidate.id, now.advanced(by: took)))
                attempts[candidate.destination, default: 0] += 1
            }
        }
        check()
    }

    func check() {
        #expect(running.count <= rules.freshWorkers + rules.retryWorkers)
        for destination in Set(rows.values.map(\.destination)) {
            let count = running.count { rows[$0.id]?.destination == destination }
            #expect(count <= rules.perDestinationMax)
        }
        #expect(Set(scheduler.runningIDs) == Set(running.map(\.id)))
    }

    /// Moves time to the next thing that happens; answers whether there is one.
    mutating func step() -> Bool {
        start()
        let admitted = scheduler.admittedDestinations(at: now)
        let waiting = rows.values.filter { row in
            !row.isDead && admitted.contains(row.destination) && row.dueAt > now
        }
        let next = [
            running.map(\.endsAt).min(), scheduler.nextDeadline(after: now),
            waiting.map(\.dueAt).min(),
        ].compactMap { $0 }.min()
        guard let next else { return false }
        now = max(now, next)
        for (id, _) in running where running.contains(where: { $0.id == id && $0.endsAt <= now }) {
            running.removeAll { $0.id == id }
            finish(id)
        }
        return true
    }

    mutating func finish(_ id: Int64) {
        guard let row = rows[id] else { return }
        let isTaken = isUp[row.destination] ?? true
        let outcome: RetryScheduler.Outcome =
            row.isImpossible ? .impossible : isTaken && !row.isPoison ? .done : .failed
        switch scheduler.finish(id, outcome, at: now) {
        case .forget:
            #expect(outcome == .done)
            done.insert(id)
            rows[id] = nil
        case .tryAgain(let due, let failureCount):
            #expect(due > now)
            rows[id]?.dueAt = due
            rows[id]?.failureCount = failureCount
        case .bury(let failureCount):
            #expect(outcome != .done)
            #expect(
                row.isImpossible
                    || failureCount >= rules.attemptsMax
                        && scheduler.circuit(of: row.destination) == .closed,
                "an outage must not kill work"
            )
            rows[id]?.isDead = true
        case .keep: Issue.record("what ended must be settled")
        }
    }
}

@Suite("Retry scheduler") struct RetrySchedulerTests {
    @Test(
        "all work is done or given up for its own fault, through outages and kills",
        arguments: Seeds.fresh(60)
    )
    func everythingEnds(seed: UInt64) {
        var world = QueueWorld(seed: seed)
        let destinations = ["a", "b", "c"]
        var nextID: Int64 = 1
        for _ in 0..<400 {
            switch world.generator.below(20) {
            case 0..<4:
                world.add(nextID, to: world.generator.pick(destinations))
                nextID += 1
            case 4:
                world.isUp[world.generator.pick(destinations)] = world.generator.chance(
                    Ratio(1, in: 2)
                )
            case 5: world.restart()
            default: if !world.step() { world.now = world.now.advanced(by: .seconds(1)) }
            }
        }
        for destination in destinations { world.isUp[destination] = true }
        var steps = 0
        while world.rows.values.contains(where: { !$0.isDead && !$0.isPoison }) {
            let goesOn = world.step()
            #expect(goesOn, "work waits, and nothing will happen")
            steps += 1
            guard steps < 5000 else {
                Issue.record("work does not end: seed \(seed)")
                return
            }
        }
        let undone = (1..<nextID).filter { !world.done.contains($0) }
        #expect(Set(undone) == Set(world.rows.keys), "nothing is lost")
    }

    @Test("a destination that is down costs others nothing")
    func isolation() {
        var rules = RetryRules()
        (rules.freshWorkers, rules.retryWorkers, rules.failuresToOpen) = (2, 1, 2)
        var scheduler = RetryScheduler(rules: rules, seed: 1)
        let now = Instant.origin
        func candidate(_ id: Int64, _ destination: String) -> RetryScheduler.Candidate {
            .init(id: id, destination: destination, dueAt: now, failureCount: 0)
        }
        // The one that is down was asked for first, and often; the other one gets its worker all the same.
        let admitted = scheduler.admit(
            (1...10).map { candidate($0, "down") } + [candidate(11, "up")],
            at: now
        )
        #expect(admitted.map(\.id) == [1, 11])
        for id in [1, 2] as [Int64] {
            if id == 2 { _ = scheduler.admit([candidate(2, "down")], at: now) }
            _ = scheduler.finish(id, .failed, at: now)
        }
        #expect(scheduler.circuit(of: "down") != .closed)
        #expect(scheduler.demands(at: now).allSatisfy { $0.destination == "up" })
        let later = scheduler.nextDeadline(after: now) ?? now
        let probes = scheduler.demands(at: later).filter { $0.destination == "down" }
        #expect(!probes.isEmpty && probes.allSatisfy { $0.count == 1 })
        #expect(scheduler.admit((3...9).map { candidate($0, "down") }, at: later).count == 1)
    }

    @Test("what is cut off stays as it was; what nobody admitted is not known")
    func interrupted() {
        var scheduler = RetryScheduler(rules: RetryRules(), seed: 1)
        let candidate = RetryScheduler.Candidate(
            id: 1,
            destination: "a",
            dueAt: .origin,
            failureCount: 3
        )
        #expect(scheduler.admit([candidate, candidate], at: .origin) == [candidate])
        #expect(scheduler.finish(1, .interrupted, at: .origin) == .keep)
        #expect(scheduler.finish(1, .done, at: .origin) == .keep)
        #expect(scheduler.circuit(of: "a") == .closed && scheduler.runningIDs.isEmpty)
        scheduler.forget("a")
        #expect(scheduler.knownDestinations.isEmpty)
    }
}
