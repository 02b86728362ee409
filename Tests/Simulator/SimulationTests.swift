// SPDX-License-Identifier: Apache-2.0

import Primitives
import SwarmCore
import Testing

@testable import Simulator

extension SimulationPlan {
    /// A cluster that is simulated in a moment.
    static func small(
        agents: Int = 12,
        pieces: Int = 16,
        seed: UInt64 = 1,
        _ change: (inout SimulationPlan) -> Void = { _ in }
    ) -> SimulationPlan {
        var plan = SimulationPlan()
        (plan.agents, plan.seed) = (agents, seed)
        plan.blobBytes = [pieces << 20]
        plan.pieceBytes = 1 << 20
        plan.bandwidth = ByteRate(bytesPerSecond: 100 << 20)
        plan.join = .milliseconds(100)
        plan.auditInterval = 7
        change(&plan)
        return plan
    }
}

extension Simulation {
    /// Runs to the end.
    mutating func finish() -> SimulationResult {
        while run(events: 10_000) {}
        return result()
    }

    /// What comes of `plan`.
    static func result(of plan: SimulationPlan) throws -> SimulationResult {
        var simulation = try Simulation(plan)
        return simulation.finish()
    }
}

@Suite("Simulation") struct SimulationTests {
    @Test("every agent gets every blob, and nothing is violated")
    func completes() throws {
        let result = try Simulation.result(
            of: .small {
                $0.blobBytes = [16 << 20, 5 << 20 + 1]
                $0.origins = 3
                $0.trackers = 2
            }
        )
        #expect(result.violations == [])
        #expect(result.image.count == 12)
        #expect(result.blobs.map(\.count) == [12, 12])
        #expect(result.payloads == 12 * (16 + 6))
        #expect(result.payloadBytes == 12 * (21 << 20 + 1))
        #expect(result.image.p50 <= result.image.p99)
        #expect(result.image.makespan >= result.image.bound.tMin)
    }

    @Test("the same seed gives the same trace, another one does not")
    func reproducible() throws {
        let plan = SimulationPlan.small(agents: 20) {
            $0.faults.loss = Ratio(1, in: 50)
            $0.jitter = .microseconds(100)
        }
        let first = try Simulation.result(of: plan)
        let second = try Simulation.result(of: plan)
        var other = plan
        other.seed = 2
        #expect(first.trace == second.trace)
        #expect(first.image == second.image)
        #expect(first.ledger == second.ledger)
        #expect(try Simulation.result(of: other).trace != first.trace)
    }

    @Test("it may be run in portions of any size")
    func portions() throws {
        let plan = SimulationPlan.small()
        var inSteps = try Simulation(plan)
        while inSteps.run(events: 1) {}
        #expect(inSteps.result().trace == (try Simulation.result(of: plan)).trace)
        #expect(inSteps.progress.pending == 0)
        #expect(inSteps.progress.share == 1)
    }

    @Test("the uplinks' time adds up, host by host")
    func ledger() throws {
        let result = try Simulation.result(of: .small())
        let ledger = result.ledger
        let parts = UplinkLedger.Activity.allCases.reduce(0) { $0 + ledger.total($1) }
        let sums = UplinkLedger.Stage.allCases.flatMap { stage in
            UplinkLedger.Activity.allCases.map { ledger.timeline($0, stage).reduce(0, +) }
        }
        #expect(abs(parts - 13 * result.image.makespan) < 1e-6)
        #expect(abs(sums.reduce(0, +) - parts) < 1e-6)
        let busy = ledger.total(.busy)
        #expect(abs(busy - Double(result.payloadBytes) / Double(100 << 20)) < 0.1)
        #expect(abs(ledger.lost() + busy + ledger.total(.absent) - parts) < 1e-6)
    }

    @Test("an observer hears of every piece")
    func observer() throws {
        let plan = SimulationPlan.small(agents: 3)
        let heard = Counter()
        var simulation = try Simulation(plan)
        simulation.observer = { _, _, note in
            if case .receivePiece = note { heard.add() }
        }
        let result = simulation.finish()
        #expect(heard.count == result.payloads)
    }
}

/// Counts what is heard on one thread.
private final class Counter: @unchecked Sendable {
    // SAFETY: a simulation calls its observer on the thread that runs it, which is the test's.
    private(set) var count = 0
    func add() { count += 1 }
}
