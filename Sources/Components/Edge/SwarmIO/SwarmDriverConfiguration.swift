// SPDX-License-Identifier: Apache-2.0

package import Content
package import Primitives
package import SwarmCore

/// How one host takes part in swarms.
package struct SwarmDriverConfiguration: Sendable {
    /// Who this host is; unless it is made from the port at the start.
    package var peerID: PeerID
    /// The address to listen on.
    package var host: String
    /// The port to listen on; 0: any free one.
    package var port: Int
    /// Whether this host downloads or only seeds.
    package var role: SwarmScheduler.Role
    /// The rules of its swarms.
    package var policy: SwarmPolicy
    /// The bounds: `peerConnectionsMax`, `handshakesPendingMax` and others.
    package var limits: Limits
    /// Payload bytes sent each second over all connections; nil: no limit.
    package var egress: ByteRate?
    /// Payload bytes received each second over all connections; nil: no limit.
    package var ingress: ByteRate?
    /// Determines every random choice of the scheduler.
    package var seed: UInt64

    /// A host `peerID` that listens on `host`:`port`.
    package init(
        peerID: PeerID,
        host: String,
        port: Int,
        role: SwarmScheduler.Role,
        policy: SwarmPolicy = SwarmPolicy(),
        limits: Limits = Limits(),
        egress: ByteRate? = nil,
        ingress: ByteRate? = nil,
        seed: UInt64
    ) {
        (self.peerID, self.host, self.port, self.role) = (peerID, host, port, role)
        (self.policy, self.limits, self.seed) = (policy, limits, seed)
        (self.egress, self.ingress) = (egress, ingress)
    }
}

/// What a component does for its swarms.
package protocol SwarmHost: Sendable {
    /// Tells a tracker of a swarm and asks it for peers; with `isComplete` the answer is not used. Never called for origins.
    func announce(
        _ announce: SwarmAnnounce
    ) async throws -> (peers: [PeerInfo], interval: Duration)

    /// A peer asked for a blob that is not here; an origin starts to fetch it from its backend.
    func blobMissing(_ digest: Digest, namespace: String) async
}

/// What a host tells a tracker.
package struct SwarmAnnounce: Hashable, Sendable {
    /// The blob.
    package var digest: Digest
    /// The swarm.
    package var infoHash: InfoHash
    /// Who announces.
    package var peerID: PeerID
    /// Whether it has the whole blob.
    package var isComplete: Bool

    /// An announce of `digest` by `peerID`.
    package init(digest: Digest, infoHash: InfoHash, peerID: PeerID, isComplete: Bool) {
        (self.digest, self.infoHash) = (digest, infoHash)
        (self.peerID, self.isComplete) = (peerID, isComplete)
    }
}
