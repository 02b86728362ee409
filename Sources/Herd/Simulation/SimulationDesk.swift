// SPDX-License-Identifier: Apache-2.0

import Glibc
import Primitives
import Simulator
import Synchronization
import TUI
import Telemetry

/// Where the interface leaves what is to be done to a simulation, until the simulation comes by.
final class SimulationDesk: Sendable {
    /// Something that is to be done, and who waits for what comes of it.
    struct Order: Sendable {
        let command: ClusterCommand
        let answer: CheckedContinuation<String, any Error>
    }

    private struct State {
        var orders: [Order] = []
        var isClosed = false
        /// What was done by hand so far, as `--faults` takes it.
        var record: String?
    }
    private let state = Mutex(State())

    /// Does `command` to the simulation; answers a sentence about it.
    /// - Throws: ``Failure``, also when the simulation is over.
    func perform(_ command: ClusterCommand) async throws -> String {
        try await withCheckedThrowingContinuation { answer in
            let isTaken = state.withLock { state in
                if !state.isClosed {
                    state.orders.append(Order(command: command, answer: answer))
                }
                return !state.isClosed
            }
            if !isTaken { answer.resume(throwing: Self.isOver) }
        }
    }

    private static let isOver = Failure("this can't be done", why: "the simulation is over")

    /// The orders since the last time; whoever takes them answers them.
    func takeOrders() -> [Order] {
        state.withLock { state in
            defer { state.orders = [] }
            return state.orders
        }
    }

    /// Keeps what was done by hand.
    func note(_ record: String) { state.withLock { $0.record = record } }

    /// All that goes wrong in the run, what was done by hand included, as `--faults` takes it; nil when nothing was done by hand.
    var record: String? { state.withLock { $0.record } }

    /// The simulation is over: whoever waits is told so.
    func close() {
        let orders = state.withLock { state in
            state.isClosed = true
            defer { state.orders = [] }
            return state.orders
        }
        for order in orders { order.answer.resume(throwing: Self.isOver) }
    }
}

/// The faults that are on in a simulation: switches them on and off, and ends those whose time is over.
struct SimulationFaults {
    private struct Fault {
        let row: FaultRow
        /// Virtual time at which it ends by itself; nil: never.
        let deadline: Int64?
        /// What ends it.
        let end: [FaultPlan.Step.Action]
    }

    private var faults: [Int: Fault] = [:]
    private var nextID = 1
    /// Virtual time as it is shown; that of the simulation itself stands still between two events.
    var now: Int64 = 0
    /// What happened since ``takeEvents()``: the component and what was done to it.
    private var news: [(component: String, words: String, id: Int, kind: String, isOn: Bool)] = []

    /// How long a restarted host is away.
    private static let restartTime = Duration.milliseconds(100)

    /// The faults that are on at `time`, the oldest first.
    func rows(at time: Int64) -> [FaultRow] {
        faults.sorted { $0.key < $1.key }.map { _, fault in
            var row = fault.row
            row.remainingSeconds = fault.deadline.map { max(0, Double($0 - time) / 1e9) }
            return row
        }
    }

    /// What was done since the last time, as events of those it was done to; numbers and times are the caller's.
    mutating func takeEvents() -> [ClusterEvent] {
        defer { news = [] }
        return news.map { entry in
            var event = ClusterEvent(.fault, reason: entry.words)
            event.component = entry.component
            event.detail = [
                "fault": entry.kind, "id": "\(entry.id)", "state": entry.isOn ? "on" : "off",
            ]
            return event
        }
    }

    // MARK: - On and off

    /// Does `command`; answers a sentence about it.
    /// - Throws: ``Failure`` when simulations know no such thing.
    mutating func perform(
        _ command: ClusterCommand,
        _ simulation: inout Simulation
    ) throws -> String {
        switch command {
        case .fault(let request): return try start(request, &simulation)
        case .undo(let id): return try undo(id, &simulation)
        case .push, .pull, .slowLinks, .retryTask, .dropTask, .scenario:
            throw Failure(
                "this can't be done",
                why: "a simulation downloads by itself, and has neither queues nor lessons"
            )
        case .crash:
            raise(SIGSEGV)
            return "the process has survived a SIGSEGV"
        }
    }

    private mutating func start(
        _ request: FaultRequest,
        _ simulation: inout Simulation
    ) throws -> String {
        let seconds = request.durationSeconds
        let end = seconds > 0 ? time(simulation) &+ Int64(min(seconds, 1e6) * 1e9) : nil
        let order = try SimulationOrder(request, until: end)
        do {
            for action in order.actions {
                try simulation.inject(action, at: Instant(nanoseconds: now))
            }
        } catch {
            throw Failure("cannot \(request.kind.rawValue) \(order.names)", why: "\(error)")
        }
        let id = nextID
        nextID += 1
        for target in request.targets {
            news.append((target, "\(order.words): on", id, request.kind.rawValue, true))
        }
        if !order.end.isEmpty {
            // What is over by itself after a moment is no state that one could undo.
            let deadline =
                request.kind.isLasting ? end : time(simulation) &+ Self.restartTime.nanoseconds
            let row = FaultRow(
                id: id,
                kind: request.kind.rawValue,
                targets: request.targets,
                detail: order.words,
                remainingSeconds: nil
            )
            faults[id] = Fault(row: row, deadline: deadline, end: order.end)
        }
        return "fault \(id): \(order.words)"
    }

    private func time(_ simulation: Simulation) -> Int64 { max(now, simulation.time.nanoseconds) }

    /// Ends the faults whose time is over.
    mutating func expire(_ simulation: inout Simulation) {
        let now = time(simulation)
        for (id, fault) in faults.sorted(by: { $0.key < $1.key }) {
            if let deadline = fault.deadline, deadline <= now {
                end(id, "its time is over", &simulation)
            }
        }
    }

    private mutating func undo(_ id: Int?, _ simulation: inout Simulation) throws -> String {
        guard let id else {
            let ids = faults.keys.sorted()
            for id in ids { end(id, "undone", &simulation) }
            return ids.isEmpty ? "no fault is on" : "\(ids.count) faults undone"
        }
        guard let fault = faults[id] else {
            throw Failure("cannot undo fault \(id)", why: "it is not on")
        }
        end(id, "undone", &simulation)
        return "fault \(id) undone: \(fault.row.detail)"
    }

    private mutating func end(_ id: Int, _ reason: String, _ simulation: inout Simulation) {
        guard let fault = faults.removeValue(forKey: id) else { return }
        for action in fault.end {
            // When nobody downloads any more there is nothing to mend.
            try? simulation.inject(action, at: Instant(nanoseconds: now))
        }
        for target in fault.row.targets {
            let words = "\(fault.row.detail): off, \(reason)"
            news.append((target, words, id, fault.row.kind, false))
        }
    }
}

/// A fault as it was asked for, in what simulations can do.
struct SimulationOrder: Sendable {
    /// What is done.
    var actions: [FaultPlan.Step.Action] = []
    /// What ends it; empty for what is over by itself.
    var end: [FaultPlan.Step.Action] = []
    /// What it does, in words.
    let words: String
    /// Whom it meets, in words.
    let names: String

    private static let endless: Int64 = 3_600_000_000_000

    /// The order that `request` makes.
    ///
    /// - Parameter until: the virtual time at which it ends; nil: when it is undone.
    /// - Throws: ``Failure`` when simulated hosts have nothing that it could happen to.
    init(_ request: FaultRequest, until: Int64?) throws(Failure) {
        let list = request.targets.joined(separator: ", ")
        let slowed = request.limits.map { "throttle \(list) to \($0)" }
        (names, words) = (list, slowed ?? "\(request.kind.rawValue) \(list)")
        if request.kind == .outage {
            let trackers = try request.targets.map { name throws(Failure) in try Self.tracker(name)
            }
            actions = trackers.map { .tracker($0, isUp: false) }
            end = trackers.map { .tracker($0, isUp: true) }
            return
        }
        let hosts = try request.targets.map { name throws(Failure) in try Self.host(name) }
        switch request.kind {
        case .kill, .restart, .wipe:
            actions = hosts.map { .kill($0) }
            end = hosts.map { .start($0, isWiped: request.kind == .wipe) }
        case .throttle:
            guard let bytes = request.bytesPerSecond, bytes > 0, request.latencySeconds == nil,
                request.upBytesPerSecond == nil, request.downBytesPerSecond == nil
            else {
                throw Failure(
                    "cannot throttle \(names) so",
                    why: "simulated hosts have one rate for both ways, and all the same latency",
                    remedy: "name one rate, such as 1M; --latency sets that of all"
                )
            }
            actions = hosts.map { .pace($0, ByteRate(bytesPerSecond: bytes)) }
            end = hosts.map { .pace($0, nil) }
        case .partition:
            actions = [.cut(hosts, until: .nanoseconds(until ?? Self.endless))]
            end = [.heal(hosts)]
        case .corrupt: actions = hosts.map { .wrong($0) }
        case .outage: break
        }
    }

    private static func host(_ name: String) throws(Failure) -> FaultPlan.Host {
        guard let host = FaultPlan.Host(name: name) else {
            throw Failure("cannot do that to \(name)", why: "it works on agents and origins")
        }
        return host
    }

    private static func tracker(_ name: String) throws(Failure) -> Int {
        guard name.hasPrefix("tracker-"), let index = Int(name.dropFirst("tracker-".count)) else {
            throw Failure(
                "cannot do that to \(name)",
                why: "of simulated hosts only trackers answer requests",
                remedy: "kill it instead"
            )
        }
        return index
    }
}
