// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives

/// One peer on one active connection of a swarm.
struct SwarmPeer: Sendable {
    /// Answers that may still come for requests we no longer count on.
    struct Late: Sendable {
        /// How many; a peer that was asked twice may answer twice.
        var count = 0
        /// Whether it was told that they are no longer wanted.
        var isCancelled = false
    }

    let connection: ConnectionID
    let peerID: PeerID
    let isOrigin: Bool
    let isOutgoing: Bool
    let connectedAt: Instant
    /// Whether it held everything when it connected.
    let wasComplete: Bool
    /// What it holds, as far as it said.
    var bits: Bitfield

    // Asking it.

    /// Pieces asked of it that wait for an answer.
    var asked: [PieceIndex] = []
    /// Pieces asked of it and no longer waited for.
    var late: [PieceIndex: Late] = [:]
    /// Time-outs in a row without a payload in between; requests made together time out as one.
    var silences = 0
    /// When the last of these was counted.
    var silentAt: Instant
    /// When the head of its last payload came.
    var answeredAt: Instant
    /// Whether its last request timed out; it is then asked for one piece at a time.
    var isSlow = false
    /// Messages from it that changed nothing.
    var idleMessages = 0
    /// Pieces that it answered by errors, until they are asked for again.
    var failed: [PieceIndex] = []
    /// Such errors in a row.
    var failures = 0
    /// When they are asked for again.
    var failedUntil: Instant?

    // Receiving from it.

    /// The piece that it is sending into our file.
    var receiving: PieceIndex?
    /// When the head of that piece came.
    var receivingSince = Instant.origin

    /// How long its pieces take of late, from the request to the last byte; nothing until it has delivered one.
    var takes = Duration.zero

    // Sending to it.

    /// Pieces it asked for that are not yet sent.
    var sending: [PieceIndex] = []
    /// Those of them that it cancelled; they may be on their way all the same.
    var cancelled: [PieceIndex] = []
    /// When the last of them went out, or when the first of them was asked for.
    var sendingSince = Instant.origin

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
        wasComplete = bits.isComplete
        (silentAt, answeredAt) = (.origin, now)
    }

    /// How many pieces may be asked of it at a time, as one of `peerCount` peers.
    func slots(_ policy: SwarmPolicy, among peerCount: Int) -> Int {
        if failures >= policy.failuresMax, failedUntil != nil { return 0 }
        if isSlow { return 1 }
        return isOrigin ? policy.requestsPerOrigin : policy.requestsPerAgent(among: peerCount)
    }

    /// Whether another piece may be asked of it.
    func hasFreeSlot(_ policy: SwarmPolicy, among peerCount: Int) -> Bool {
        asked.count < slots(policy, among: peerCount)
    }

    /// Whether bytes are under way in either direction, or should be.
    var isBusy: Bool { !asked.isEmpty || receiving != nil || !sending.isEmpty }

    /// It delivered `piece`.
    mutating func credit(_ piece: PieceIndex, bytes: Int, isInTime: Bool, at now: Instant) {
        asked.removeAll { $0 == piece }
        progressAt = now
        bytesReceived += bytes
        failures = 0
        if isInTime { isSlow = false }
    }

    /// Whether a payload for `piece` may come, though nobody waits for it.
    mutating func settleLate(_ piece: PieceIndex) -> Bool {
        guard let count = late[piece]?.count else { return false }
        if count > 1 { late[piece]?.count = count - 1 } else { late[piece] = nil }
        return true
    }

    /// A request for `piece` is no longer counted on.
    mutating func addLate(_ piece: PieceIndex, isCancelled: Bool) {
        late[piece, default: Late()].count += 1
        late[piece]?.isCancelled = isCancelled
    }
}

/// The rules of a scheduler, in a box: they are looked at in every event and never change.
final class SwarmRules: Sendable {
    let policy: SwarmPolicy
    let limits: Limits

    init(policy: SwarmPolicy, limits: Limits) { (self.policy, self.limits) = (policy, limits) }
}

/// What a swarm needs of its surroundings while it handles one event.
struct SwarmContext {
    let now: Instant
    let rules: SwarmRules
    let localPeer: PeerID
    let role: SwarmScheduler.Role
    /// The number of the next outgoing connection; odd.
    var nextConnection: UInt64
    var effects: [SwarmScheduler.Effect]

    // Lent, not copied: they are some hundred bytes each.
    var policy: SwarmPolicy { _read { yield rules.policy } }
    var limits: Limits { _read { yield rules.limits } }

    /// Appends `effect`.
    mutating func emit(_ effect: SwarmScheduler.Effect) { effects.append(effect) }

    /// A number for a new outgoing connection.
    mutating func makeConnection() -> ConnectionID {
        defer { nextConnection += 2 }
        return ConnectionID(nextConnection)
    }
}
