// SPDX-License-Identifier: Apache-2.0

import Content
package import Primitives
package import SwarmCore
import TrackerCore

/// A cluster in virtual time: the shipped schedulers and tracker tables, a made-up network, one seed.
///
/// Sans-IO like what it drives: ``run(events:)`` handles some events and returns, so that whoever calls can draw
/// progress, and ``result()`` says what came of it. The model of links: `docs/decisions/0009-links-in-the-simulator.md`.
/// Effects: `Simulation+Effects.swift`. Connections and messages: `Simulation+Network.swift`. Payloads:
/// `Simulation+Transfers.swift`. What goes wrong: `Simulation+Faults.swift`. What must hold: `Simulation+Audit.swift`.
package struct Simulation: Sendable {
    /// What the run is doing.
    package enum Stage: Sendable {
        /// Agents download.
        case downloading
        /// Everybody is done; the swarms are to leave memory.
        case releasing
        /// Nothing is left to do.
        case done
    }

    /// What is simulated.
    package internal(set) var plan: SimulationPlan
    /// What the run is doing.
    package private(set) var stage = Stage.downloading
    let blobs: [SimulatedBlob]
    /// Words of bits that each host has for all blobs together.
    let wordsPerHost: Int
    let hostOf: [PeerID: Int32]
    let deadline: Int64

    var now: Int64 = 0
    var queue = EventQueue()
    var hosts: [SimulatedHost] = []
    var ends: [End] = []
    /// By end: the pieces that its host holds and the other lacks.
    var useful: [Int32] = []
    var seats: [Seat]
    /// The pieces that are on disks, host by host.
    var bits: [UInt64]
    var trackers: [SimulatedTracker] = []
    var messages = MessagePool()
    var handshakes = Slab<PeerHandshake>()
    var transfers = Slab<Transfer>()
    var sends = SendPool()
    var announces = Slab<Announce>()
    /// What the scheduler at work has sent, by arrival.
    var outbox: [(at: Int64, first: Int32, last: Int32)] = []
    /// When that scheduler's messages arrive in its own zone and in others; negative when not yet drawn.
    var laneNow: (near: Int64, far: Int64) = (-1, -1)
    /// When the trunk out of each zone has carried all that is reserved.
    var trunkFree: [Int64]
    var network: Generator
    var luck: Generator
    var faultActions: [FaultAction] = []
    var healsAt: Int64 = 0
    let isTroubled: Bool
    /// The plan's latencies and jitter in nanoseconds: a `Duration` is divided by 128 bits each time it is asked.
    let nearLatency, farLatency: Int64
    let jitter: Int

    /// Blobs that are missing at agents that live or will.
    var pendingBlobs: Int
    /// Swarms in the memory of schedulers.
    var openSwarms = 0
    var releaseDeadline = Int64.max
    var ledger = UplinkLedger()
    /// When the downloads were over and the ledger was closed; negative until then.
    var closedAt: Int64 = -1
    var isLedgerOpen: Bool { closedAt < 0 }
    var trace = TraceHash()
    var tally = Tally()
    var auditor: Auditor
    private var spareEffects: [SwarmScheduler.Effect] = []
    /// Told of what schedulers do and why; nil when nobody wants to know.
    package var observer: (@Sendable (Instant, Int, SwarmNote) -> Void)?

    /// A cluster that has not begun.
    /// - Throws: ``PlanError`` when the plan makes no sense.
    package init(_ plan: SimulationPlan) throws(PlanError) {
        self.plan = try plan.validated()
        var generator = Generator(seed: plan.seed)
        blobs = try Self.makeBlobs(plan)
        wordsPerHost = blobs.reduce(0) { $0 + $1.wordCount }
        network = generator.fork()
        luck = generator.fork()
        isTroubled = plan.faults.isTroubled
        nearLatency = plan.latency.nanoseconds
        farLatency = plan.zoneLatency.nanoseconds
        jitter = Int(plan.jitter.nanoseconds)
        trunkFree = Array(repeating: 0, count: plan.zones)
        seats = Array(repeating: Seat(), count: plan.hostCount * blobs.count)
        bits = Array(repeating: 0, count: plan.hostCount * wordsPerHost)
        pendingBlobs = plan.agents * blobs.count
        auditor = Auditor(interval: plan.auditInterval ?? max(16, plan.hostCount))
        deadline = Self.deadline(plan)
        hosts.reserveCapacity(plan.hostCount)
        var hostOf: [PeerID: Int32] = [:]
        for index in 0..<plan.hostCount {
            let host = Self.makeHost(index, plan, &generator)
            hostOf[host.info.peerID] = Int32(index)
            hosts.append(host)
        }
        self.hostOf = hostOf
        for _ in 0..<plan.trackers {
            trackers.append(SimulatedTracker(seed: generator.next(), limits: plan.limits))
        }
        seedOrigins()
        scheduleJoins(&generator)
        scheduleFaults(&generator)
    }

    // MARK: - Running

    /// Handles at most `limit` events; answers whether there is more to do.
    package mutating func run(events limit: Int) -> Bool {
        for _ in 0..<limit {
            guard stage != .done else { return false }
            guard let next = queue.nextAt,
                next <= (stage == .downloading ? deadline : releaseDeadline)
            else {
                turnStage()
                continue
            }
            guard let event = queue.pop() else { continue }
            if event.at < now {
                auditor.report(.noEventInThePast, "an event of \(event.at) ns came at \(now) ns")
            }
            now = max(now, event.at)
            tally.events += 1
            happen(event)
            let isOver = stage == .downloading ? pendingBlobs == 0 : openSwarms == 0
            if isOver { turnStage() }
        }
        return stage != .done
    }

    private mutating func turnStage() {
        switch stage {
        case .downloading:
            closeLedger()
            for host in hosts.indices where hosts[host].isAlive { audit(host) }
            if pendingBlobs == 0 {
                stage = .releasing
                let policy = plan.policy
                let patience = policy.seederIdleMax + policy.reapInterval * 4 + .minutes(1)
                releaseDeadline = now + patience.nanoseconds
            } else {
                auditCompletion()
                stage = .done
            }
        case .releasing:
            auditRelease()
            stage = .done
        case .done: break
        }
    }

    private mutating func happen(_ event: Event) {
        let host = Int(event.host)
        switch event.kind {
        case .messages: arrive(chain: event.argument)
        case .head: headArrived(event.argument)
        case .queuedHead: headRead(event.argument)
        case .arrived: payloadArrived(event.argument)
        case .trickled: trickled(event.argument)
        case .sent: payloadSent(event.argument, by: host)
        case .timer: timerFired(host, event.at)
        case .dialled: dialArrived(event.argument)
        case .dialTimeout: dialTimedOut(event.argument)
        case .sendDropped: sendDropped(piece: event.host, of: event.argument)
        case .lookedUp: lookedUp(event.argument, at: host)
        case .committed: commit(Int(event.argument), at: host)
        case .announce: announceArrived(event.argument)
        case .announceAnswer: announceAnswered(event.argument)
        case .join: join(host)
        case .retry: retry(Int(event.argument), at: host)
        case .fault: happen(faultActions[Int(event.argument)])
        }
    }

    // MARK: - Schedulers

    /// Hands `event` to the scheduler of `host` and does what it wants done.
    mutating func deliver(_ event: SwarmScheduler.Event, to host: Int) {
        var effects: [SwarmScheduler.Effect] = []
        swap(&effects, &spareEffects)
        hosts[host].scheduler.handle(event, at: Instant(nanoseconds: now), into: &effects)
        for index in effects.indices { perform(effects[index], of: host) }
        effects.removeAll(keepingCapacity: true)
        swap(&effects, &spareEffects)
        flush(host)
        armTimer(host)
        tally.handled += 1
        if auditor.isDue() { audit(host) }
    }

    private mutating func armTimer(_ host: Int) {
        guard let deadline = hosts[host].nextDeadline(),
            deadline < hosts[host].timerAt
        else { return }
        let at = max(deadline, now)
        guard at < hosts[host].timerAt else { return }
        hosts[host].timerAt = at
        queue.push(.timer, at: at, host: host)
    }

    private mutating func timerFired(_ host: Int, _ at: Int64) {
        guard hosts[host].timerAt == at, hosts[host].isAlive else { return }
        hosts[host].timerAt = .max
        guard let deadline = hosts[host].nextDeadline() else { return }
        guard deadline <= now else { return armTimer(host) }
        deliver(.timePassed, to: host)
        hosts[host].spins = hosts[host].timerAt <= now ? hosts[host].spins + 1 : 0
        guard hosts[host].spins < Self.spinsMax else {
            auditor.report(.timersAdvance, "the timer of host \(host) spins at \(now) ns")
            // Not again at this instant, or the run would never end.
            hosts[host].timerAt = now + 1_000_000
            queue.push(.timer, at: now + 1_000_000, host: host)
            hosts[host].spins = 0
            return
        }
    }

    /// Wakings in a row at one instant from which on a timer counts as spinning.
    private static let spinsMax = 1000
}

/// What is counted.
struct Tally: Sendable {
    var events = 0
    var handled = 0
    var controlMessages = 0
    var controlBytes = 0
    var payloads = 0
    var payloadBytes: Int64 = 0
    var dials = 0
    var dialsRefused = 0
    var dialsFailed = 0
    var announces = 0
    var announcesFailed = 0
    var duplicatePieces = 0
    var badPieces = 0
    var requestsExpired = 0
    var requests = 0
    var endgameRequests = 0
    var timedOutDownloads = 0
    var crashes = 0
}
