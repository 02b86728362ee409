// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives

/// One peer on one active connection of a swarm.
struct SwarmPeer: Sendable {
    let connection: ConnectionID
    let peerID: PeerID
    let isOrigin: Bool
    let isOutgoing: Bool
    let connectedAt: Instant
    /// What it holds, as far as it said.
    var bits: Bitfield
    /// Pieces asked of it that wait for an answer.
    var asked: [PieceIndex] = []
    /// Pieces asked of it once and no longer waited for; their payloads may still come.
    var late: Set<PieceIndex> = []
    /// The piece that it is sending into our file.
    var receiving: PieceIndex?
    /// When the head of that piece came.
    var receivingSince = Instant.origin
    /// Pieces it asked for that are not yet sent.
    var sending: [PieceIndex] = []
    /// Requests in a row that it left unanswered.
    var expiries = 0
    /// The last instant at which a piece came or went.
    var progressAt: Instant
    /// Payload bytes received from it.
    var bytesReceived = 0
    /// Payload bytes sent to it.
    var bytesSent = 0

    init(
        connection: ConnectionID,
        peerID: PeerID,
        isOrigin: Bool,
        isOutgoing: Bool,
        bits: Bitfield,
        at now: Instant
    ) {
        (self.connection, self.peerID) = (connection, peerID)
        (self.isOrigin, self.isOutgoing) = (isOrigin, isOutgoing)
        (self.bits, connectedAt, progressAt) = (bits, now, now)
    }

    /// Whether bytes are under way in either direction.
    var isBusy: Bool { !asked.isEmpty || receiving != nil || !sending.isEmpty }
}

/// What a swarm needs of its surroundings while it handles one event.
struct SwarmContext {
    let now: Instant
    let policy: SwarmPolicy
    let limits: Limits
    let localPeer: PeerID
    let role: SwarmScheduler.Role
    /// The number of the next outgoing connection; odd.
    var nextConnection: UInt64
    var effects: [SwarmScheduler.Effect]

    /// Appends `effect`.
    mutating func emit(_ effect: SwarmScheduler.Effect) { effects.append(effect) }

    /// A number for a new outgoing connection.
    mutating func makeConnection() -> ConnectionID {
        defer { nextConnection += 2 }
        return ConnectionID(nextConnection)
    }
}
