// SPDX-License-Identifier: Apache-2.0

package import Content
package import Primitives

/// A swarm as its host opens it: the blob and what the host holds of it.
package struct SwarmDescription: Hashable, Sendable {
    /// The blob and its pieces.
    package var metaInfo: MetaInfo
    /// Kraken's storage scope, told to origins in the handshake.
    package var namespace: String
    /// The pieces on disk, all of them checked.
    package var held: Bitfield
    /// Whether the whole blob was checked and is in the cache.
    package var isCommitted: Bool
    /// Whether somebody on this host waits for the blob.
    package var isLocalRequest: Bool

    /// The swarm of `metaInfo`, of which the host holds `held`.
    package init(
        metaInfo: MetaInfo,
        namespace: String,
        held: Bitfield,
        isCommitted: Bool,
        isLocalRequest: Bool
    ) {
        (self.metaInfo, self.namespace, self.held) = (metaInfo, namespace, held)
        (self.isCommitted, self.isLocalRequest) = (isCommitted, isLocalRequest)
    }
}

/// Why a received piece does not count.
package enum PieceFault: Hashable, Sendable {
    /// Its bytes do not have the checksum of the meta info: the peer is to blame.
    case checksum
    /// It could not be written: this host is to blame.
    case disk
}

/// Why a complete set of pieces is no blob.
package enum CommitFault: Hashable, Sendable {
    /// The whole does not hash to its digest: every piece is fetched anew.
    case digestMismatch
    /// It could not be moved into the cache; tried again.
    case disk
}

/// Why an outgoing connection did not come about.
package enum DialFault: Hashable, Sendable {
    /// No connection: the address does not answer.
    case unreachable
    /// Connected, but closed before a handshake came: no slot there, or the blob is unknown.
    case refused
    /// The answer was not a handshake, or came too late.
    case misbehaved
}

/// Why the scheduler closes a connection.
package enum CloseReason: Hashable, Sendable {
    case noSlot, duplicate, ownPeerID, banned, unknownSwarm, wrongInfoHash, wrongPeerID,
        malformedBitfield
    case protocolViolation(String), tooManyRequests, badPiece, unanswered, idle, aged, bothComplete
    /// It said again and again that it has pieces, and never had one.
    case brokenPromises
    /// It said too much that changes nothing.
    case flooding
    /// It uses the id of an origin, and origins never dial.
    case impostor
    case simultaneousOpen, swarmForgotten, stopping, tooManyNeighboursInCommon, useless

    /// Whether the peer earned a ban.
    package var isFault: Bool {
        switch self {
        case .wrongInfoHash, .wrongPeerID, .malformedBitfield, .protocolViolation, .tooManyRequests,
            .badPiece, .unanswered, .brokenPromises, .flooding, .impostor:
            true
        default: false
        }
    }

    /// Whether no honest peer would have brought it about, however slow, broken or out of date.
    package var isMalice: Bool {
        switch self {
        case .protocolViolation, .tooManyRequests, .badPiece, .brokenPromises, .flooding, .impostor:
            true
        default: false
        }
    }
}

/// Why a swarm leaves memory.
package enum ForgetReason: Hashable, Sendable {
    /// It was complete and nobody read it for a while; the blob stays.
    case idleSeeder
    /// It gained nothing for a while; what it gained stays on disk.
    case leecherTimedOut
    /// The host asked for it.
    case removed
    /// The host stops.
    case stopped
    /// Too many swarms: it was the longest idle one.
    case crowdedOut
    /// Its pieces have the right checksums, but again and again the whole does not hash to its digest.
    case unverifiable
}

/// Why this piece was asked of this peer.
package enum RequestReason: Hashable, Sendable {
    /// A reader waits for it.
    case reader
    /// Fewest connected peers hold it.
    case rarest(availability: Int)
    /// The policy takes any.
    case random
    /// Only this peer holds it.
    case onlySource
    /// Few are missing and another peer is slow.
    case endgame
}

/// Why a peer need no longer send a piece that it was asked for.
package enum WithdrawReason: Hashable, Sendable {
    /// The piece is here: another peer sent it.
    case received
    /// It was late, and another peer is asked now, or has sent it.
    case late
    /// Another holder is asked instead, so that all holders share those who wait.
    case moved
    /// It waited at an origin, and an agent has it, or is to fetch it.
    case originSpared
}

/// Why a peer is left alone for a while.
package enum BanReason: Hashable, Sendable {
    /// It was dialled and did not answer.
    case unreachable
    /// It was dialled and answered wrongly, or too late; or what it sent later was no message, or hardly advanced.
    case misbehaved
    /// A connection to it was closed for this.
    case closed(CloseReason)
    /// It had no slot for us. Not a ban: it is tried again soon.
    case refused
    /// The connection ended on its side. Not a ban either.
    case lost

    /// Whether it is a ban, and not just a pause.
    package var isBan: Bool {
        switch self {
        case .unreachable, .misbehaved: true
        case .closed(let reason): reason.isFault
        case .refused, .lost: false
        }
    }

    /// The reason in one word: that of the dial or the closing.
    package var text: String {
        switch self {
        case .unreachable: "unreachable"
        case .misbehaved: "misbehaved"
        case .closed(let reason): "\(reason)"
        case .refused: "refused"
        case .lost: "lost"
        }
    }
}

/// What the scheduler did and why, for events, logs and metrics; nothing acts on it.
package enum SwarmNote: Hashable, Sendable {
    case addTorrent(InfoHash, held: Bitfield)
    case addActiveConnection(InfoHash, PeerID, isOutgoing: Bool)
    case dropActiveConnection(InfoHash, PeerID, reason: String)
    case connectionRejected(InfoHash, PeerID, CloseReason)
    case banned(InfoHash, PeerID, Duration, BanReason)
    case requestPiece(InfoHash, PeerID, PieceIndex, RequestReason, RequestScene)
    case receivePiece(InfoHash, PeerID, PieceIndex, bytes: Int, took: Duration, fromOrigin: Bool)
    case duplicatePiece(InfoHash, PeerID, PieceIndex, bytes: Int)
    case badPiece(InfoHash, PeerID, PieceIndex)
    case sentPiece(InfoHash, PeerID, PieceIndex, bytes: Int)
    case requestExpired(InfoHash, PeerID, PieceIndex)
    case requestFailed(InfoHash, PeerID, PieceIndex)
    case requestWithdrawn(InfoHash, PeerID, PieceIndex, WithdrawReason)
    case torrentComplete(InfoHash)
    case torrentCancelled(InfoHash, ForgetReason)
}

/// What the picker saw when it chose.
package struct RequestScene: Hashable, Sendable {
    /// Missing, unrequested pieces that the peer holds.
    package var offered: Int
    /// Connected peers that hold the chosen piece.
    package var holders: Int
    /// Connections of the swarm.
    package var connections: Int
    /// Requests under way at this peer, this one included.
    package var slot: Int
    /// Requests allowed at this peer.
    package var slots: Int
}

extension SwarmScheduler {
    /// Whose scheduler it is.
    package enum Role: Hashable, Sendable {
        /// Downloads and seeds: dials and announces.
        case agent
        /// Only seeds: never dials, never announces.
        case origin
    }

    /// What happened.
    package enum Event: Hashable, Sendable {
        /// The host opens a swarm, or asks for one that is open.
        indirect case opened(SwarmDescription)
        /// The host gives a swarm up: the blob is deleted.
        case removed(InfoHash)
        /// The pieces that readers wait for now, most urgent first; empty when nobody reads.
        case readersMoved(InfoHash, [Range<Int>])
        /// Somebody on this host read the blob: it is in use.
        case readLocally(InfoHash)
        /// A piece was received whole, has the right checksum and is in the file.
        case pieceStored(InfoHash, PieceIndex, ConnectionID)
        /// A piece was received but does not count.
        case pieceRejected(InfoHash, PieceIndex, ConnectionID, PieceFault)
        /// The whole blob was checked and is in the cache.
        case committed(InfoHash)
        /// The whole blob could not be committed.
        case commitFailed(InfoHash, CommitFault)
        /// A tracker answered an announce.
        case announceAnswered(InfoHash, [PeerInfo], interval: Duration)
        /// No tracker answered.
        case announceFailed(InfoHash)
        /// The first message of an incoming connection.
        indirect case handshakeReceived(ConnectionID, PeerHandshake)
        /// The host does not have the blob that `lookUp` asked for.
        case swarmUnavailable(ConnectionID)
        /// An outgoing connection is open and the peer answered the handshake.
        indirect case dialSucceeded(ConnectionID, PeerHandshake)
        /// An outgoing connection did not come about.
        case dialFailed(ConnectionID, DialFault)
        /// A message arrived, or the head of a payload.
        case received(ConnectionID, PeerMessage)
        /// A payload went out whole.
        case pieceSent(ConnectionID, PieceIndex, bytes: Int)
        /// A payload did not go out: the file could not be read, or the send was cancelled.
        case sendFailed(ConnectionID, PieceIndex)
        /// A connection is gone, whoever closed it.
        case closed(ConnectionID, reason: String)
        /// The driver closed a connection because of what came over it, or because nothing did: the peer is to blame.
        case misbehaved(ConnectionID, reason: String)
        /// `nextDeadline` has come.
        case timePassed
        /// This host's link carries no more than that now; nil: as much as ever. Peers get the time to answer that it takes.
        case paced(ByteRate?)
        /// The host stops.
        case stopping
    }

    /// What the driver must do, in order.
    package enum Effect: Hashable, Sendable {
        /// Ask a tracker for peers; answered by `announceAnswered` or `announceFailed`. With `isComplete` nobody waits: only
        /// `announceFailed` is of interest, and lets it be said again.
        case announce(InfoHash, Digest, isComplete: Bool)
        /// Connect, send the handshake, await the answer.
        indirect case dial(ConnectionID, PeerInfo, PeerHandshake)
        /// Find the blob of an incoming handshake; answered by `opened` or `swarmUnavailable`.
        indirect case lookUp(ConnectionID, PeerHandshake)
        /// Answer an incoming handshake; the connection is active.
        indirect case accept(ConnectionID, PeerHandshake)
        case send(ConnectionID, PeerMessage)
        /// Send the head and bytes of a piece; answered by `pieceSent` or `sendFailed`.
        case sendPiece(ConnectionID, InfoHash, PieceIndex)
        /// Drop a `sendPiece` that still waits; answered by its `sendFailed`.
        case cancelSend(ConnectionID, PieceIndex)
        /// Read the payload into the file; answered by `pieceStored`, `pieceRejected` or `closed`.
        case receivePayload(ConnectionID, InfoHash, PieceIndex)
        /// Read the payload and throw it away.
        case discardPayload(ConnectionID, PieceIndex, bytes: Int)
        /// Close; no `closed` is awaited.
        case close(ConnectionID, CloseReason)
        /// Check the whole blob and move it to the cache; answered by `committed` or `commitFailed`.
        case commit(InfoHash)
        /// Wake the readers of this piece.
        case pieceAvailable(InfoHash, PieceIndex)
        /// Close the swarm's files.
        case forgotten(InfoHash, ForgetReason)
        case note(SwarmNote)
    }
}
