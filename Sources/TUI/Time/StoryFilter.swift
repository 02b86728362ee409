// SPDX-License-Identifier: Apache-2.0

import Content
package import Telemetry

/// Which events belong to what is told: those of one peer, or of the blob that is looked at.
package struct StoryFilter: Sendable {
    /// The short name of the peer that is followed.
    package let peer: String?
    private let component: String?
    private let peerID: PeerID?
    private var torrent: InfoHash?
    private var blob: Digest?

    /// The events about the peer called `peer` (nil: everybody), in the swarm of `picture` where it shows one.
    package init(following peer: String?, in picture: ClusterPicture) {
        self.peer = peer
        let row = peer.flatMap { picture.component($0) }
        let inSwarm = peer.flatMap { name in picture.swarm?.peers.first { $0.name == name } }
        component = row?.id ?? inSwarm?.componentID
        peerID =
            row?.peerID ?? inSwarm?.peerID
            ?? peer.flatMap { name in picture.names.first { $0.value == name }?.key }
        (torrent, blob) = (picture.swarm?.infoHash, picture.swarm?.digest)
    }

    /// Tells of the blob of `event` instead, one of those in `picture`.
    package mutating func follow(_ event: ClusterEvent, in picture: ClusterPicture) {
        guard event.torrent != nil || event.blob != nil, !isOfBlob(event) else { return }
        let row = picture.blobs.first { row in
            event.blob.map { $0 == row.digest } ?? (event.torrent == row.infoHash)
        }
        (torrent, blob) = (event.torrent ?? row?.infoHash, event.blob ?? row?.digest)
    }

    /// Whether `event` is told.
    package func matches(_ event: ClusterEvent) -> Bool {
        guard isOfBlob(event) else { return false }
        // The other end says so, too.
        guard peer != nil else {
            return event.kind != .sendPiece && event.detail?["direction"] != "incoming"
        }
        if let component, event.component == component { return true }
        guard let peerID else { return false }
        if event.localPeer == peerID { return true }
        // What a tracker says of a peer has no peer of its own.
        return event.localPeer == nil && event.peer == peerID
    }

    private func isOfBlob(_ event: ClusterEvent) -> Bool {
        if let torrent, let other = event.torrent { return torrent == other }
        if let blob, let other = event.blob { return blob == other }
        return true
    }
}
