// SPDX-License-Identifier: Apache-2.0

import Primitives
import Simulator
import TUI
import Telemetry
import Testing

@testable import Herd

@Suite("Faults by hand in a simulation", .timeLimit(.minutes(1))) struct SimulationDeskTests {
    private func simulation() throws -> Simulation {
        var plan = SimulationPlan()
        (plan.agents, plan.origins, plan.trackers) = (20, 2, 1)
        // Small pieces: something happens every few milliseconds.
        (plan.bandwidth, plan.pieceBytes) = (ByteRate(bytesPerSecond: 10 << 20), 64 << 10)
        plan.faults.isOpen = true
        var simulation = try Simulation(plan)
        // All have begun.
        run(&simulation, milliseconds: 1500)
        return simulation
    }

    private func run(_ simulation: inout Simulation, milliseconds: Int64) {
        let end = simulation.time.nanoseconds + milliseconds * 1_000_000
        while let next = simulation.nextEventTime, next.nanoseconds <= end,
            simulation.run(events: 1)
        {}
    }

    private func isAlive(_ name: String, _ simulation: Simulation) -> Bool {
        let index = name == "origin-0" ? 0 : 2 + (Int(name.dropFirst("agent-".count)) ?? 0)
        return simulation.picture(of: index)?.isAlive == true
    }

    @Test("a kill ends when its time is over, in virtual time, and is listed until then")
    func kill() throws {
        var simulation = try simulation()
        var faults = SimulationFaults()
        let request = FaultRequest(.kill, targets: ["agent-3"], durationSeconds: 1)
        #expect(
            try faults.perform(.fault(request), &simulation) == "fault 1: kill agent-3"
        )
        run(&simulation, milliseconds: 500)
        faults.expire(&simulation)
        #expect(!isAlive("agent-3", simulation))
        let row = try #require(faults.rows(at: simulation.time.nanoseconds).first)
        #expect(row.targets == ["agent-3"])
        #expect(abs((row.remainingSeconds ?? 0) - 0.5) < 0.1)
        run(&simulation, milliseconds: 600)
        faults.expire(&simulation)
        run(&simulation, milliseconds: 10)
        #expect(isAlive("agent-3", simulation))
        #expect(faults.rows(at: simulation.time.nanoseconds).isEmpty)
        let events = faults.takeEvents()
        #expect(events.map { $0.detail?["state"] } == ["on", "off"])
        #expect(events.allSatisfy { $0.component == "agent-3" && $0.kind == .fault })
        #expect(simulation.plan.faults.steps.count == 2)
    }

    @Test("all kinds that hosts know are done and undone")
    func kinds() throws {
        var simulation = try simulation()
        var faults = SimulationFaults()
        let requests = [
            FaultRequest(.restart, targets: ["agent-1"]), FaultRequest(.wipe, targets: ["agent-2"]),
            FaultRequest(.throttle, targets: ["agent-4"], bytesPerSecond: 1 << 20),
            FaultRequest(.partition, targets: ["agent-5", "agent-6"], durationSeconds: 0),
            FaultRequest(.corrupt, targets: ["origin-0"]),
            FaultRequest(.outage, targets: ["tracker-0"]),
        ]
        for request in requests { _ = try faults.perform(.fault(request), &simulation) }
        run(&simulation, milliseconds: 1)
        #expect(
            faults.rows(at: 0).map(\.kind) == [
                "restart", "wipe", "throttle", "partition", "outage",
            ]
        )
        #expect(simulation.trackersUp == [false] && !isAlive("agent-1", simulation))
        run(&simulation, milliseconds: 200)
        faults.expire(&simulation)
        #expect(faults.rows(at: 0).count == 3)
        #expect(try faults.perform(.undo(nil), &simulation) == "3 faults undone")
        run(&simulation, milliseconds: 1)
        #expect(simulation.trackersUp == [true] && isAlive("agent-1", simulation))
        let words = simulation.plan.faults.text.split(separator: ",").map {
            $0.prefix { $0 != ":" }
        }
        #expect(
            Set(words) == ["kill", "start", "pace", "cut", "heal", "wrong", "down", "up", "live"]
        )
    }

    @Test("what simulated hosts can't do is refused with a reason")
    func refused() throws {
        var simulation = try simulation()
        var faults = SimulationFaults()
        var late = FaultRequest(.throttle, targets: ["agent-1"], bytesPerSecond: 1)
        late.latencySeconds = 0.1
        let commands: [ClusterCommand] = [
            .push(bytes: 1), .fault(late), .fault(FaultRequest(.outage, targets: ["agent-1"])),
            .fault(FaultRequest(.kill, targets: ["tracker-0"])), .undo(7),
            .fault(FaultRequest(.kill, targets: ["agent-99"])),
        ]
        for command in commands {
            #expect(throws: Failure.self) { try faults.perform(command, &simulation) }
        }
        #expect(simulation.plan.faults.steps.isEmpty)
    }

    @Test("time passes also while nothing happens, and what is done then is done at that time")
    func idle() async throws {
        var plan = SimulationPlan()
        // Its only agent begins minutes later.
        (plan.agents, plan.join, plan.seed) = (1, .seconds(6000), 3)
        let desk = SimulationDesk()
        let source = try SimulationSource(plan, pace: 2, desk: desk)
        let (moments, moment) = AsyncStream<Timestamp>.makeStream()
        let running = Task { await source.run { moment.yield($0.snapshot.takenAt) } }
        var first: Timestamp?
        for await at in moments {
            first = first ?? at
            if let first, at.seconds(since: first) > 0.5 { break }
        }
        let sentence = try await desk.perform(.fault(FaultRequest(.kill, targets: ["origin-0"])))
        #expect(sentence == "fault 1: kill origin-0")
        running.cancel()
        await running.value
        let step = try #require(try FaultPlan(parsing: desk.record ?? "").steps.first)
        #expect(step.at > .milliseconds(500))
    }

    @Test("time does not jump once all have what they want")
    func afterwards() async throws {
        var plan = SimulationPlan()
        (plan.agents, plan.blobBytes, plan.join) = (3, [4 << 20], .seconds(1))
        // Two seconds of virtual time for each look.
        let source = try SimulationSource(plan, pace: 20, desk: SimulationDesk())
        let (moments, moment) = AsyncStream<Timestamp>.makeStream()
        let running = Task { await source.run { moment.yield($0.snapshot.takenAt) } }
        var (last, count) = (Timestamp?.none, 0)
        for await at in moments {
            // Seeders leave memory after minutes.
            if let last { #expect(at.seconds(since: last) < 60) }
            last = at
            count += 1
            if count == 20 { break }
        }
        running.cancel()
        await running.value
    }

    @Test("who asks a simulation that is over is told so")
    func over() async {
        let desk = SimulationDesk()
        desk.close()
        await #expect(throws: Failure.self) { try await desk.perform(.undo(nil)) }
    }
}
