// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry

/// The single changes that events bring about in a swarm.
extension SwarmPicture {
    /// Whether `event` happened in this swarm.
    func concerns(_ event: ClusterEvent) -> Bool {
        if let infoHash, let torrent = event.torrent { return infoHash == torrent }
        return event.blob == digest
    }

    /// Puts `peer` at `place` and moves those behind it.
    mutating func insert(_ peer: PeerRow, at place: Int) {
        guard place >= 0, place <= peers.count else { return }
        peers.insert(peer, at: place)
        for index in connections.indices {
            if connections[index].first >= place { connections[index].first += 1 }
            if connections[index].second >= place { connections[index].second += 1 }
        }
        for piece in copies.indices where peer.bits.contains(PieceIndex(piece)) {
            if copies[piece] < .max { copies[piece] += 1 }
        }
    }

    /// Takes the peer at `place` away, with its connections.
    mutating func remove(at place: Int) {
        guard peers.indices.contains(place) else { return }
        let bits = peers[place].bits
        for row in connections where row.first == place || row.second == place {
            let other = row.first == place ? row.second : row.first
            if peers.indices.contains(other) { peers[other].connectionCount -= 1 }
        }
        connections.removeAll { $0.first == place || $0.second == place }
        peers.remove(at: place)
        for index in connections.indices {
            if connections[index].first > place { connections[index].first -= 1 }
            if connections[index].second > place { connections[index].second -= 1 }
        }
        for piece in copies.indices where bits.contains(PieceIndex(piece)) {
            if copies[piece] > 0 { copies[piece] -= 1 }
        }
    }

    // MARK: - Connections

    /// The place of the connection between two peers, or where it belongs.
    private func place(_ first: Int, _ second: Int) -> (index: Int, isThere: Bool) {
        let wanted = ConnectionRow(first: min(first, second), second: max(first, second))
        var (low, high) = (0, connections.count)
        while low < high {
            let middle = (low + high) / 2
            if connections[middle].precedes(wanted) { low = middle + 1 } else { high = middle }
        }
        let isThere = low < connections.count && !wanted.precedes(connections[low])
        return (low, isThere)
    }

    mutating func connect(_ one: Int, _ other: Int) {
        let (index, isThere) = place(one, other)
        guard !isThere else { return }
        let row = ConnectionRow(first: min(one, other), second: max(one, other))
        connections.insert(row, at: index)
        for peer in [one, other] { peers[peer].connectionCount += 1 }
    }

    mutating func disconnect(_ one: Int, _ other: Int) {
        let (index, isThere) = place(one, other)
        guard isThere else { return }
        connections.remove(at: index)
        for peer in [one, other] { peers[peer].connectionCount -= 1 }
    }

    /// The peer at `place` now holds `piece`.
    mutating func gain(_ piece: Int, by place: Int) {
        guard peers[place].bits.insert(PieceIndex(piece)) else { return }
        peers[place].revision &+= 1
        if copies.indices.contains(piece), copies[piece] < .max { copies[piece] += 1 }
    }

    // MARK: - Requests

    /// `asker` waits for `piece` from `holder`, where at most `slots` requests may wait.
    mutating func ask(_ holder: Int, for piece: Int, by asker: Int, slots: Int?) {
        let (index, isThere) = place(holder, asker)
        guard isThere else { return }
        if holder < asker {
            if !connections[index].askedOfFirst.contains(piece) {
                connections[index].askedOfFirst.append(piece)
            }
            connections[index].slotsAtFirst = slots ?? connections[index].slotsAtFirst
        } else {
            if !connections[index].askedOfSecond.contains(piece) {
                connections[index].askedOfSecond.append(piece)
            }
            connections[index].slotsAtSecond = slots ?? connections[index].slotsAtSecond
        }
    }

    /// A piece went from `supplier` to `receiver`.
    mutating func flow(from supplier: Int, to receiver: Int, at time: Timestamp) {
        let (index, isThere) = place(supplier, receiver)
        guard isThere else { return }
        if supplier < receiver {
            connections[index].forwardPieceAt = time
        } else {
            connections[index].backwardPieceAt = time
        }
    }

    /// `asker` no longer waits for `piece` from `holder`.
    mutating func forgetRequest(for piece: Int, by asker: Int, of holder: Int) {
        let (index, isThere) = place(holder, asker)
        if isThere { forget(piece, by: asker, at: index) }
    }

    /// `asker` no longer waits for `piece` from anybody.
    mutating func forgetRequests(for piece: Int, by asker: Int) {
        for index in connections.indices {
            let row = connections[index]
            if row.first == asker || row.second == asker { forget(piece, by: asker, at: index) }
        }
    }

    private mutating func forget(_ piece: Int, by asker: Int, at index: Int) {
        // Looked up first, so that nothing is copied where nothing changes.
        if connections[index].second == asker {
            guard connections[index].askedOfFirst.contains(piece) else { return }
            connections[index].askedOfFirst.removeAll { $0 == piece }
        } else {
            guard connections[index].askedOfSecond.contains(piece) else { return }
            connections[index].askedOfSecond.removeAll { $0 == piece }
        }
    }

    /// What `asker` waits for from `holder`, and how much may wait there; nil when they are not connected.
    func asked(of holder: Int, by asker: Int) -> (pieces: [Int], slots: Int?)? {
        let row = connections.first {
            $0.first == min(holder, asker) && $0.second == max(holder, asker)
        }
        return row.map {
            holder < asker
                ? ($0.askedOfFirst, $0.slotsAtFirst) : ($0.askedOfSecond, $0.slotsAtSecond)
        }
    }
}

extension ConnectionRow {
    /// The order in which a swarm lists connections.
    func precedes(_ other: ConnectionRow) -> Bool {
        (first, second) < (other.first, other.second)
    }
}

extension PeerRow {
    /// The order in which a swarm lists peers.
    func precedes(_ other: PeerRow) -> Bool {
        if isOrigin != other.isOrigin { return isOrigin }
        if name.count != other.name.count { return name.count < other.name.count }
        return name < other.name
    }

    /// So much time passes.
    mutating func age(by seconds: Double) {
        ageSeconds += seconds
        guard !bans.isEmpty else { return }
        for index in bans.indices { bans[index].remainingSeconds -= seconds }
        bans.removeAll { $0.remainingSeconds <= 0 }
    }
}

extension BlobRow {
    /// Takes over what the folded swarm says.
    mutating func take(_ swarm: SwarmPicture) {
        if !swarm.copies.isEmpty { copies = Copies.distributed(swarm.copies) }
        let agents = swarm.peers.filter { !$0.isOrigin && $0.componentID != nil }
        let all = agents.reduce(0) { $0 + $1.bits.pieceCount }
        let held = agents.reduce(0) { $0 + $1.bits.heldCount }
        done = all == 0 ? 1 : Double(held) / Double(all)
    }
}
