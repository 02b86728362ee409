// SPDX-License-Identifier: Apache-2.0

import Content
import OrderedCollections
import Primitives

/// What happens because time passes.
extension Swarm {
    /// The next instant at which ``timePassed(_:)`` can change anything; nil when idle. May be early, never late.
    func nextDeadline(_ policy: SwarmPolicy, at now: Instant) -> Instant? {
        var deadlines: [Instant?] = [commitRetry]
        if phase == .leeching {
            deadlines += [
                requests.nextExpiry, nextStall, nextEndgame(policy),
                lastWrite.advanced(by: policy.leecherIdleMax),
            ]
            if !announcing.isUnderWay { deadlines.append(announcing.due) }
            if connectionCount < policy.connectionsMax, !candidates.isEmpty {
                deadlines.append(bans.nextEnd(after: now))
            }
        }
        if phase == .seeding {
            let idleSince = max(lastRead, lastWrite)
            deadlines.append(
                max(idleSince.advanced(by: policy.seederIdleMax), isInUse ? nextReap : .origin)
            )
        }
        if !peers.isEmpty { deadlines.append(nextReap) }
        return deadlines.compactMap(\.self).min()
    }

    /// Whether bytes are under way to or from anybody.
    private var isInUse: Bool { peers.values.contains(where: \.isBusy) }

    /// Does what is due; answers why the swarm must leave memory, if so.
    mutating func timePassed(_ context: inout SwarmContext) -> ForgetReason? {
        let (now, policy) = (context.now, context.policy)
        if let retry = commitRetry, retry <= now { beginCommit(&context) }
        expireRequests(&context)
        dropStalled(&context)
        if let endgame = nextEndgame(policy), endgame <= now { requestFromAll(&context) }
        if nextReap <= now {
            nextReap = now.advanced(by: policy.reapInterval)
            reap(&context)
        }
        switch phase {
        case .leeching:
            if lastWrite.advanced(by: policy.leecherIdleMax) <= now { return .leecherTimedOut }
            dialMore(&context)
            hurryIfStarved(context)
        case .seeding:
            let idleSince = max(lastRead, lastWrite)
            if idleSince.advanced(by: policy.seederIdleMax) <= now, !isInUse { return .idleSeeder }
        case .committing: break
        }
        return nil
    }

    /// Closes idle and old connections, but none on which bytes flow.
    private mutating func reap(_ context: inout SwarmContext) {
        for peer in peers.values {
            if peer.connectedAt.advanced(by: context.policy.connectionAgeMax) <= context.now,
                !peer.isBusy
            {
                drop(peer.connection, .aged, &context)
            } else if peer.progressAt.advanced(by: context.policy.connectionIdleMax) <= context.now,
                peer.receiving == nil, peer.sending.isEmpty
            {
                drop(peer.connection, .idle, &context)
            }
        }
    }

    /// Whether an announce is due now.
    func isAnnounceDue(_ context: SwarmContext) -> Bool {
        guard phase == .leeching, context.role == .agent, !announcing.isUnderWay,
            let due = announcing.due
        else { return false }
        return due <= context.now
    }
}
