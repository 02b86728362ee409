// SPDX-License-Identifier: Apache-2.0

import Primitives
import Testing

@testable import Simulator

@Suite("Simulated faults") struct FaultTests {
    /// A fault, and how many of a dozen agents survive it.
    struct Case: Sendable, CustomTestStringConvertible {
        let faults: String
        let survivors: Int
        init(_ faults: String, survivors: Int = 12) {
            (self.faults, self.survivors) = (faults, survivors)
        }
        var testDescription: String { faults }
    }

    @Test(
        "whoever survives gets the blob",
        arguments: [
            Case("crash:25%@50ms..200ms", survivors: 9),
            Case("vanish:25%@50ms..200ms", survivors: 9),
            Case("crash:25%@50ms..200ms,restart:1s"),
            Case("crash:25%@50ms..200ms,restart:1s/wiped"),
            Case("vanish:25%@150ms,restart:100ms/wiped"),
            Case("slow:25%x10"), Case("loss:5%"), Case("disk:5%"), Case("corrupt:10%"),
            Case("silent:40%"), Case("liar:40%"), Case("trickle:40%"),
            Case("silent:10%,liar:10%,trickle:10%,corrupt:10%"),
            Case("partition:40%@100ms..3s"), Case("tracker-down:0@0s..2s"),
            Case("origin-down:0@100ms..1s"), Case("origin-down:1@100ms"), Case("backend:2s"),
        ]
    )
    func survives(_ example: Case) throws {
        let faults = try FaultPlan(parsing: example.faults)
        let plan = SimulationPlan.small {
            $0.origins = 2
            $0.trackers = 2
            $0.faults = faults
        }
        let result = try Simulation.result(of: plan)
        #expect(result.violations == [])
        #expect(result.survivors == example.survivors)
        #expect(result.image.count == example.survivors)
    }

    @Test("faults leave their marks")
    func marks() throws {
        func counters(_ faults: String) throws -> [String: Int] {
            let parsed = try FaultPlan(parsing: faults)
            let result = try Simulation.result(of: .small { $0.faults = parsed })
            return Dictionary(uniqueKeysWithValues: result.counters)
        }
        #expect(try counters("corrupt:10%")["pieces_bad"] ?? 0 > 0)
        #expect(try counters("silent:30%")["requests_expired"] ?? 0 > 0)
        #expect(try counters("crash:50%@100ms,restart:1s")["crashes"] == 6)
        #expect(try counters("tracker-down:0@0s..2s")["announces_failed"] ?? 0 > 0)
        #expect(try counters("none")["announces_failed"] == 0)
        let faults = try FaultPlan(parsing: "slow:9%x20")
        let slow = try Simulation.result(of: .small { $0.faults = faults })
        let plain = try Simulation.result(of: .small())
        #expect(slow.image.makespan > 2 * plain.image.makespan)
    }

    @Test(
        "a few dozen seeds with random faults violate nothing",
        arguments: (1...30).map { UInt64($0) }
    )
    func soak(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        var plan = SimulationPlan.small(agents: 8 + generator.below(20), pieces: 20, seed: seed) {
            $0.origins = 3
            $0.trackers = 2
            $0.blobBytes.append(3 << 20 + 5)
        }
        plan.faults = FaultPlan.random(using: &generator, for: plan)
        let result = try Simulation.result(of: plan)
        #expect(result.violations == [], "seed \(seed), faults \(plan.faults.text)")
    }

    @Test("a plan of faults reads what it writes")
    func text() throws {
        let text =
            "crash:20%@5s..8s,vanish:0.5%@3s,restart:10s/wiped,slow:1%x10,partition:30%@5s..10s,"
            + "corrupt:1%,silent:5%,liar:4%,trickle:3%,loss:2.25%,disk:1%,tracker-down:0@3s..8s,origin-down:1@1500ms,backend:2s"
        let plan = try FaultPlan(parsing: text)
        #expect(plan.text == text)
        #expect(plan.crashes.count == 2)
        #expect(try FaultPlan(parsing: "none") == FaultPlan())
        #expect(FaultPlan().text == "none")
        let steps =
            "kill:agent-3@5s,start:agent-3/wiped@8s,start:origin-0@8000000001ns,"
            + "pace:agent-3=1048576@5s,pace:agent-3@6s,cut:agent-3+origin-1@5s..35s,"
            + "heal:agent-3+origin-1@8s,wrong:origin-0@5s,down:tracker-0@5s,up:tracker-0@8s,live"
        #expect(try FaultPlan(parsing: steps).text == steps)
        #expect(try FaultPlan(parsing: "crash:5%@0.5s..1.5s").text == "crash:5%@500ms..1500ms")
    }

    @Test(
        "what is done to a run by hand can be repeated to the last event",
        arguments: [UInt64(1), 2, 3]
    )
    func byHand(seed: UInt64) throws {
        var plan = SimulationPlan.small(agents: 16, pieces: 30, seed: seed) {
            $0.origins = 2
            $0.trackers = 2
        }
        plan.faults.isOpen = true
        var simulation = try Simulation(plan)
        let script: [(milliseconds: Int64, FaultPlan.Step.Action)] = [
            (40, .pace(.origin(1), ByteRate(bytesPerSecond: 1 << 20))), (60, .kill(.agent(3))),
            (70, .wrong(.agent(5))), (80, .cut([.agent(7), .agent(8)], until: .seconds(30))),
            (100, .tracker(0, isUp: false)), (150, .start(.agent(3), isWiped: true)),
            (200, .heal([.agent(7), .agent(8)])), (250, .tracker(0, isUp: true)),
            (300, .pace(.origin(1), nil)),
        ]
        var done = 0
        for (milliseconds, action) in script {
            while let next = simulation.nextEventTime,
                next.nanoseconds < milliseconds * 1_000_000, simulation.run(events: 1)
            {}
            guard simulation.stage == .downloading else { break }
            try simulation.inject(action)
            done += 1
        }
        #expect(done >= 4)
        while simulation.run(events: 10_000) {}
        let result = simulation.result()
        #expect(result.violations == [])
        plan.faults = try FaultPlan(parsing: simulation.plan.faults.text)
        #expect(plan.faults.isOpen && plan.faults.steps.count == done)
        let repeated = try Simulation.result(of: plan)
        #expect(repeated.trace == result.trace)
        #expect(
            repeated.counters.map { "\($0.0) \($0.1)" }
                == result.counters.map {
                    "\($0.0) \($0.1)"
                }
        )
    }

    @Test("nothing can be done to hosts that are not there, nor once nobody downloads")
    func impossible() throws {
        var simulation = try Simulation(.small())
        #expect(throws: PlanError.self) { try simulation.inject(.kill(.agent(99))) }
        #expect(throws: PlanError.self) { try simulation.inject(.tracker(5, isUp: false)) }
        while simulation.run(events: 10_000) {}
        #expect(throws: PlanError.self) { try simulation.inject(.kill(.agent(0))) }
    }

    @Test(
        "what is no fault is refused",
        arguments: [
            "crash", "crash:20%", "crash:x@5s", "crash:200%@1s", "slow:1%", "loss:90%", "burn:1%",
            "silent:60%", "liar:x", "trickle",
            "partition:10%@2s", "tracker-down:9@1s", "origin-down:x@1s", "restart:soon",
            "crash:1%@5s..2s", "kill:3@5s", "kill:agent-3", "kill:agent-99@5s",
            "pace:agent-3=fast@5s",
            "cut:agent-3@5s", "cut:agent-3@5s..2s", "heal:@5s", "down:tracker-9@5s",
            "wrong:tracker-0@5s",
        ]
    )
    func refused(_ text: String) {
        #expect(throws: PlanError.self) {
            let faults = try FaultPlan(parsing: text)
            _ = try SimulationPlan.small { $0.faults = faults }.validated()
        }
    }
}
