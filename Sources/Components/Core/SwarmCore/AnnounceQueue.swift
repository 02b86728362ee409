// SPDX-License-Identifier: Apache-2.0

import Content
import DequeModule
import Primitives

/// When one swarm announces next.
struct AnnounceState: Sendable {
    /// When; nil while an announce is on its way or none is needed.
    var due: Instant?
    /// Whether one is on its way or queued.
    var isUnderWay = false
    /// What the tracker asked for.
    var interval: Duration
    /// The wait of a swarm that has nobody to ask; doubles from announce to announce.
    var starvedDelay: Duration

    init(policy: SwarmPolicy) {
        (interval, starvedDelay) = (policy.announceInterval, policy.starvedAnnounceDelay)
    }

    /// A piece came: the next famine starts with the shortest wait.
    mutating func fed(policy: SwarmPolicy) { starvedDelay = policy.starvedAnnounceDelay }

    /// Plans the next announce after an answer or a failure.
    mutating func plan(at now: Instant, isStarved: Bool, using generator: inout Generator) {
        isUnderWay = false
        // Up to a tenth early, so that hosts that began together do not stay in step.
        let jitter = Duration.nanoseconds(interval.nanoseconds / 1000 * Int64(generator.below(100)))
        due = now.advanced(by: interval - jitter)
        if isStarved { hurry(at: now) }
    }

    /// Nobody to ask: announce soon, each time later than the last.
    mutating func hurry(at now: Instant) {
        guard !isUnderWay, let planned = due else { return }
        let soon = now.advanced(by: starvedDelay)
        guard soon < planned else { return }
        due = soon
        starvedDelay = min(starvedDelay * 2, interval)
    }
}

/// Announces that wait because too many are on their way, first come, first served.
struct AnnounceQueue: Sendable {
    private var waiting: Deque<InfoHash> = []
    private var underWay: Set<InfoHash> = []
    private let underWayMax: Int

    init(underWayMax: Int) { self.underWayMax = underWayMax }

    /// Asks for a turn; answers whether it is given at once. A swarm without one gets it from ``finish(_:)``.
    mutating func begin(_ infoHash: InfoHash) -> Bool {
        guard underWay.count < underWayMax else {
            waiting.append(infoHash)
            return false
        }
        underWay.insert(infoHash)
        return true
    }

    /// An announce ended; answers the swarm whose turn it is now.
    mutating func finish(_ infoHash: InfoHash) -> InfoHash? {
        guard underWay.remove(infoHash) != nil, let next = waiting.popFirst() else { return nil }
        underWay.insert(next)
        return next
    }

    /// The swarm is gone: it neither waits nor is under way.
    mutating func eject(_ infoHash: InfoHash) -> InfoHash? {
        waiting.removeAll { $0 == infoHash }
        return finish(infoHash)
    }
}
