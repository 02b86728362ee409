// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry

/// Which agent was the first to have a blob: one mark for all layers of an image, that of the largest.
struct FirstSeeds: Sendable {
    /// The mark that was made since the last push; nil before.
    var mark: TimeMark?
    private var seen: Set<InfoHash> = []
    private var most = -1
    /// Beyond this it starts anew: a mark too many does no harm.
    private static let seenMax = 50_000

    /// An image was pushed: what comes now is another one's.
    mutating func begin() { (mark, most) = (nil, -1) }

    /// Whether the completion of `torrent`, which has so many bytes, is to be marked.
    mutating func take(_ torrent: InfoHash, bytes: Int) -> Bool {
        if seen.count > Self.seenMax { seen = [] }
        guard seen.insert(torrent).inserted, bytes > most else { return false }
        most = bytes
        return true
    }
}

/// When pieces last went from one peer to another, as far as events tell.
struct PieceFlows: Sendable {
    private struct Flow: Hashable, Sendable {
        let torrent: InfoHash?
        let supplier: PeerID
        let receiver: PeerID
    }

    private var latest: [Flow: Timestamp] = [:]
    /// Peers whose receipts are told.
    private var tellers: Set<PeerID> = []
    /// When events were lost: what is not known then may have been.
    private var gapAt: Timestamp?
    private var now = Timestamp(unixNanoseconds: 0)
    private static let tellersMax = 50_000

    mutating func take(_ sample: Sample) {
        now = sample.snapshot.takenAt
        if sample.droppedEvents > 0 { gapAt = now }
        for event in sample.events where event.kind == .receivePiece {
            guard let receiver = event.localPeer, let supplier = event.peer else { continue }
            let flow = Flow(torrent: event.torrent, supplier: supplier, receiver: receiver)
            latest[flow] = event.timestamp
            tellers.insert(receiver)
        }
        if tellers.count > Self.tellersMax { tellers = [] }
        latest = latest.filter { now.seconds(since: $0.value) < ConnectionRow.fadeSeconds }
    }

    /// When a piece last went from `supplier` to `receiver`; the beginning of time when that is a while ago; nil when it is
    /// not known.
    func last(_ torrent: InfoHash?, from supplier: PeerID, to receiver: PeerID) -> Timestamp? {
        let flow = Flow(torrent: torrent, supplier: supplier, receiver: receiver)
        if let at = latest[flow] { return at }
        let isInGap = gapAt.map { now.seconds(since: $0) < ConnectionRow.fadeSeconds } ?? false
        return tellers.contains(receiver) && !isInGap ? Timestamp(unixNanoseconds: 0) : nil
    }
}
