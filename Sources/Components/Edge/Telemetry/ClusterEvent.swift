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
    package static let addTorrent = EventKind("add_torrent")
    package static let addActiveConnection = EventKind("add_active_conn")
    package static let dropActiveConnection = EventKind("drop_active_conn")
    package static let banConnection = EventKind("blacklist_conn")
    package static let requestPiece = EventKind("request_piece")
    package static let receivePiece = EventKind("receive_piece")
    package static let torrentComplete = EventKind("torrent_complete")
    package static let torrentCancelled = EventKind("torrent_cancelled")

    // Ours: the swarm.
    package static let connectionRejected = EventKind("conn_rejected")
    package static let requestExpired = EventKind("request_expired")
    package static let hashFailed = EventKind("hash_fail")
    package static let duplicatePiece = EventKind("duplicate_piece")
    package static let sendPiece = EventKind("send_piece")
    package static let announce = EventKind("announce")
    package static let announceFailed = EventKind("announce_failed")
    package static let leave = EventKind("leave")

    // Ours: the rest of the cluster.
    package static let push = EventKind("push")
    package static let pull = EventKind("pull")
    package static let blobCommitted = EventKind("blob_committed")
    package static let blobEvicted = EventKind("blob_evicted")
    package static let blobRefreshed = EventKind("blob_refreshed")
    package static let tagPut = EventKind("tag_put")
    package static let writeBackQueued = EventKind("writeback_queued")
    package static let writeBackDone = EventKind("writeback_done")
    package static let writeBackFailed = EventKind("writeback_failed")
    package static let replicationQueued = EventKind("replicate_queued")
    package static let replicationDone = EventKind("replicate_done")
    package static let replicationFailed = EventKind("replicate_failed")
    package static let membership = EventKind("membership")
    package static let health = EventKind("health")
    package static let fault = EventKind("fault")
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
