// SPDX-License-Identifier: Apache-2.0

import Content
import TUI
import Telemetry

/// What is true of a toy swarm, as a picture.
extension ToySwarm {
    func picture() -> ClusterPicture {
        var picture = ClusterPicture()
        (picture.name, picture.takenAt) = ("devcluster", now)
        for peer in held.indices {
            var row = ComponentRow(
                id: component(peer),
                shortName: name(peer),
                kind: isOrigin(peer) ? .origin : .agent
            )
            (row.peerID, row.health) = (id(peer), .ok)
            picture.components.append(row)
            picture.names[id(peer)] = name(peer)
        }
        picture.components.append(
            ComponentRow(id: "tracker-0", shortName: "tracker", kind: .tracker)
        )
        picture.swarm = swarm()
        var blob = BlobRow(digest: digest)
        (blob.infoHash, blob.label) = (infoHash, "demo/web:v42 · 3/4")
        (blob.pieceBytes, blob.pieceCount) = (Self.pieceBytes, pieceCount)
        blob.blobBytes = pieceCount * Self.pieceBytes
        picture.blobs = [blob]
        let agentShare =
            deliveries.isEmpty
            ? nil : Double(deliveries.count { !isOrigin($0.from) }) / Double(deliveries.count)
        picture.totals.agentShare = agentShare
        picture.totals.downloadRate = rate { _ in true }
        picture.totals.eventRate = 213
        picture.events = window
        picture.marks = marks
        return picture
    }

    /// Bytes per second over the last second.
    private func rate(_ isCounted: ((to: Int, from: Int)) -> Bool) -> Double {
        let since = now.later(bySeconds: -1)
        let count = deliveries.reversed().prefix { $0.at > since }
            .count { isCounted(($0.to, $0.from)) }
        return Double(count * Self.pieceBytes)
    }

    func swarm() -> SwarmPicture {
        var swarm = SwarmPicture(digest: digest)
        (swarm.infoHash, swarm.label) = (infoHash, "demo/web:v42 · 3/4")
        (swarm.pieceBytes, swarm.pieceCount) = (Self.pieceBytes, pieceCount)
        swarm.blobBytes = pieceCount * Self.pieceBytes
        let present = held.indices.filter { isPresent[$0] }
        swarm.peers = present.map(peer)
        var places: [Int: Int] = [:]
        for (place, peer) in present.enumerated() { places[peer] = place }
        let sorted = links.sorted { ($0.first, $0.second) < ($1.first, $1.second) }
        for link in sorted {
            guard let first = places[link.first], let second = places[link.second] else { continue }
            var row = ConnectionRow(first: first, second: second)
            row.askedOfFirst =
                requests.filter { $0.asker == link.second && $0.holder == link.first }.map(\.piece)
            row.askedOfSecond =
                requests.filter { $0.asker == link.first && $0.holder == link.second }.map(\.piece)
            (row.slotsAtFirst, row.slotsAtSecond) = slots[link] ?? (nil, nil)
            row.forwardRate = rate { $0.to == link.second && $0.from == link.first }
            row.backwardRate = rate { $0.to == link.first && $0.from == link.second }
            swarm.connections.append(row)
        }
        swarm.copies = Copies.count(swarm.peers.map(\.bits), pieceCount: pieceCount)
        return swarm
    }

    private func peer(_ peer: Int) -> PeerRow {
        var row = PeerRow(peerID: id(peer), name: name(peer), bits: held[peer])
        (row.componentID, row.isOrigin) = (component(peer), isOrigin(peer))
        row.connectionCount = neighbours(peer).count
        row.revision = UInt64(held[peer].heldCount)
        row.downloadRate = rate { $0.to == peer }
        row.uploadRate = rate { $0.from == peer }
        row.bans = bans[peer].filter { $0.until > now }.map {
            PeerRow.Ban(
                name: name($0.other),
                reason: "",
                remainingSeconds: $0.until.seconds(since: now)
            )
        }
        return row
    }

    /// Plays for so many seconds; `history` sees a picture ten times a second.
    mutating func play(
        seconds: Double,
        into history: inout History,
        afterEach: (ToySwarm) -> Void = { _ in }
    ) {
        let end = now.later(bySeconds: seconds)
        var nextPicture = now
        while now < end {
            play()
            afterEach(self)
            guard now >= nextPicture else { continue }
            nextPicture = now.later(bySeconds: 0.1)
            history.append(picture())
        }
        history.append(picture())
    }
}

extension SwarmPicture {
    /// Without what events do not say: rates and ages.
    var withoutRates: SwarmPicture {
        var swarm = self
        for index in swarm.peers.indices {
            (swarm.peers[index].downloadRate, swarm.peers[index].uploadRate) = (0, 0)
            swarm.peers[index].ageSeconds = 0
            for ban in swarm.peers[index].bans.indices {
                let left = swarm.peers[index].bans[ban].remainingSeconds
                // Off the halves, where rounding hangs on the last bit.
                let rounded = (left * 1000 + 0.0007).rounded() / 1000
                swarm.peers[index].bans[ban].remainingSeconds = rounded
            }
        }
        for index in swarm.connections.indices {
            (swarm.connections[index].forwardRate, swarm.connections[index].backwardRate) = (0, 0)
            swarm.connections[index].forwardPieceAt = nil
            swarm.connections[index].backwardPieceAt = nil
        }
        return swarm
    }
}
