// SPDX-License-Identifier: Apache-2.0

import Primitives
import Simulator

/// Many small clusters one after the other, each from a seed of its own.
struct SimulationSoak {
    let base: SimulationPlan
    let seeds: ClosedRange<UInt64>
    let agents: ClosedRange<UInt64>
    let hasRandomFaults: Bool

    /// Clusters that take a second, with two small blobs.
    static var base: SimulationPlan {
        var plan = SimulationPlan()
        (plan.agents, plan.origins, plan.trackers) = (50, 3, 2)
        plan.blobBytes = [96 << 20, 30 << 20 + 1]
        plan.pieceBytes = 2 << 20
        plan.bandwidth = ByteRate(bytesPerSecond: 40 << 20)
        plan.auditInterval = 32
        return plan
    }

    /// Runs them all.
    /// - Throws: `Failure` with the seed and how to run it again, at the first violated invariant.
    func run() throws {
        let start = ContinuousClock.now
        var events = 0
        for seed in seeds {
            let plan = try plan(of: seed)
            var simulation = try Simulation(plan)
            while simulation.run(events: 1_000_000) {}
            events += simulation.progress.events
            let result = simulation.result()
            guard result.isSound else { throw failure(plan, result) }
            StandardError.write(
                "seed \(seed): \(plan.agents) agents, faults \(plan.faults.text): "
                    + "all done after \(result.image.makespan.fixed(1)) s, trace \(result.trace)\n"
            )
        }
        let took = start.duration(to: .now).seconds
        print("\(seeds.count) seeds, \(events) events, no violation, \(took.fixed(1)) s")
    }

    /// What `seed` stands for.
    func plan(of seed: UInt64) throws -> SimulationPlan {
        var plan = base
        plan.seed = seed
        var generator = Generator(seed: seed)
        let span = Int(agents.upperBound - agents.lowerBound) + 1
        plan.agents = Int(agents.lowerBound) + generator.below(span)
        if hasRandomFaults { plan.faults = FaultPlan.random(using: &generator, for: plan) }
        return try plan.validated()
    }

    private func failure(_ plan: SimulationPlan, _ result: SimulationResult) -> Failure {
        let report = SimulationReport(result: result, wallSeconds: 0, residentBytes: 0)
        return Failure(
            "seed \(plan.seed) violates an invariant",
            why: report.violationLines.joined(separator: "\n  "),
            remedy:
                "run it alone: --seeds \(plan.seed)..\(plan.seed) and the same other options; it has "
                + "\(plan.agents) agents and the faults \(plan.faults.text)"
        )
    }
}
