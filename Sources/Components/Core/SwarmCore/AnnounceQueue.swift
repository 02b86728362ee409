// SPDX-License-Identifier: Apache-2.0

import Content
import DequeModule
import Primitives

/// When one swarm announces next.
struct AnnounceState: Sendable {
    /// When; nil while none is needed. Of a complete blob only a failed announce is due again.
    private(set) var due: Instant?
    /// Whether one is on its way or queued.
    private(set) var isUnderWay = false
    /// When an answer is no longer waited for; nil while none is awaited.
    private(set) var answerDue: Instant?
    /// What the tracker asked for.
    private(set) var interval: Duration
    /// The wait of a swarm that has nobody to ask; doubles from announce to announce.
    private var starvedDelay: Duration
    private var completeRetries = 0
    /// Origins never announce.
    private let isSilent: Bool

    init(policy: SwarmPolicy, isSilent: Bool) {
        (interval, starvedDelay) = (policy.announceInterval, policy.starvedAnnounceDelay)
        self.isSilent = isSilent
    }

    /// The next instant at which something is to be done; nil when there is none.
    var nextDeadline: Instant? { isUnderWay ? answerDue : due }

    /// Whether an announce should go out at `now`.
    func isDue(at now: Instant) -> Bool { !isUnderWay && (due ?? .distantFuture) <= now }

    /// Whether the tracker has had its time to answer.
    func isOverdue(at now: Instant) -> Bool { (answerDue ?? .distantFuture) <= now }

    /// Announces at `instant`.
    mutating func demand(at instant: Instant) { if !isSilent { due = instant } }

    /// Plans none.
    mutating func rest() { due = nil }

    /// One is on its way, or waits its turn.
    mutating func begin() { isUnderWay = true }

    /// One is on its way, and given up at `answerDue`.
    mutating func sent(answerDue: Instant) { self.answerDue = answerDue }

    /// One was answered, or will not be.
    mutating func end() { (isUnderWay, answerDue) = (false, nil) }

    /// A piece came: the next famine starts with the shortest wait.
    mutating func fed(policy: SwarmPolicy) { starvedDelay = policy.starvedAnnounceDelay }

    /// The tracker says how often it wants to hear of us.
    mutating func obey(_ interval: Duration) {
        if interval > .zero, interval <= .minutes(1) { self.interval = interval }
    }

    /// Plans the next announce after an answer or a failure.
    mutating func plan(at now: Instant, isStarved: Bool, using generator: inout Generator) {
        // Up to a tenth early, so that hosts that began together do not stay in step.
        let jitter = Duration.nanoseconds(interval.nanoseconds / 1000 * Int64(generator.below(100)))
        demand(at: now.advanced(by: interval - jitter))
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

    /// Nobody heard that the blob is complete here: says it again later, a few times.
    mutating func retryComplete(at now: Instant) {
        guard completeRetries < Self.completeRetriesMax else { return }
        completeRetries += 1
        demand(at: now.advanced(by: interval.doubled(completeRetries, atMost: .minutes(1))))
    }

    private static let completeRetriesMax = 3
}

/// Announces that wait because too many are on their way, first come, first served.
struct AnnounceQueue: Sendable {
    private var waiting: Deque<InfoHash> = []
    private var underWay: Set<InfoHash> = []
    private let underWayMax: Int

    init(underWayMax: Int) { self.underWayMax = underWayMax }

    /// Announces on their way.
    var underWayCount: Int { underWay.count }

    /// Whether `infoHash` waits or is under way.
    func contains(_ infoHash: InfoHash) -> Bool {
        underWay.contains(infoHash) || waiting.contains(infoHash)
    }

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
