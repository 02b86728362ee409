// SPDX-License-Identifier: Apache-2.0

import Content
import OrderedCollections
import Primitives

/// What must hold between any two events, for tests and simulations.
extension SwarmScheduler {
    /// The rules that are broken now, in words; empty unless there is a bug.
    /// - Parameter isThorough: whether the count of every piece is compared, not only their sum.
    /// - Complexity: O(swarms × (peers + pieces / 64)); thorough, O(swarms × peers × pieces).
    package func checkInvariants(isThorough: Bool = false) -> [String] {
        var broken: [String] = []
        var known = 0
        for (hash, swarm) in swarms {
            for rule in swarm.brokenRules(policy, limits, isThorough: isThorough) {
                broken.append("swarm \(hash): \(rule)")
            }
            known += swarm.connectionCount
            if !swarm.peers.keys.allSatisfy({ connections[$0] == hash })
                || !swarm.dials.keys.allSatisfy({ connections[$0] == hash })
            {
                broken.append("a connection of \(hash) is not on the books")
            }
            if swarm.announcing.isUnderWay != announces.contains(hash) {
                broken.append("swarm \(hash): its announce is not in step with the queue")
            }
            if let alarm = swarm.nextDeadline(policy, at: .distantFuture),
                armed[hash] ?? .distantFuture > alarm
            {
                broken.append("swarm \(hash): its alarm is later than its deadline")
            }
        }
        if connections.count != known {
            broken.append("\(connections.count) connections on the books, \(known) in swarms")
        }
        if announces.underWayCount > limits.announcesInFlightMax {
            broken.append("\(announces.underWayCount) announces on their way")
        }
        if swarms.count > limits.swarmsMax { broken.append("\(swarms.count) swarms in memory") }
        if lookUps.count > limits.handshakesPendingMax {
            broken.append("\(lookUps.count) handshakes wait for the host")
        }
        return broken
    }
}

extension Swarm {
    fileprivate func brokenRules(
        _ policy: SwarmPolicy,
        _ limits: Limits,
        isThorough: Bool
    ) -> [String] {
        var broken = slotRules(policy, limits) + requestRules(policy)
        guard phase == .leeching else {
            return held.isComplete ? broken : broken + ["\(phase) without all pieces"]
        }
        if held.isComplete { broken.append("complete, and still leeching") }
        if picker.availability.wanted != expectedlyWanted {
            broken.append("\(picker.availability.wanted) is wanted, not \(expectedlyWanted)")
        }
        let holdings = peers.values.reduce(0) { $0 + $1.bits.heldCount }
        if picker.availability.countSum != holdings { broken.append("availability is miscounted") }
        if isThorough {
            let holders = peers.values.map { (bits: $0.bits, isOrigin: $0.isOrigin) }
            broken += picker.brokenRules(holders: holders)
        }
        return broken
    }

    /// The pieces that are missing and not under way.
    private var expectedlyWanted: Bitfield {
        var wanted = Bitfield.full(pieceCount: layout.pieceCount)
        for piece in held.indices { wanted.remove(piece) }
        for request in requests.live { wanted.remove(request.piece) }
        for piece in receivers.keys { wanted.remove(piece) }
        return wanted
    }

    /// Connections and bans.
    private func slotRules(_ policy: SwarmPolicy, _ limits: Limits) -> [String] {
        var broken: [String] = []
        if connectionCount > policy.slowConnectionsMax {
            broken.append("\(peers.count) connections and \(dials.count) dials")
        }
        let ids = peers.values.map(\.peerID) + dials.values.map(\.peerID)
        if Set(ids).count != ids.count { broken.append("a peer has two slots") }
        if bans.count > limits.bansPerSwarmMax { broken.append("\(bans.count) bans") }
        if phase == .seeding, !dials.isEmpty { broken.append("dials of a complete swarm") }
        for (connection, peer) in peers where connection != peer.connection {
            broken.append("peer \(peer.peerID) is filed under \(connection)")
        }
        for peer in peers.values {
            if peer.sending.count > limits.requestsFromPeerMax {
                broken.append("\(peer.sending.count) pieces wait for \(peer.peerID)")
            }
            if Set(peer.sending).count != peer.sending.count {
                broken.append("a piece is sent to \(peer.peerID) twice")
            }
            if !peer.cancelled.allSatisfy(peer.sending.contains) {
                broken.append("a send to \(peer.peerID) is cancelled that is not there")
            }
        }
        return broken
    }

    /// Requests, as the table and the peers know them, and payloads under way.
    private func requestRules(_ policy: SwarmPolicy) -> [String] {
        var broken: [String] = []
        let asked = peers.values.reduce(0) { $0 + $1.asked.count }
        if asked != requests.count {
            broken.append("\(requests.count) requests on the books, \(asked) at peers")
        }
        if requests.originCount != requests.live.count(where: \.isOfOrigin) {
            broken.append("requests at origins are miscounted")
        }
        for request in requests.live {
            if peers[request.connection]?.asked.contains(request.piece) != true {
                broken.append("\(request.connection) does not know that it owes \(request.piece)")
            }
            if held.contains(request.piece) { broken.append("held \(request.piece) is asked for") }
        }
        for peer in peers.values {
            let slots = peer.isOrigin ? policy.requestsPerOrigin : policy.requestsPerAgent
            if peer.asked.count > slots { broken.append("\(peer.asked.count) of \(slots) asked") }
            if Set(peer.asked).count != peer.asked.count {
                broken.append("a piece is asked of \(peer.peerID) twice")
            }
            if let piece = peer.receiving, receivers[piece] != peer.connection {
                broken.append("\(peer.peerID) sends \(piece), and is not its receiver")
            }
        }
        for (piece, connection) in receivers where peers[connection]?.receiving != piece {
            broken.append("nobody sends \(piece), which is being received")
        }
        if phase != .leeching, !requests.isEmpty { broken.append("a full swarm asks for pieces") }
        if !zip(requests.live, requests.live.dropFirst()).allSatisfy({ $0.askedAt <= $1.askedAt }) {
            broken.append("requests are out of order")
        }
        return broken
    }
}
