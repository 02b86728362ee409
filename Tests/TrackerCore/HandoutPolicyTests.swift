// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import Testing
import TrackerCore

@Suite("Handout policy") struct HandoutPolicyTests {
    private var origin: PeerInfo {
        var origin = peer(100, isComplete: true)
        origin.isOrigin = true
        return origin
    }

    @Test(
        "puts complete agents first, then origins, then the others, and keeps the order of equals"
    )
    func completeness() {
        let agents = [peer(1), peer(2, isComplete: true), peer(3), peer(4, isComplete: true)]
        let handout = Handout(
            agents: agents,
            origins: [origin],
            requester: peer(9).peerID,
            policy: .completeness
        )
        #expect(handout.peers.map(\.port) == [2, 4, 100, 1, 3])
        #expect(handout.seederCount == 2)
        #expect(handout.originCount == 1)
        #expect(handout.leecherCount == 2)
    }

    @Test("names agents, then origins, when nothing else is asked for")
    func unordered() {
        let handout = Handout(
            agents: [peer(3), peer(1, isComplete: true)],
            origins: [origin],
            requester: peer(9).peerID,
            policy: .unordered
        )
        #expect(handout.peers.map(\.port) == [3, 1, 100])
    }

    @Test("never names the requester")
    func requester() {
        let handout = Handout(
            agents: [peer(1)],
            origins: [],
            requester: peer(1).peerID,
            policy: .completeness
        )
        #expect(handout.isEmpty)
    }
}
