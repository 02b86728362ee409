// SPDX-License-Identifier: Apache-2.0

import OrderedCollections
package import Primitives

/// Which work of a persisted queue is done next, and what becomes of it.
///
/// All work lies on disk; here is only what runs, which ``RetryRules`` bound. Whoever drives this asks for ``demands(at:)``,
/// looks what is due on disk, offers that to ``admit(_:at:)``, does what is admitted, and reports it to
/// ``finish(_:_:at:)``, whose answer it writes down.
package struct RetryScheduler: Sendable {
    /// New work and work that has failed before have workers of their own.
    package enum Lane: Hashable, Sendable, CaseIterable {
        /// Never tried.
        case fresh
        /// Tried, and failed.
        case retry
    }

    /// A piece of work that is due.
    package struct Candidate: Hashable, Sendable {
        /// Its number on disk.
        package let id: Int64
        /// Where it goes.
        package let destination: String
        /// When it was due.
        package let dueAt: Instant
        /// How often it has failed.
        package let failureCount: Int

        /// The piece of work `id`.
        package init(id: Int64, destination: String, dueAt: Instant, failureCount: Int) {
            (self.id, self.destination, self.dueAt) = (id, destination, dueAt)
            self.failureCount = failureCount
        }

        /// Whose workers do it.
        package var lane: Lane { failureCount == 0 ? .fresh : .retry }
    }

    /// So much work there is room for.
    package struct Demand: Hashable, Sendable {
        /// Of which kind.
        package let lane: Lane
        /// Where it goes.
        package let destination: String
        /// How many pieces at most.
        package let count: Int
    }

    /// How a piece of work ended.
    package enum Outcome: Hashable, Sendable {
        /// It is done.
        case done
        /// The destination did not take it.
        case failed
        /// It can't be done, whatever the destination; trying again is no use.
        case impossible
        /// It was cut off; that is nobody's failure.
        case interrupted
    }

    /// What becomes of it.
    package enum Verdict: Hashable, Sendable {
        /// It leaves the queue.
        case forget
        /// It is tried again at that moment.
        case tryAgain(at: Instant, failureCount: Int)
        /// It is kept and not tried any more until someone says so.
        case bury(failureCount: Int)
        /// It stays as it was.
        case keep
    }

    private struct Destination: Sendable {
        var breaker = CircuitBreaker()
        var runningCount = 0
    }

    /// The rules.
    package let rules: RetryRules
    private var generator: Generator
    private var destinations: OrderedDictionary<String, Destination> = [:]
    private var running: OrderedDictionary<Int64, Candidate> = [:]
    /// Which destination is asked first; moves on, so that none waits for another.
    private var turn = 0

    /// A scheduler of nothing; chance comes from `seed`.
    package init(rules: RetryRules, seed: UInt64) {
        (self.rules, generator) = (rules, Generator(seed: seed))
    }

    /// The destinations there are.
    package var knownDestinations: [String] { Array(destinations.keys) }

    /// The numbers of what runs.
    package var runningIDs: [Int64] { Array(running.keys) }

    /// Whether the piece of work `id` runs.
    package func isRunning(_ id: Int64) -> Bool { running[id] != nil }

    /// Notes that there is, or may be, work for `destination`.
    package mutating func know(_ destination: String) {
        if destinations[destination] == nil { destinations[destination] = Destination() }
    }

    /// Forgets `destination`, which has no work any more, unless something runs for it or its circuit is not closed.
    package mutating func forget(_ destination: String) {
        guard let known = destinations[destination], known.runningCount == 0,
            known.breaker.state == .closed
        else { return }
        destinations[destination] = nil
    }

    /// Where the circuit of `destination` stands.
    package func circuit(of destination: String) -> CircuitBreaker.State {
        destinations[destination]?.breaker.state ?? .closed
    }

    /// Lets a probe of `destination` go at once.
    package mutating func allowProbe(of destination: String, at now: Instant) {
        destinations[destination]?.breaker.allowProbe(at: now)
    }

    /// When, after `now`, the next open circuit lets a probe go; nil when none will.
    package func nextDeadline(after now: Instant) -> Instant? {
        destinations.values.lazy.compactMap(\.breaker.nextDeadline).filter { $0 > now }.min()
    }

    /// The destinations whose work may be started at `now` as soon as it is due.
    package func admittedDestinations(at now: Instant) -> [String] {
        destinations.filter { $0.value.breaker.admission(at: now) != .none }.map(\.key)
    }

    // MARK: - What to do next

    /// Whether work of each kind may be started for every destination, so that ``demands(at:)`` is about all there is.
    package var hasRoomForAll: Bool {
        Lane.allCases.allSatisfy { room(in: $0) > 0 }
            && destinations.values.allSatisfy { destination in
                destination.breaker.state == .closed
                    && destination.runningCount < rules.perDestinationMax
            }
    }

    /// How much due work there is room for at `now`, by kind and destination.
    package func demands(at now: Instant) -> [Demand] {
        guard !destinations.isEmpty else { return [] }
        var demands: [Demand] = []
        for lane in Lane.allCases {
            let free = room(in: lane)
            guard free > 0 else { continue }
            for offset in 0..<destinations.count {
                let index = (turn + offset) % destinations.count
                let (name, destination) = destinations.elements[index]
                let count = min(free, room(of: destination, at: now))
                guard count > 0 else { continue }
                demands.append(Demand(lane: lane, destination: name, count: count))
            }
        }
        return demands
    }

    /// Those of `candidates` that are to be done now; they count as running from here on. One of each destination comes
    /// before the second one of any.
    package mutating func admit(_ candidates: [Candidate], at now: Instant) -> [Candidate] {
        var places: [String: Int] = [:]
        let ordered = candidates.sorted { ($0.dueAt, $0.id) < ($1.dueAt, $1.id) }
            .map { candidate -> (place: Int, Candidate) in
                let place = places[candidate.destination, default: 0]
                places[candidate.destination] = place + 1
                return (place, candidate)
            }
            .sorted { ($0.place, $0.1.dueAt, $0.1.id) < ($1.place, $1.1.dueAt, $1.1.id) }
        var admitted: [Candidate] = []
        for (_, candidate) in ordered where running[candidate.id] == nil {
            know(candidate.destination)
            guard room(in: candidate.lane) > 0,
                var destination = destinations[candidate.destination],
                room(of: destination, at: now) > 0
            else { continue }
            destination.breaker.noteStart()
            destination.runningCount += 1
            destinations[candidate.destination] = destination
            running[candidate.id] = candidate
            admitted.append(candidate)
        }
        turn = destinations.isEmpty ? 0 : (turn + 1) % destinations.count
        return admitted
    }

    private func room(in lane: Lane) -> Int {
        let workers = lane == .fresh ? rules.freshWorkers : rules.retryWorkers
        return workers - running.values.lazy.filter { $0.lane == lane }.count
    }

    private func room(of destination: Destination, at now: Instant) -> Int {
        switch destination.breaker.admission(at: now) {
        case .all: rules.perDestinationMax - destination.runningCount
        case .probe: 1
        case .none: 0
        }
    }

    // MARK: - What became of it

    /// Takes the outcome of a piece of work that was admitted.
    package mutating func finish(_ id: Int64, _ outcome: Outcome, at now: Instant) -> Verdict {
        guard let work = running.removeValue(forKey: id),
            var destination = destinations[work.destination]
        else { return .keep }
        defer { destinations[work.destination] = destination }
        destination.runningCount -= 1
        let failureCount = work.failureCount + 1
        switch outcome {
        case .done:
            destination.breaker.noteSuccess()
            return .forget
        case .interrupted:
            destination.breaker.noteNothing(at: now)
            return .keep
        case .impossible:
            destination.breaker.noteNothing(at: now)
            return .bury(failureCount: failureCount)
        case .failed:
            destination.breaker.noteFailure(at: now, rules, &generator)
            if failureCount >= rules.attemptsMax, destination.breaker.state == .closed {
                return .bury(failureCount: failureCount)
            }
            let pause = rules.pause(after: failureCount, &generator)
            return .tryAgain(at: now.advanced(by: pause), failureCount: failureCount)
        }
    }
}
