// SPDX-License-Identifier: Apache-2.0

import Content
import Placement
import Primitives
import SwarmCore
import TUI

extension SwarmRules {
    /// What explanations quote of `policy`.
    init(_ policy: SwarmPolicy) {
        self.init()
        requestOrder = policy.requestOrder.rawValue
        (requestsPerAgent, requestsPerOrigin) = (policy.requestsPerAgent, policy.requestsPerOrigin)
        requestsOfAgents = policy.requestsOfAgentsMax
        (spreadsRequests, movesRequests) = (policy.requestsSpread != nil, policy.reroutes)
        sparesOrigins = policy.sparesOrigins
        requestSeconds = policy.requestTimeoutMin.seconds
        requestSecondsPerMebibyte = policy.requestTimeoutPerMebibyte.seconds
        expiriesMax = policy.expiriesMax
        endgamePieces = policy.isEndgameDisabled ? 0 : policy.endgamePieces
        endgameSeconds = policy.endgameDelay.seconds
        connectionsMax = policy.connectionsMax
        connectionsDialled = policy.connectionsSought(of: policy.connectionsMax)
        slowLinkFactor = SwarmPolicy.slowLinkFactor
        slowMebibyteSeconds = policy.slowMebibyteTime?.seconds
        idleSeconds = policy.connectionIdleMax.seconds
        crowdedIdleSeconds = policy.crowdedIdleMax.seconds
        (banSeconds, banSecondsMax) = (policy.banDuration.seconds, policy.banDurationMax.seconds)
        announceSeconds = policy.announceInterval.seconds
        seederIdleSeconds = policy.seederIdleMax.seconds
        leecherIdleSeconds = policy.leecherIdleMax.seconds
    }
}

/// Whom a blob belongs to among the members of a ring.
enum RingOwners {
    /// The addresses of all members, the blob's first owner first, whatever their health.
    static func ranking(of digest: Digest, _ ring: RingPicture) -> [String] {
        guard !ring.members.isEmpty else { return [] }
        return Ring(members: ring.members.map(\.address)).ranking(of: digest)
    }
}
