// SPDX-License-Identifier: Apache-2.0

package import Content
import Primitives
import Synchronization

/// The faults that someone switched on in one component; whoever can be faulty asks it.
///
/// Inert until something is set: every question is then one relaxed load. It outlives a restart of its component, and
/// records each fault that begins or ends as an event.
package final class FaultSwitch: Sendable {
    private struct State {
        var effects: [Int: FaultEffect] = [:]
        var nextWatcher = 0
        var watchers: [Int: @Sendable () -> Void] = [:]
    }

    private let events: EventLog?
    private let isSet = Atomic(false)
    private let state = Mutex(State())

    /// A switch with nothing set that records in `events`.
    package init(events: EventLog? = nil) { self.events = events }

    /// Whether any fault is on.
    package var isActive: Bool { isSet.load(ordering: .relaxed) }

    // MARK: - Switching

    /// Switches `effect` on under the number `id`, instead of what that number did before.
    /// - Parameter duration: how long it is meant to last; nil: until it is cleared.
    package func set(_ effect: FaultEffect, as id: Int, for duration: Duration? = nil) {
        change { $0.effects[id] = effect }
        let milliseconds = duration.map { Int(clamping: $0.nanoseconds / 1_000_000) }
        record(effect, id, isOn: true, lasting: milliseconds)
    }

    /// Switches off what `id` does; nothing happens when that is over already. `reason` goes into the event.
    package func clear(_ id: Int, because reason: String? = nil) {
        let effect = change { $0.effects.removeValue(forKey: id) }
        if let effect { record(effect, id, isOn: false, because: reason) }
    }

    /// Whether `id` is on.
    package func isOn(_ id: Int) -> Bool { isActive && state.withLock { $0.effects[id] != nil } }

    @discardableResult private func change<Result: Sendable>(
        _ body: (inout sending State) -> sending Result
    ) -> Result {
        let (result, watchers) = state.withLock { state in
            let result = body(&state)
            isSet.store(!state.effects.isEmpty, ordering: .relaxed)
            return (result, Array(state.watchers.values))
        }
        for watcher in watchers { watcher() }
        return result
    }

    private func record(
        _ effect: FaultEffect,
        _ id: Int,
        isOn: Bool,
        lasting milliseconds: Int? = nil,
        because reason: String? = nil
    ) {
        var event = ClusterEvent(.fault, durationMilliseconds: milliseconds)
        let words = isOn ? "on" : reason.map { "off, \($0)" } ?? "off"
        event.reason = "\(effect.words): \(words)"
        event.detail = ["fault": effect.name, "id": "\(id)", "state": isOn ? "on" : "off"]
        events?.record(event)
    }

    // MARK: - Watching

    /// Calls `body` after every change, on whatever thread made it, until ``unwatch(_:)`` of the number that is answered.
    package func watch(_ body: @escaping @Sendable () -> Void) -> Int {
        state.withLock { state in
            state.nextWatcher += 1
            state.watchers[state.nextWatcher] = body
            return state.nextWatcher
        }
    }

    /// Ends a ``watch(_:)``. A call that has begun goes on.
    package func unwatch(_ watcher: Int) {
        state.withLock { $0.watchers[watcher] = nil }
    }

    // MARK: - Questions

    /// What is on, in the order in which it was switched on, in words; nil when nothing is.
    package var words: [String]? {
        guard isActive else { return nil }
        let effects = state.withLock { $0.effects }
        return effects.isEmpty
            ? nil : effects.sorted { $0.key < $1.key }.map { $0.value.words }
    }

    /// Whether everything is to be answered with 503.
    package var isOut: Bool { contains { $0 == .outage } }

    /// Whether the component ends, or has ended, without a goodbye.
    package var isKilled: Bool { contains { $0 == .kill } }

    /// How slow its peer connections are to be, by all faults together; nil: no slower than ever.
    package var links: LinkLimits? {
        guard isActive else { return nil }
        let all = state.withLock { state in
            state.effects.values.compactMap { effect -> LinkLimits? in
                if case .throttle(let links) = effect { links } else { nil }
            }
        }
        return all.isEmpty ? nil : all.dropFirst().reduce(all[0]) { $0.stricter($1) }
    }

    /// Whether whoever listens at `address`, `host:port`, can't be reached.
    package func refuses(address: String) -> Bool {
        contains { effect in
            if case .partition(let others) = effect {
                others.addresses.contains(address)
            } else {
                false
            }
        }
    }

    /// Whether `peer` can't be reached, and can't reach us.
    package func refuses(_ peer: PeerID) -> Bool {
        contains { effect in
            if case .partition(let others) = effect { others.peerIDs.contains(peer) } else { false }
        }
    }

    /// Whether the piece that is about to be sent to `peer` has to be wrong; answers true once for each such fault, which is
    /// over then.
    package func takeCorruption(of piece: PieceIndex, to peer: PeerID?) -> Bool {
        guard contains({ $0 == .corruption }) else { return false }
        let id = change { state -> Int? in
            let id = state.effects.filter { $0.value == .corruption }.keys.min()
            if let id { state.effects[id] = nil }
            return id
        }
        guard let id else { return false }
        var event = ClusterEvent(.fault, peer: peer, piece: piece.value)
        event.reason = "sent piece \(piece.value) with a wrong byte"
        event.detail = ["fault": FaultEffect.corruption.name, "id": "\(id)", "state": "off"]
        events?.record(event)
        return true
    }

    private func contains(_ matches: (FaultEffect) -> Bool) -> Bool {
        guard isActive else { return false }
        return state.withLock { $0.effects.values.contains(where: matches) }
    }
}
