// SPDX-License-Identifier: Apache-2.0

import Primitives

/// Work of which something is due soon, with others together, because many cost little more than one.
struct HeldTasks: Sendable {
    private var tasks: [RetryTask] = []
    /// When it is due at the latest; nil when there is none.
    private(set) var dueAt: Instant?
    private let holdingTime: Duration
    private let countMax: Int

    /// Room for `countMax` pieces of work, each of which is held for `holdingTime` at most.
    init(for holdingTime: Duration, countMax: Int) {
        (self.holdingTime, self.countMax) = (holdingTime, countMax)
    }

    /// Whether there are enough.
    var isFull: Bool { tasks.count >= countMax }
    /// Whether there are so many that no more should be kept in memory.
    var isOverfull: Bool { tasks.count >= countMax * Self.overfullFactor }

    private static let overfullFactor = 16

    /// Whether there is work for `destination`.
    func contains(_ destination: String) -> Bool {
        tasks.contains { $0.destination == destination }
    }

    /// Takes `task` in at `now`.
    mutating func append(_ task: RetryTask, at now: Instant) {
        tasks.append(task)
        if dueAt == nil { dueAt = now.advanced(by: holdingTime) }
    }

    /// Hands everything out.
    mutating func take() -> [RetryTask] {
        defer { (tasks, dueAt) = ([], nil) }
        return tasks
    }

    /// Hands out those that `isWanted` accepts, which is asked about each in order; the rest stays, and is due at `moment`.
    mutating func take(
        keepingUntil moment: Instant,
        where isWanted: (RetryTask) -> Bool
    ) -> [RetryTask] {
        var (wanted, rest): ([RetryTask], [RetryTask]) = ([], [])
        for task in tasks { if isWanted(task) { wanted.append(task) } else { rest.append(task) } }
        (tasks, dueAt) = (rest, rest.isEmpty ? nil : moment)
        return wanted
    }

    /// Takes back `others`, which could not be dealt with and are due at `moment`.
    mutating func putBack(_ others: [RetryTask], until moment: Instant) {
        guard !others.isEmpty else { return }
        tasks = others + tasks
        dueAt = moment
    }
}
