// SPDX-License-Identifier: Apache-2.0

import Primitives
import Testing
import TrackerCore

@testable import Simulator

@Suite("Scenarios") struct ScenarioTests {
    @Test("a scenario changes the plan, line by line")
    func applies() throws {
        var plan = SimulationPlan(.kraken)
        try plan.apply(
            scenario: """
                # A small cluster.
                agents 40
                blob 1.5MB   # the first replaces those of the preset
                blob 10MB

                piece\t512KB
                bandwidth 20MB/s
                latency 0.5ms
                handout-order default
                fault crash:20%@5s
                fault loss:1%,disk:1%
                seed 18446744073709551615
                """
        )
        #expect(plan.agents == 40)
        #expect(plan.blobBytes == [1536 << 10, 10 << 20])
        #expect(plan.pieceBytes == 512 << 10)
        #expect(plan.latency == .microseconds(500))
        #expect(plan.handoutPolicy == .unordered)
        #expect(plan.faults.text == "crash:20%@5s,loss:1%,disk:1%")
        #expect(plan.seed == .max)
    }

    @Test(
        "a line that means nothing is named",
        arguments: [
            "agents", "agents many", "colour blue", "blob 1.5XB", "latency 5", "fault x",
            "seed -1", "handout-order best",
        ]
    )
    func refuses(_ line: String) {
        var plan = SimulationPlan()
        let error = #expect(throws: PlanError.self) {
            try plan.apply(scenario: "origins 2\n\(line)\n")
        }
        #expect(error?.what.hasPrefix("line 2: ") == true)
    }

    @Test("every setting of a scenario is known")
    func settings() {
        for name in SimulationPlan.settings {
            var plan = SimulationPlan()
            let error = #expect(throws: PlanError.self) { try plan.set(name, to: "?") }
            #expect(error?.why.contains("none of") != true || name == "fault", "\(name)")
        }
    }

    @Test("presets are possible plans", arguments: SimulationPlan.Preset.allCases)
    func presets(_ preset: SimulationPlan.Preset) throws {
        _ = try SimulationPlan(preset).validated()
    }

    @Test("plans that make no sense are refused")
    func senseless() {
        let changes: [(inout SimulationPlan) -> Void] = [
            { $0.agents = 0 }, { $0.origins = 0 }, { $0.blobBytes = [] }, { $0.blobBytes = [0] },
            { $0.pieceBytes = 0 }, { $0.zones = 0 }, { $0.latency = .zero }, { $0.trackers = 0 },
            { $0.blobBytes = [1 << 50] }, { $0.join = .seconds(-1) },
        ]
        for change in changes {
            #expect(throws: PlanError.self) { _ = try SimulationPlan.small(change).validated() }
        }
    }
}
