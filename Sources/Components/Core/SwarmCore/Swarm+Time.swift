// SPDX-License-Identifier: Apache-2.0

import Content
import OrderedCollections
import Primitives

/// What happens because time passes.
extension Swarm {
    /// Gives peers the time to answer that a link of `rate` takes; nil: the policy's.
    mutating func setPace(_ rate: ByteRate?, _ policy: SwarmPolicy) {
        requests.timeout = policy.requestTimeout(for: layout, pace: rate)
    }

    /// The next instant at which ``timePassed(_:)`` can change anything; nil when idle. May be early, never late.
    func nextDeadline(_ policy: SwarmPolicy, at now: Instant) -> Instant? {
        var next = peers.isEmpty ? Instant.distantFuture : nextReap
        switch phase {
        case .leeching:
            next.bring(forward: leechingDeadline(policy, at: now))
            next.bring(forward: announcing.nextDeadline)
        case .committing:
            next.bring(forward: commitRetry)
            next.bring(forward: announcing.answerDue)
        case .seeding:
            let idleEnd = max(lastRead, lastWrite).advanced(by: policy.seederIdleMax)
            next.bring(forward: idleEnd <= now && isInUse ? nextReap : idleEnd)
            next.bring(forward: announcing.nextDeadline)
            next.bring(forward: firstCopies.nextDeadline(copyPatience))
        }
        return next == .distantFuture ? nil : next
    }

    private func leechingDeadline(_ policy: SwarmPolicy, at now: Instant) -> Instant {
        var next = lastWrite.advanced(by: policy.leecherIdleMax)
        next.bring(forward: nextRescue)
        next.bring(forward: requests.nextExpiry)
        next.bring(forward: nextStall)
        next.bring(forward: nextEndgame(policy))
        next.bring(forward: nextImpatience(policy, after: now))
        next.bring(forward: nextRoom(policy, at: now))
        next.bring(forward: nextSecondChance)
        next.bring(forward: diskPause)
        if !candidates.isEmpty, let end = soleSourceEnd(policy), end > now {
            next.bring(forward: end)
        }
        let sought = isBarren ? connectionsMax(policy) : connectionsSought(policy)
        if connectionCount < sought, !candidates.isEmpty {
            next.bring(forward: bans.nextEnd(after: now))
        }
        return next
    }

    /// Whether bytes are under way to or from anybody.
    private var isInUse: Bool { peers.values.contains(where: \.isBusy) }

    /// Does what is due; answers why the swarm must leave memory, if so.
    mutating func timePassed(_ context: inout SwarmContext) -> ForgetReason? {
        let (now, policy) = (context.now, context.policy)
        if let retry = commitRetry, retry <= now { beginCommit(&context) }
        expireRequests(&context)
        dropStalled(&context)
        giveSecondChances(context)
        if let pause = diskPause, pause <= now { diskPause = nil }
        if nextReap <= now {
            nextReap = now.advanced(by: policy.reapInterval)
            reap(&context)
        }
        switch phase {
        case .leeching:
            if lastWrite.advanced(by: policy.leecherIdleMax) <= now { return .leecherTimedOut }
            if nextRescue <= now { rescue(&context) }
            // The disk may be ready again, an old request give rise to a second one in endgame, a ban be over.
            makeUpForLoss(&context)
        case .seeding:
            sendWaiting(&context)
            if announcing.isDue(at: now) {
                announcing.rest()
                announceComplete(&context)
            }
            let idleSince = max(lastRead, lastWrite)
            if idleSince.advanced(by: policy.seederIdleMax) <= now, !isInUse { return .idleSeeder }
        case .committing: break
        }
        return nil
    }

    /// Closes idle and old connections, but none on which bytes flow.
    private mutating func reap(_ context: inout SwarmContext) {
        for peer in peers.values {
            if isStuck(peer, context) || isIdle(peer, context) {
                drop(peer.connection, .idle, &context)
            } else if !peer.isBusy,
                peer.connectedAt.advanced(by: context.policy.connectionAgeMax) <= context.now
            {
                drop(peer.connection, .aged, &context)
            }
        }
    }

    private func isIdle(_ peer: SwarmPeer, _ context: SwarmContext) -> Bool {
        var patience = context.policy.connectionIdleMax
        // Large pieces have longer time-outs, which deal with whoever owes one.
        if !peer.asked.isEmpty { patience = max(patience, requests.timeout * 2) }
        return peer.progressAt.advanced(by: patience) <= context.now && peer.receiving == nil
            && peer.sending.isEmpty
    }

    /// Whether it takes nothing of what it asked for: a host that lost its power closes no connection, and the kernel tries
    /// for a quarter of an hour.
    private func isStuck(_ peer: SwarmPeer, _ context: SwarmContext) -> Bool {
        let patience = requests.timeout * context.policy.sendTimeouts
        return !peer.sending.isEmpty && peer.sendingSince.advanced(by: patience) <= context.now
    }

    /// Whether an announce shall go out now; it then counts as under way.
    mutating func takeAnnounceTurn(_ context: inout SwarmContext) -> Bool {
        guard phase == .leeching, announcing.isDue(at: context.now) else { return false }
        guard makeUseOfAnnounce(&context) else {
            announcing.demand(at: context.now.advanced(by: announcing.interval))
            return false
        }
        announcing.begin()
        return true
    }
}

extension Instant {
    /// Becomes `other`, if that is earlier.
    fileprivate mutating func bring(forward other: Instant?) {
        if let other, other < self { self = other }
    }
}
