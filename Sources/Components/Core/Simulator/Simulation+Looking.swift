// SPDX-License-Identifier: Apache-2.0

package import Content
package import Primitives
package import SwarmCore

/// One simulated host at one moment, for people to look at.
package struct HostPicture: Sendable {
    /// Who it is to its peers.
    package let peerID: PeerID
    /// Whether it is an origin.
    package let isOrigin: Bool
    /// Whether it runs, or is down.
    package let isAlive: Bool
    /// Payload bytes sent in all its lives.
    package let bytesSent: Int
    /// The swarms in its scheduler's memory.
    package let swarms: [SwarmSnapshot]
}

extension Simulation {
    /// Virtual time, from 0.
    package var time: Instant { Instant(nanoseconds: now) }

    /// When something happens next; nil when nothing will.
    package var nextEventTime: Instant? { queue.nextAt.map { Instant(nanoseconds: $0) } }

    /// How many hosts there are: origins first, then agents.
    package var hostCount: Int { hosts.count }

    /// Whether each tracker is up.
    package var trackersUp: [Bool] { trackers.map(\.isUp) }

    /// Who each host is to its peers.
    package var peerIDs: [PeerID] { hosts.map(\.info.peerID) }

    /// The host at `index`; nil for an agent that has not begun.
    package func picture(of index: Int) -> HostPicture? {
        guard hosts.indices.contains(index) else { return nil }
        let host = hosts[index]
        guard host.isOrigin || host.hasJoined else { return nil }
        let now = time
        return HostPicture(
            peerID: host.info.peerID,
            isOrigin: host.isOrigin,
            isAlive: host.isAlive,
            bytesSent: Int(host.bytesSent),
            swarms: host.scheduler.infoHashes.compactMap {
                host.scheduler.snapshot(of: $0, at: now)
            }
        )
    }
}
