// SPDX-License-Identifier: Apache-2.0

/// The screen Pieces: which peer holds which piece of one blob, and how many copies of each there are.
package enum PiecesScreen: ScreenContent {
    package static func draw(_ scene: Scene, into frame: inout Frame, area: Rect) {
        guard !area.isEmpty else { return }
        guard let swarm = scene.picture.swarm else {
            SwarmScreen.drawEmpty(scene, into: &frame, area: area)
            return
        }
        PieceMatrix(scene, swarm, area: area).draw(into: &frame)
    }

    package static func crumbs(_ scene: Scene) -> [String] { SwarmScreen.crumbs(scene) }

    package static func summary(_ scene: Scene) -> [String] {
        guard let swarm = scene.picture.swarm else { return [] }
        let facts = SwarmFacts(swarm, scene.picture)
        let (agents, pieces) = (Units.count(facts.agentCount), Units.count(swarm.pieceCount))
        let isWide = scene.width >= .wide
        var parts = [isWide ? "\(agents) agents × \(pieces) pieces" : "\(agents) × \(pieces)"]
        parts.append(Units.percent(facts.done))
        if !swarm.copies.isEmpty {
            parts.append("copies \(Units.decimal(swarm.distributedCopies, 2))")
        }
        return parts
    }
}

// MARK: - Orders

extension PiecesScreen {
    /// The peers in the order of the rows: the agents, sorted as the view says; origins only where there are no agents,
    /// as they hold everything anyway.
    package static func peers(_ scene: Scene) -> [PeerRow] {
        guard let swarm = scene.picture.swarm else { return [] }
        return rows(of: swarm, scene.view.pieces.sorting).map { swarm.peers[$0] }
    }

    /// The positions in the swarm of the peers of ``peers(_:)``.
    static func rows(of swarm: SwarmPicture, _ sorting: Sorting<PiecesState.Column>) -> [Int] {
        var rows = swarm.peers.indices.filter { !swarm.peers[$0].isOrigin }
        if rows.isEmpty { rows = Array(swarm.peers.indices) }
        let isDescending = sorting.isDescending
        switch sorting.column {
        case .name:
            rows.sort { left, right in
                let (first, second) = (swarm.peers[left].name, swarm.peers[right].name)
                return first == second ? left < right : (first < second) != isDescending
            }
        case .done, .rate:
            let keys = swarm.peers.map { peer in
                sorting.column == .done ? peer.done : peer.downloadRate.orZero
            }
            rows.sort { left, right in
                keys[left] == keys[right]
                    ? left < right : (keys[left] < keys[right]) != isDescending
            }
        }
        return rows
    }

    /// All pieces in the order of the columns.
    package static func order(_ scene: Scene) -> [Int] {
        guard let swarm = scene.picture.swarm else { return [] }
        let count = swarm.shownPieceCount
        guard scene.view.pieces.ordersByRarity, swarm.copies.count == count else {
            return Array(0..<count)
        }
        return rarity(of: swarm)
    }

    /// All pieces from the rarest to the most common, those alike by number.
    ///
    /// - Complexity: O(pieces + copies): they are dealt into heaps, not compared.
    private static func rarity(of swarm: SwarmPicture) -> [Int] {
        var starts = Array(repeating: 0, count: Int(swarm.copies.max() ?? 0) + 2)
        for copies in swarm.copies { starts[Int(copies) + 1] += 1 }
        for index in starts.indices.dropFirst() { starts[index] += starts[index - 1] }
        var order = Array(repeating: 0, count: swarm.copies.count)
        for (piece, copies) in swarm.copies.enumerated() {
            order[starts[Int(copies)]] = piece
            starts[Int(copies)] += 1
        }
        return order
    }

    /// The piece that comes after `piece` from the rarest to the most common; the rarest after the last one. nil where
    /// copies are not known.
    package static func nextRarest(after piece: Int, in swarm: SwarmPicture) -> Int? {
        guard !swarm.copies.isEmpty else { return nil }
        let order = rarity(of: swarm)
        guard let place = order.firstIndex(of: piece) else { return order.first }
        return order[(place + 1) % order.count]
    }

    /// The `count` rarest pieces.
    static func rarest(_ count: Int, of swarm: SwarmPicture) -> [Int] {
        var best: [Int] = []
        for (piece, copies) in swarm.copies.enumerated() {
            if best.count == count, let last = best.last, swarm.copies[last] <= copies { continue }
            let place = best.firstIndex { swarm.copies[$0] > copies } ?? best.count
            best.insert(piece, at: place)
            if best.count > count { best.removeLast() }
        }
        return best
    }
}

/// How the copies of all pieces are spread.
struct CopiesFacts: Equatable, Sendable {
    var least = 0
    var median = 0
    var most = 0
    /// The first of the rarest pieces.
    var rarest = 0

    /// nil where copies are not known.
    init?(_ copies: [UInt16]) {
        guard let most = copies.max() else { return nil }
        var counts = Array(repeating: 0, count: Int(most) + 1)
        for value in copies { counts[Int(value)] += 1 }
        self.most = Int(most)
        least = counts.firstIndex { $0 > 0 } ?? 0
        rarest = copies.firstIndex { Int($0) == least } ?? 0
        var sum = 0
        for (value, count) in counts.enumerated() {
            sum += count
            if sum * 2 >= copies.count {
                median = value
                break
            }
        }
    }
}
