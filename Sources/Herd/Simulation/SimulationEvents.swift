// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import Simulator
import SwarmCore
import SwarmIO
import Telemetry

/// The notes of simulated schedulers as the events that components of these hosts would record.
struct SimulationEvents: Sendable {
    /// Who each host is to its peers.
    private let peers: [PeerID]
    private let originCount: Int
    /// What virtual time 0 is called.
    private let epoch: Timestamp
    private var sequences: [UInt64]
    private var byHand = UInt64(Int64.max)

    /// Events of the hosts of `simulation`, whose time begins at `epoch`.
    init(_ simulation: Simulation, epoch: Timestamp) {
        (peers, originCount) = (simulation.peerIDs, simulation.plan.origins)
        self.epoch = epoch
        sequences = Array(repeating: 0, count: peers.count)
    }

    /// What the host is called as a component.
    func name(of host: Int) -> String {
        host < originCount ? "origin-\(host)" : "agent-\(host - originCount)"
    }

    /// What the time `nanoseconds` after the beginning is called.
    func timestamp(_ nanoseconds: Int64) -> Timestamp {
        Timestamp(unixNanoseconds: epoch.unixNanoseconds &+ nanoseconds)
    }

    /// `event` with a number and a time. What is done by hand is numbered apart, from the top down: nothing else is so many.
    mutating func numbered(_ event: ClusterEvent, at time: Instant) -> ClusterEvent {
        var event = event
        byHand -= 1
        (event.sequence, event.timestamp) = (byHand, timestamp(time.nanoseconds))
        return event
    }

    /// The event that `note` of the scheduler of `host` makes; nil for notes that only count, and for pieces sent: who
    /// receives one says so as well.
    mutating func event(_ now: Instant, _ host: Int, _ note: SwarmNote) -> ClusterEvent? {
        if case .sentPiece = note { return nil }
        guard var event = SwarmEvents.event(for: note) else { return nil }
        sequences[host] += 1
        event.sequence = sequences[host]
        (event.component, event.localPeer) = (name(of: host), peers[host])
        event.timestamp = timestamp(now.nanoseconds)
        return event
    }
}
