// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import Simulator
import SwarmCore
import SwarmIO
import Synchronization
import TUI
import Telemetry

/// A simulation as something to look at: virtual time passes at a chosen pace, and each look is a sample.
struct SimulationSource: PictureSource {
    /// What is simulated.
    let plan: SimulationPlan
    /// Seconds of virtual time for each second.
    let pace: Double
    /// The simulation before its first event.
    private let first: Simulation
    private let desk: SimulationDesk

    /// The pause between two looks.
    private static let interval = Duration.milliseconds(100)
    /// Events between two looks at the clock.
    private static let portion = 100
    /// After so long without a look one is taken, although virtual time has not come as far as it should.
    private static let lookTimeout = Duration.milliseconds(500)

    /// - Throws: `PlanError` when the plan makes no sense.
    init(_ plan: SimulationPlan, pace: Double, desk: SimulationDesk) throws {
        var plan = plan
        // Something may be done to it at any moment.
        plan.faults.isOpen = true
        first = try Simulation(plan)
        self.desk = desk
        self.plan = first.plan
        self.pace = pace
    }

    func run(take: (Sample) -> Void) async {
        var simulation = first
        let watch = SimulationWatch(simulation)
        simulation.observer = { watch.note($0, $1, $2) }
        var next = ContinuousClock.now
        var target: Int64 = 0
        var isRunning = true
        var faults = SimulationFaults()
        defer { desk.close() }
        while !Task.isCancelled {
            faults.now = target
            obey(&faults, &simulation)
            target += Int64(Self.interval.seconds * pace * 1e9)
            isRunning = advance(&simulation, to: target, isRunning)
            // Slower than it should be: what could not be simulated in time is not caught up with. Where nothing happens,
            // time passes all the same.
            let isBehind =
                isRunning && simulation.nextEventTime.map { $0.nanoseconds <= target } ?? false
            if isBehind {
                target = min(target, max(simulation.time.nanoseconds, target - Int64(1e9 * pace)))
            }
            target = max(target, simulation.time.nanoseconds)
            let time = isBehind ? simulation.time.nanoseconds : target
            watch.note(faults.takeEvents(), at: Instant(nanoseconds: time))
            var sample = watch.sample(simulation, at: time)
            sample.faults = faults.rows(at: time)
            take(sample)
            next = max(next + Self.interval, .now)
            // The pace is the point: there is no event to wait for.
            try? await Task.sleep(until: next, clock: .continuous)
        }
    }

    /// Does what was asked for since the last look.
    private func obey(_ faults: inout SimulationFaults, _ simulation: inout Simulation) {
        faults.expire(&simulation)
        for order in desk.takeOrders() {
            do {
                order.answer.resume(returning: try faults.perform(order.command, &simulation))
            } catch {
                order.answer.resume(throwing: error)
            }
        }
        if !simulation.plan.faults.steps.isEmpty { desk.note(simulation.plan.faults.text) }
    }

    /// Lets virtual time pass up to `target`; answers whether anything is left to happen.
    private func advance(
        _ simulation: inout Simulation,
        to target: Int64,
        _ isRunning: Bool
    ) -> Bool {
        let begin = ContinuousClock.now
        var isRunning = isRunning
        var count = 0
        // One at a time: the next one may lie minutes ahead.
        while isRunning, let next = simulation.nextEventTime, next.nanoseconds <= target {
            isRunning = simulation.run(events: 1)
            count += 1
            guard count % Self.portion == 0 else { continue }
            if Task.isCancelled || begin.duration(to: .now) >= Self.lookTimeout { break }
        }
        return isRunning
    }
}

/// Counts what schedulers do, and keeps their latest events, between two looks.
private final class SimulationWatch: Sendable {
    private struct State {
        var counters: [HostCounters]
        var naming: SimulationEvents
        var events: [ClusterEvent] = []
        var dropped: UInt64 = 0
    }

    private struct HostCounters {
        var fromAgents = 0
        var fromOrigins = 0
        var received = 0
        var duplicate = 0
        var bad = 0
    }

    private let policy: SwarmPolicy
    private let state: Mutex<State>
    /// Events kept between two looks: more than can be read.
    private static let eventsMax = 4000

    init(_ simulation: Simulation) {
        policy = simulation.plan.policy
        state = Mutex(
            State(
                counters: Array(repeating: HostCounters(), count: simulation.hostCount),
                naming: SimulationEvents(simulation, epoch: .now)
            )
        )
    }

    /// Takes a note of the scheduler of `host`.
    func note(_ now: Instant, _ host: Int, _ note: SwarmNote) {
        state.withLock { state in
            switch note {
            case .receivePiece(_, _, _, let bytes, _, let fromOrigin):
                state.counters[host].received += 1
                if fromOrigin {
                    state.counters[host].fromOrigins += bytes
                } else {
                    state.counters[host].fromAgents += bytes
                }
            case .duplicatePiece: state.counters[host].duplicate += 1
            case .badPiece: state.counters[host].bad += 1
            default: break
            }
            guard let event = state.naming.event(now, host, note) else { return }
            if state.events.count >= Self.eventsMax {
                state.dropped += 1
            } else {
                state.events.append(event)
            }
        }
    }

    /// Takes what was done to hosts by hand.
    func note(_ faults: [ClusterEvent], at time: Instant) {
        guard !faults.isEmpty else { return }
        state.withLock { state in
            for fault in faults { state.events.append(state.naming.numbered(fault, at: time)) }
        }
    }

    /// What the cluster looks like now.
    func sample(_ simulation: Simulation, at time: Int64) -> Sample {
        let (counters, naming) = state.withLock { ($0.counters, $0.naming) }
        let at = naming.timestamp(time)
        var components: [ComponentSnapshot] = []
        components.reserveCapacity(simulation.hostCount)
        for host in 0..<simulation.hostCount {
            guard let picture = simulation.picture(of: host) else { continue }
            let name = naming.name(of: host)
            components.append(snapshot(picture, counters[host], name, at, time))
        }
        components += trackers(simulation, at, time)
        var sample = Sample(snapshot: ClusterSnapshot(takenAt: at, components: components))
        sample.rules = SwarmRules(policy)
        state.withLock { state in
            sample.events = state.events
            sample.droppedEvents = state.dropped
            (state.events, state.dropped) = ([], 0)
        }
        return sample
    }

    private func trackers(
        _ simulation: Simulation,
        _ at: Timestamp,
        _ time: Int64
    ) -> [ComponentSnapshot] {
        simulation.trackersUp.enumerated().map { index, isUp in
            ComponentSnapshot(
                kind: .tracker,
                id: "tracker-\(index)",
                takenAt: at,
                health: isUp ? .ok : .stopped,
                uptimeSeconds: Double(time) / 1e9
            )
        }
    }

    private func snapshot(
        _ picture: HostPicture,
        _ counters: HostCounters,
        _ name: String,
        _ at: Timestamp,
        _ time: Int64
    ) -> ComponentSnapshot {
        var snapshot = ComponentSnapshot(
            kind: picture.isOrigin ? .origin : .agent,
            id: name,
            takenAt: at,
            health: picture.isAlive ? .ok : .stopped,
            uptimeSeconds: Double(time) / 1e9,
            counters: [
                "bytes_downloaded_from_agents": counters.fromAgents,
                "bytes_downloaded_from_origins": counters.fromOrigins,
                "bytes_uploaded": picture.bytesSent, "pieces_received": counters.received,
                "pieces_duplicate": counters.duplicate, "pieces_bad": counters.bad,
            ]
        )
        snapshot.peerID = picture.peerID
        snapshot.swarms = picture.swarms.map { swarm in
            var status = SwarmStatus(swarm, policy: policy) { _ in nil }
            // Simulated hosts count over all their blobs: exact for one, a fair share for several.
            let count = max(1, picture.swarms.count)
            status.bytesDownloadedFromAgents = counters.fromAgents / count
            status.bytesDownloadedFromOrigins = counters.fromOrigins / count
            status.bytesUploaded = picture.bytesSent / count
            return status
        }
        return snapshot
    }
}
