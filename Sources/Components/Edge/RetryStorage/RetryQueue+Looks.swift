// SPDX-License-Identifier: Apache-2.0

import Primitives
import RetryCore
import Telemetry

// What is looked for on the disk.
extension RetryQueue {
    /// Ends of work that wait for the disk; while there are more, nothing is started.
    private static let settlingMax = 64

    /// What was found to do.
    struct Look {
        var started: [RetryTask] = []
        /// When was looked last: what falls due later is not among it.
        var endedAt: Instant
        /// When the next work falls due after that; nil when that is not known.
        fileprivate var next: NextDue?
        /// Whether nothing ran when it began, so that what it did not find is not there.
        var hadRoom = false
        /// Whether the disk did not say.
        var hasFailed = false
    }

    /// When work falls due; nil: none waits.
    fileprivate struct NextDue: Sendable { let at: Instant? }

    /// What one look into the table found.
    private struct Found: Sendable {
        var tasks: [Int64: RetryTask] = [:]
        /// Whether that is all there is to do now.
        var isAll: Bool
        var next: NextDue?
    }

    /// Marks due work as running, as much as there is room for.
    func startDue() async -> Look {
        var look = Look(endedAt: now)
        (isIdle, hasMoreCome) = (false, false)
        // It lies on the disk, where it is looked for now.
        _ = handedOver.take()
        defer { droppedDuringLook = nil }
        while settling.count < Self.settlingMax {
            (look.endedAt, look.hadRoom, droppedDuringLook) = (now, isAlone, dropping)
            guard var found = await due(at: look.endedAt) else {
                look.hasFailed = true
                break
            }
            lastFound = max(lastFound, found.tasks.keys.max() ?? 0)
            let all = found.tasks.count
            for id in droppedDuringLook ?? [] { found.tasks[id] = nil }
            let isDropped = found.tasks.count < all
            let admitted = scheduler.admit(found.tasks.values.map(\.candidate), at: look.endedAt)
            look.started += admitted.compactMap { found.tasks[$0.id] }
            if found.isAll, admitted.count == found.tasks.count {
                look.next = found.next
                isIdle = !hasMoreCome
                break
            }
            if admitted.isEmpty, !isDropped { break }
        }
        return look
    }

    /// What is due at `now`, as much as there is room for, and when more will be; nil when the disk does not say.
    private func due(at now: Instant) async -> Found? {
        let busy = scheduler.runningIDs + settling + dropping
        let demands = scheduler.demands(at: now).filter { stopDeadline == nil || $0.lane == .fresh }
        let destinations = scheduler.admittedDestinations(at: now)
        // Behind a circuit that is not closed more may wait than is asked for.
        let isForAll = scheduler.hasRoomForAll && stopDeadline == nil
        do {
            // One look for all of it: each takes a thread and a transaction.
            return try await database.read("look into the queue \(kind)") { [table] database in
                var found = Found(isAll: isForAll)
                for demand in demands {
                    let tasks = try table.due(
                        demand.lane == .fresh ? .pending : .failed,
                        for: demand.destination,
                        now: now,
                        except: busy,
                        limit: demand.count,
                        in: database
                    )
                    if tasks.count >= demand.count { found.isAll = false }
                    for task in tasks { found.tasks[task.id] = task }
                }
                found.next = NextDue(
                    at: try table.nextDue(for: destinations, after: now, in: database)
                )
                return found
            }
        } catch {
            for demand in demands { lastErrors[demand.destination] = "\(error)" }
            return nil
        }
    }

    private func nextDue(after look: Look) async throws -> Instant? {
        if let known = look.next { return known.at }
        let (last, destinations) = (look.endedAt, scheduler.admittedDestinations(at: look.endedAt))
        return try await database.read("look into the queue \(kind)") { [table] database in
            try table.nextDue(for: destinations, after: last, in: database)
        }
    }

    /// When to look again after `look` even though nothing comes; nil when nothing waits for its time.
    func nextLook(after look: Look) async -> Instant? {
        let last = look.endedAt
        var next = scheduler.nextDeadline(after: last)
        var hasFailed = look.hasFailed
        do {
            if let due = try await nextDue(after: look) { next = min(next ?? due, due) }
        } catch {
            hasFailed = true
        }
        if let nextTry = refused.nextTry { next = min(next ?? nextTry, nextTry) }
        // A disk that fails is asked again after a while.
        if hasFailed {
            next = min(next ?? .distantFuture, last.advanced(by: scheduler.rules.pauseMax))
        }
        if let stopDeadline { next = min(next ?? stopDeadline, stopDeadline) }
        return next
    }
}
