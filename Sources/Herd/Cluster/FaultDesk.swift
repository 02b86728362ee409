// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Primitives
import Synchronization
import TUI
import Telemetry

/// The faults of a running herd: switches them on, keeps the list of them, and ends each when its time is over or somebody
/// undoes it.
final class FaultDesk: Sendable {
    /// A fault that is on.
    struct Fault: Sendable {
        let kind: FaultRequest.Kind
        let targets: [SupervisedComponent]
        let detail: String
        /// When it ends by itself; nil: never.
        let deadline: ContinuousClock.Instant?
    }

    private struct State {
        var nextID = 1
        var faults: [Int: Fault] = [:]
        /// What ends a fault by itself: one timer each, if its time is limited.
        var timers: [Int: Scheduled<Void>] = [:]
        /// Watches of faults that are over once they have done their harm.
        var watches: [Int: [(FaultSwitch, Int)]] = [:]
        /// The fault that slows all agents' links.
        var slowLinks: Int?
        var isClosed = false
    }

    private let control: ClusterControl
    private let eventLoop: any EventLoop
    private let state = Mutex(State())

    /// Faults on at a time.
    static let faultsMax = 64

    /// A desk for the components of `control`, with its timers on `eventLoop`.
    init(_ control: ClusterControl, eventLoop: any EventLoop) {
        (self.control, self.eventLoop) = (control, eventLoop)
    }

    // MARK: - The list

    /// The faults that are on, the oldest first.
    var rows: [FaultRow] {
        let now = ContinuousClock.now
        return state.withLock { $0.faults }.sorted { $0.key < $1.key }.map { id, fault in
            FaultRow(
                id: id,
                kind: fault.kind.rawValue,
                targets: fault.targets.map(\.planned.id),
                detail: fault.detail,
                remainingSeconds: fault.deadline.map { max(0, now.duration(to: $0).seconds) }
            )
        }
    }

    // MARK: - On

    /// Does what `request` asks for; answers a sentence about it.
    /// - Throws: ``Failure`` when the request makes no sense here, or a component does not come up again.
    @discardableResult func start(_ request: FaultRequest) async throws -> String {
        let order = try FaultOrder(request, control)
        let id = try takeNumber()
        switch request.kind {
        case .restart:
            try await forEach(order.targets) { [control] in try await control.restart($0, as: id) }
            return "\(order.names) restarted"
        case .wipe:
            try await forEach(order.targets) { [control] in try await control.wipe($0, as: id) }
            return "\(order.names) wiped and started anew"
        case .kill:
            book(order, as: id)
            await withTaskGroup(of: Void.self) { group in
                for target in order.targets {
                    group.addTask { [control] in
                        await control.kill(target, as: id, for: order.duration)
                    }
                }
            }
            if state.withLock({ $0.faults[id] == nil }) {
                // It was undone before all were down.
                for target in order.targets { control.revive(target, as: id, because: "undone") }
            }
        case .throttle, .partition, .corrupt, .outage:
            book(order, as: id)
            apply(order, as: id)
            if request.kind == .corrupt { watch(order.targets, id) }
        }
        return "fault \(id): \(order.detail)\(order.lasting)"
    }

    /// Limits every agent's links to `bytesPerSecond`, or lifts that limit.
    /// - Throws: ``Failure``.
    func slowLinks(_ bytesPerSecond: Int?) async throws -> String {
        let old = state.withLock { $0.slowLinks.take() }
        var sentence = "the agents' links are as fast as ever"
        if let bytesPerSecond {
            let request = FaultRequest(
                .throttle,
                targets: ["agents"],
                bytesPerSecond: bytesPerSecond,
                durationSeconds: 0
            )
            let order = try FaultOrder(request, control)
            let id = try takeNumber()
            book(order, as: id)
            apply(order, as: id)
            state.withLock { $0.slowLinks = id }
            sentence = "every agent's links carry \(ByteRate(bytesPerSecond: bytesPerSecond))"
        }
        // Last, so that there is no moment in between without a limit.
        if let old { end(old, because: "undone") }
        return sentence
    }

    private func takeNumber() throws(Failure) -> Int {
        let number = state.withLock { state -> Int? in
            guard !state.isClosed, state.faults.count < Self.faultsMax else { return nil }
            defer { state.nextID += 1 }
            return state.nextID
        }
        guard let number else {
            throw Failure(
                "cannot switch on another fault",
                why: "the herd stops, or \(Self.faultsMax) faults are on",
                remedy: "undo some first"
            )
        }
        return number
    }

    private func book(_ order: FaultOrder, as id: Int) {
        let fault = Fault(
            kind: order.kind,
            targets: order.targets,
            detail: order.detail,
            deadline: order.duration.map { ContinuousClock.now.advanced(by: $0) }
        )
        state.withLock { $0.faults[id] = fault }
        guard let duration = order.duration else { return }
        let timer = eventLoop.scheduleTask(in: .nanoseconds(duration.nanoseconds)) { [self] in
            _ = end(id, because: "its time is over")
        }
        state.withLock { if $0.faults[id] != nil { $0.timers[id] = timer } }
    }

    /// Switches on what `order` does, unless the fault was undone in between.
    private func apply(_ order: FaultOrder, as id: Int) {
        for target in order.targets {
            guard let effect = order.effects[target.planned.id] else { continue }
            target.faults.set(effect, as: id, for: order.duration)
        }
        guard state.withLock({ $0.faults[id] == nil }) else { return }
        for target in order.targets { target.faults.clear(id, because: "undone") }
    }

    /// Ends the fault `id` once none of `targets` has it any more.
    private func watch(_ targets: [SupervisedComponent], _ id: Int) {
        let watches = targets.map { target in
            let faults = target.faults
            return (
                faults,
                faults.watch { [self] in
                    if !targets.contains(where: { $0.faults.isOn(id) }) { end(id, because: nil) }
                }
            )
        }
        let isOver = state.withLock { state in
            guard state.faults[id] != nil else { return true }
            state.watches[id] = watches
            return false
        }
        if isOver { for (faults, watch) in watches { faults.unwatch(watch) } }
        if !targets.contains(where: { $0.faults.isOn(id) }) { end(id, because: nil) }
    }

    private func forEach(
        _ targets: [SupervisedComponent],
        _ body: @escaping @Sendable (SupervisedComponent) async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for target in targets { group.addTask { try await body(target) } }
            // All of them are brought up again, whatever becomes of one.
            var failure: (any Error)?
            while let result = await group.nextResult() {
                if case .failure(let error) = result { failure = failure ?? error }
            }
            if let failure { throw failure }
        }
    }

    // MARK: - Off

    /// Ends the fault `id`; nil: all of them. Answers a sentence about it.
    /// - Throws: ``Failure`` when there is no such fault.
    func undo(_ id: Int?) throws -> String {
        guard let id else {
            let ids = state.withLock { $0.faults.keys.sorted() }
            for id in ids { end(id, because: "undone") }
            return ids.isEmpty
                ? "no fault is on" : "\(ids.count == 1 ? "1 fault" : "\(ids.count) faults") undone"
        }
        guard let fault = end(id, because: "undone") else {
            let ids = state.withLock { $0.faults.keys.sorted() }
            let list = ids.map { "\($0)" }.joined(separator: ", ")
            throw Failure(
                "cannot undo fault \(id)",
                why: "it is not on",
                remedy: ids.isEmpty ? "no fault is on" : "these are on: \(list)"
            )
        }
        return "fault \(id) undone: \(fault.detail)"
    }

    /// Ends every fault, and takes no further one: the herd stops.
    func close() {
        state.withLock { $0.isClosed = true }
        for id in state.withLock({ $0.faults.keys.sorted() }) { end(id, because: "the herd stops") }
    }

    /// Ends the fault `id`; answers it, unless it is over already. Never waits, so timers may call it.
    @discardableResult private func end(_ id: Int, because reason: String?) -> Fault? {
        let (fault, timer, watches) = state.withLock { state in
            if state.slowLinks == id { state.slowLinks = nil }
            return (
                state.faults.removeValue(forKey: id), state.timers.removeValue(forKey: id),
                state.watches.removeValue(forKey: id) ?? []
            )
        }
        timer?.cancel()
        for (faults, watch) in watches { faults.unwatch(watch) }
        guard let fault else { return nil }
        for target in fault.targets {
            if fault.kind == .kill {
                control.revive(target, as: id, because: reason)
            } else {
                target.faults.clear(id, because: reason)
            }
        }
        return fault
    }
}
