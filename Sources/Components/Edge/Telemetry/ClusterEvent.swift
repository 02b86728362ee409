// SPDX-License-Identifier: Apache-2.0

package import Content

/// What happened: Kraken's network-event names and our additions. Text, so that newer writers don't break older readers.
/// - Source: uber/kraken lib/torrent/networkevent.
package struct EventKind: RawRepresentable, Hashable, Codable, Sendable, CustomStringConvertible {
    /// The name in documents.
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }
    private init(_ rawValue: String) { self.rawValue = rawValue }
    package var description: String { rawValue }

    // Kraken's.

    /// A swarm came into memory.
    package static let addTorrent = EventKind("add_torrent")
    /// A connection has shaken hands.
    package static let addActiveConnection = EventKind("add_active_conn")
    /// A connection ended.
    package static let dropActiveConnection = EventKind("drop_active_conn")
    /// A peer is refused for a while (Kraken: blacklisted).
    package static let banConnection = EventKind("blacklist_conn")
    /// A piece was asked of a peer.
    package static let requestPiece = EventKind("request_piece")
    /// A piece arrived and is right.
    package static let receivePiece = EventKind("receive_piece")
    /// The whole blob is there and verified.
    package static let torrentComplete = EventKind("torrent_complete")
    /// A download ended without the blob.
    package static let torrentCancelled = EventKind("torrent_cancelled")

    // Ours: the swarm.

    /// A connection was refused or could not be made.
    package static let connectionRejected = EventKind("conn_rejected")
    /// A piece asked for did not come in time.
    package static let requestExpired = EventKind("request_expired")
    /// A piece need no longer be sent by the peer that was asked for it.
    package static let requestWithdrawn = EventKind("request_withdrawn")
    /// A piece arrived and is wrong.
    package static let hashFailed = EventKind("hash_fail")
    /// A piece arrived that was there already.
    package static let duplicatePiece = EventKind("duplicate_piece")
    /// A piece was sent to a peer.
    package static let sendPiece = EventKind("send_piece")
    /// A peer told a tracker what it has.
    package static let announce = EventKind("announce")
    /// A tracker could not be told.
    package static let announceFailed = EventKind("announce_failed")
    /// A peer left a swarm.
    package static let leave = EventKind("leave")

    // Ours: the rest of the cluster.

    /// An image was pushed.
    package static let push = EventKind("push")
    /// An image was pulled.
    package static let pull = EventKind("pull")
    /// A blob was verified and stored.
    package static let blobCommitted = EventKind("blob_committed")
    /// A blob was removed from a cache.
    package static let blobEvicted = EventKind("blob_evicted")
    /// A blob was fetched from its backend.
    package static let blobRefreshed = EventKind("blob_refreshed")
    /// A tag was set.
    package static let tagPut = EventKind("tag_put")
    /// A tag was removed.
    package static let tagDeleted = EventKind("tag_deleted")
    /// A blob waits to be written to its backend.
    package static let writeBackQueued = EventKind("writeback_queued")
    /// A blob was written to its backend.
    package static let writeBackDone = EventKind("writeback_done")
    /// A blob could not be written to its backend, this time.
    package static let writeBackFailed = EventKind("writeback_failed")
    /// A tag waits to be copied to another cluster.
    package static let replicationQueued = EventKind("replicate_queued")
    /// A tag was copied to another cluster.
    package static let replicationDone = EventKind("replicate_done")
    /// A tag could not be copied, this time.
    package static let replicationFailed = EventKind("replicate_failed")
    /// A member of a ring or list came, went, or changed its health.
    package static let membership = EventKind("membership")
    /// A component's own health changed.
    package static let health = EventKind("health")
    /// A fault was switched on or off on purpose.
    package static let fault = EventKind("fault")
    /// A lesson that is played has come to a moment worth looking at; the reason says what there is to see.
    package static let lesson = EventKind("lesson")
}

/// One thing that happened in a component, as its event stream and its JSON lines carry it.
///
/// Field names are those of Kraken's network events where it has them, so its own logs can be replayed.
package struct ClusterEvent: Hashable, Sendable {
    /// Its number in its component's log, from 1; filled in by ``EventLog/record(_:)``.
    package var sequence: UInt64 = 0
    /// When; filled in by ``EventLog/record(_:)``.
    package var timestamp = Timestamp(unixNanoseconds: 0)
    /// The component's name; filled in by ``EventLog/record(_:)``.
    package var component = ""
    /// What happened.
    package var kind: EventKind
    /// The swarm it concerns.
    package var torrent: InfoHash?
    /// The blob it concerns.
    package var blob: Digest?
    /// The peer that tells it.
    package var localPeer: PeerID?
    /// The other peer.
    package var peer: PeerID?
    /// The piece.
    package var piece: Int?
    /// How many bytes.
    package var bytes: Int?
    /// How long it took, in milliseconds.
    package var tookMilliseconds: Int?
    /// How long it will last, in milliseconds.
    package var durationMilliseconds: Int?
    /// Why: the same value that decided it.
    package var reason: String?
    /// Everything else, as text: the picker's `offered`, `holders`, `conns`, `slot`, `slots`; a tag; an error.
    package var detail: [String: String]?

    /// An event of `kind`; its number, time and component come when it is recorded.
    package init(
        _ kind: EventKind,
        torrent: InfoHash? = nil,
        blob: Digest? = nil,
        localPeer: PeerID? = nil,
        peer: PeerID? = nil,
        piece: Int? = nil,
        bytes: Int? = nil,
        tookMilliseconds: Int? = nil,
        durationMilliseconds: Int? = nil,
        reason: String? = nil,
        detail: [String: String]? = nil
    ) {
        (self.kind, self.torrent, self.blob) = (kind, torrent, blob)
        (self.localPeer, self.peer, self.piece, self.bytes) = (localPeer, peer, piece, bytes)
        self.tookMilliseconds = tookMilliseconds
        self.durationMilliseconds = durationMilliseconds
        (self.reason, self.detail) = (reason, detail)
    }
}

extension ClusterEvent: Codable {
    private enum CodingKeys: String, CodingKey {
        case sequence = "seq"
        case timestamp = "ts"
        case kind = "event"
        case localPeer = "self"
        case tookMilliseconds = "took_ms"
        case durationMilliseconds = "duration_ms"
        case component, torrent, blob, peer, piece, bytes, reason, detail
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(try container.decode(EventKind.self, forKey: .kind))
        timestamp = try container.decode(Timestamp.self, forKey: .timestamp)
        // Kraken's own logs have neither number nor component.
        sequence = try container.decodeIfPresent(UInt64.self, forKey: .sequence) ?? 0
        component = try container.decodeIfPresent(String.self, forKey: .component) ?? ""
        torrent = try container.decodeIfPresent(InfoHash.self, forKey: .torrent)
        blob = try container.decodeIfPresent(Digest.self, forKey: .blob)
        localPeer = try container.decodeIfPresent(PeerID.self, forKey: .localPeer)
        peer = try container.decodeIfPresent(PeerID.self, forKey: .peer)
        piece = try container.decodeIfPresent(Int.self, forKey: .piece)
        bytes = try container.decodeIfPresent(Int.self, forKey: .bytes)
        tookMilliseconds = try container.decodeIfPresent(Int.self, forKey: .tookMilliseconds)
        durationMilliseconds = try container.decodeIfPresent(
            Int.self,
            forKey: .durationMilliseconds
        )
        reason = try container.decodeIfPresent(String.self, forKey: .reason)
        detail = try container.decodeIfPresent([String: String].self, forKey: .detail)
    }
}
