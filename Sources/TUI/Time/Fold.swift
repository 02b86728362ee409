// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry

/// Brings a picture forward by what events say: who holds what, who is connected to whom, what was asked of whom.
///
/// Rates stay as they were. Every event is taken to be possibly known to the picture already, since pictures are taken while
/// things happen: saying the same thing twice changes nothing. In logs that tell of no withdrawn requests, a request to
/// somebody else stands for it.
struct Fold {
    private(set) var picture: ClusterPicture
    private let start: Timestamp
    private var components: [String: Int] = [:]
    /// Positions in the swarm's peers.
    private var positions: [PeerID: Int] = [:]
    private var componentPositions: [String: Int] = [:]

    init(_ picture: ClusterPicture) {
        (self.picture, start) = (picture, picture.takenAt)
        for (index, row) in picture.components.enumerated() { components[row.id] = index }
        if let connections = picture.swarm?.connections,
            zip(connections, connections.dropFirst()).contains(where: { $1.precedes($0) })
        {
            self.picture.swarm?.connections.sort { $0.precedes($1) }
        }
        index()
    }

    private mutating func index() {
        positions.removeAll(keepingCapacity: true)
        componentPositions.removeAll(keepingCapacity: true)
        for (index, peer) in (picture.swarm?.peers ?? []).enumerated() {
            positions[peer.peerID] = index
            if let id = peer.componentID { componentPositions[id] = index }
        }
    }

    /// The picture at `time`.
    func finished(at time: Timestamp) -> ClusterPicture {
        var picture = picture
        let passed = max(0, time.seconds(since: start))
        picture.takenAt = time
        for index in (picture.swarm?.peers ?? []).indices {
            picture.swarm?.peers[index].age(by: passed)
        }
        if let swarm = picture.swarm,
            let row = picture.blobs.firstIndex(where: { $0.digest == swarm.digest })
        {
            picture.blobs[row].take(swarm)
        }
        return picture
    }

    // MARK: - Events

    mutating func apply(_ event: ClusterEvent) {
        count(event)
        guard picture.swarm?.concerns(event) == true else { return }
        switch event.kind {
        case .addTorrent: join(event)
        case .torrentCancelled: leave(event)
        case .addActiveConnection: connect(event)
        case .dropActiveConnection: disconnect(event)
        case .requestPiece: request(event)
        case .requestExpired, .requestWithdrawn, .duplicatePiece: endRequest(event)
        case .hashFailed:
            endRequest(event)
            endArrival(event)
        case .receivePiece: receive(event)
        case .torrentComplete:
            guard let own = teller(event) else { return }
            let pieceCount = picture.swarm?.peers[own].bits.pieceCount ?? 0
            for piece in 0..<pieceCount { picture.swarm?.gain(piece, by: own) }
        case .banConnection: ban(event)
        default: break
        }
    }

    private mutating func count(_ event: ClusterEvent) {
        let isAgent = components[event.component].map { picture.components[$0].kind == .agent }
        switch event.kind {
        case .receivePiece where isAgent == true:
            let bytes = max(0, event.bytes ?? 0)
            let sum = picture.totals.downloadedBytes.addingReportingOverflow(bytes)
            if !sum.overflow { picture.totals.downloadedBytes = sum.partialValue }
        case .hashFailed: picture.totals.badPieces += 1
        case .duplicatePiece: picture.totals.duplicatePieces += 1
        case .banConnection: picture.totals.banCount += 1
        case .addActiveConnection where isAgent == true: picture.totals.connectionCount += 1
        case .dropActiveConnection where isAgent == true:
            picture.totals.connectionCount = max(0, picture.totals.connectionCount - 1)
        default: break
        }
    }

    /// The position of the peer that tells `event`.
    private func teller(_ event: ClusterEvent) -> Int? {
        componentPositions[event.component] ?? event.localPeer.flatMap { positions[$0] }
    }

    /// The positions of the peer that tells `event` and of the other one.
    private func pair(_ event: ClusterEvent) -> (own: Int, other: Int)? {
        guard let own = teller(event), let other = event.peer.flatMap({ positions[$0] }),
            own != other
        else { return nil }
        return (own, other)
    }

    // MARK: - Coming and going

    /// Somebody opens the swarm; who holds pieces already shows when it is known which.
    private mutating func join(_ event: ClusterEvent) {
        guard teller(event) == nil, let swarm = picture.swarm,
            let bits = Self.bits(event, pieceCount: swarm.pieceCount)
        else { return }
        let row = components[event.component].map { picture.components[$0] }
        guard let peerID = event.localPeer ?? row?.peerID, positions[peerID] == nil else { return }
        let name = row?.shortName ?? picture.name(of: peerID)
        var peer = PeerRow(peerID: peerID, name: name, bits: bits)
        (peer.componentID, peer.isOrigin) = (row?.id, row?.kind == .origin)
        peer.address = row?.addresses["peer"]
        peer.revision = UInt64(bits.heldCount)
        // Strangers stay behind those that are known.
        let place = swarm.peers.firstIndex { $0.componentID == nil || peer.precedes($0) }
        picture.swarm?.insert(peer, at: place ?? swarm.peers.count)
        index()
    }

    /// The pieces that were held at first, where the event tells which.
    private static func bits(_ event: ClusterEvent, pieceCount: Int) -> Bitfield? {
        let held = event.detail?["held"].flatMap { Int($0) }
        if let text = event.detail?["bitfield"], text.utf8.count == pieceCount {
            var bits = Bitfield(pieceCount: pieceCount)
            for (piece, bit) in text.utf8.enumerated() where bit == UInt8(ascii: "#") {
                bits.insert(PieceIndex(piece))
            }
            return bits
        }
        if held == pieceCount { return .full(pieceCount: pieceCount) }
        return held == nil || held == 0 ? Bitfield(pieceCount: pieceCount) : nil
    }

    private mutating func leave(_ event: ClusterEvent) {
        guard let own = teller(event) else { return }
        picture.swarm?.remove(at: own)
        index()
    }

    // MARK: - Connections

    private mutating func connect(_ event: ClusterEvent) {
        guard let pair = pair(event) else { return }
        picture.swarm?.connect(pair.own, pair.other)
    }

    private mutating func disconnect(_ event: ClusterEvent) {
        guard let pair = pair(event) else { return }
        picture.swarm?.disconnect(pair.own, pair.other)
    }

    private mutating func ban(_ event: ClusterEvent) {
        guard let own = teller(event), let other = event.peer else { return }
        let name = picture.name(of: other)
        // As it would stand at the beginning: it ages with all others.
        let seconds =
            Double(event.durationMilliseconds ?? 0) / 1000 + event.timestamp.seconds(since: start)
        let ban = PeerRow.Ban(
            name: name,
            reason: event.reason ?? "",
            remainingSeconds: max(0, seconds)
        )
        picture.swarm?.peers[own].bans.removeAll { $0.name == name }
        picture.swarm?.peers[own].bans.append(ban)
    }

    // MARK: - Pieces

    private mutating func request(_ event: ClusterEvent) {
        guard let pair = pair(event), let piece = event.piece else { return }
        // Only in endgame are two asked for the same piece; otherwise the first is no longer waited for.
        if let reason = event.reason, reason != "endgame" {
            picture.swarm?.forgetRequests(for: piece, by: pair.own)
        }
        let isHeld = picture.swarm?.peers[pair.own].bits.contains(PieceIndex(piece)) ?? true
        guard !isHeld else { return }
        picture.swarm?.connect(pair.own, pair.other)
        let slots = event.detail?["slots"].flatMap { Int($0) }
        picture.swarm?.ask(pair.other, for: piece, by: pair.own, slots: slots)
    }

    private mutating func endRequest(_ event: ClusterEvent) {
        guard let pair = pair(event), let piece = event.piece else { return }
        picture.swarm?.forgetRequest(for: piece, by: pair.own, of: pair.other)
    }

    private mutating func endArrival(_ event: ClusterEvent) {
        guard let own = teller(event), let piece = event.piece else { return }
        picture.swarm?.peers[own].arriving.removeAll { $0 == piece }
    }

    private mutating func receive(_ event: ClusterEvent) {
        guard let own = teller(event), let piece = event.piece else { return }
        picture.swarm?.gain(piece, by: own)
        if let pair = pair(event) {
            picture.swarm?.flow(from: pair.other, to: pair.own, at: event.timestamp)
        }
        endArrival(event)
        picture.swarm?.forgetRequests(for: piece, by: own)
    }
}
