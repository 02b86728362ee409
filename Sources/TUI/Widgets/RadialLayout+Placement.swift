// SPDX-License-Identifier: Apache-2.0

import Content

/// Who is connected to whom in a swarm, by position.
struct SwarmGraph {
    /// The neighbours of peer i: ``targets`` from ``starts``[i] up to the next start.
    private var starts: [Int]
    private var targets: [Int]

    init(_ swarm: SwarmPicture) {
        let count = swarm.peers.count
        var degrees = Array(repeating: 0, count: count + 1)
        let valid = swarm.connections.filter {
            $0.first >= 0 && $0.second >= 0 && $0.first < count && $0.second < count
        }
        for row in valid {
            degrees[row.first] += 1
            degrees[row.second] += 1
        }
        starts = Array(repeating: 0, count: count + 1)
        for index in 0..<count { starts[index + 1] = starts[index] + degrees[index] }
        targets = Array(repeating: 0, count: valid.count * 2)
        var next = starts
        for row in valid {
            targets[next[row.first]] = row.second
            next[row.first] += 1
            targets[next[row.second]] = row.first
            next[row.second] += 1
        }
    }

    func neighbours(of position: Int) -> ArraySlice<Int> {
        targets[starts[position]..<starts[position + 1]]
    }

    /// How many connections each peer is from the nearest origin, or one more than the shallowest neighbour that has a
    /// place; nil for those that nothing leads to.
    func depths(of swarm: SwarmPicture, placed: [PeerID: RadialLayout.Resident]) -> [Int?] {
        var depths: [Int?] = swarm.peers.map { $0.isOrigin ? 0 : nil }
        spread(from: swarm.peers.indices.filter { swarm.peers[$0].isOrigin }, &depths)
        // Where no origin can be reached, those who were placed earlier stand in for them.
        let known = swarm.peers.indices.filter { depths[$0] == nil }
            .compactMap { position -> (position: Int, depth: Int)? in
                placed[swarm.peers[position].peerID].map { (position, $0.depth) }
            }
            .sorted { ($0.depth, $0.position) < ($1.depth, $1.position) }
        for (position, depth) in known { depths[position] = depth }
        spread(from: known.map(\.position), &depths)
        return depths
    }

    private func spread(from roots: [Int], _ depths: inout [Int?]) {
        var queue = roots
        var head = 0
        while head < queue.count {
            let position = queue[head]
            head += 1
            let depth = depths[position] ?? 0
            for neighbour in neighbours(of: position) where depths[neighbour] == nil {
                depths[neighbour] = depth + 1
                queue.append(neighbour)
            }
        }
    }
}

extension RadialLayout {
    /// The stretch of all slots, counted from the inside out, that each depth should fill: the shares of the peers. So
    /// deeper peers stand further out and all rings fill alike, whatever the depths are.
    func bands(for newcomers: [Int]) -> [ClosedRange<Double>] {
        let depths = residents.values.map(\.depth) + newcomers
        let deepest = depths.max() ?? 0
        var counts = Array(repeating: 0, count: deepest + 1)
        for depth in depths where depth > 0 { counts[depth] += 1 }
        let total = Double(max(1, counts.reduce(0, +)))
        var sum = 0
        return counts.map { count in
            let start = Double(sum) / total
            sum += count
            return start...Double(sum) / total
        }
    }

    /// Whereto the neighbours of a peer pull it that are nearer to the origins and have a place; nil where there are
    /// none, or all around.
    func pull(
        on position: Int,
        of swarm: SwarmPicture,
        depth: Int,
        graph: SwarmGraph
    ) -> Direction? {
        var (x, y, count) = (0.0, 0.0, 0)
        // A single origin stands at no side of the middle.
        let isAlone = slots.origins.count { holders[$0] != nil } < 2
        for neighbour in graph.neighbours(of: position) {
            guard let resident = residents[swarm.peers[neighbour].peerID], resident.depth < depth,
                !(isAlone && resident.depth == 0)
            else { continue }
            let direction = slots.slots[resident.slot].direction
            (x, y, count) = (x + direction.x, y + direction.y, count + 1)
        }
        guard count > 0, x * x + y * y > 0.04 * Double(count * count) else { return nil }
        return Direction(x: x, y: y)
    }

    /// The free slot of a ring that costs least; the first of several.
    func cheapestSlot(pull: Direction?, depth: Int, bands: [ClosedRange<Double>]) -> Int? {
        var best: (slot: Int, cost: Double)?
        let band = bands.indices.contains(depth) ? bands[depth] : 0...1
        let distances = ringDistances(from: band)
        for (ring, range) in slots.rings.enumerated() where !range.isEmpty {
            let occupied = range.reduce(0) { $0 + (holders[$1] == nil ? 0 : 1) }
            guard occupied < range.count else { continue }
            let load = Double(occupied) / Double(range.count)
            let base = 0.5 * load + 0.8 * Double(distances[ring])
            for slot in range where holders[slot] == nil {
                let turn = pull.map { slots.slots[slot].direction.angle(to: $0) } ?? 0
                let cost = base + 1.3 * turn + 0.45 * crowd(around: slot, in: range)
                if cost < best?.cost ?? .infinity { best = (slot, cost) }
            }
        }
        return best?.slot
    }

    /// Σ 1/|k| over the occupied slots k = ±1 … ±3 steps away on the same ring.
    private func crowd(around slot: Int, in ring: Range<Int>) -> Double {
        var sum = 0.0
        let (place, count) = (slot - ring.lowerBound, ring.count)
        for step in 1...3 where step < count {
            if holders[ring.lowerBound + (place + step) % count] != nil { sum += 1 / Double(step) }
            if holders[ring.lowerBound + (place + count - step) % count] != nil {
                sum += 1 / Double(step)
            }
        }
        return sum
    }

    /// How many rings lie between each ring and those of `band`; 0 for these.
    private func ringDistances(from band: ClosedRange<Double>) -> [Int] {
        let total = Double(max(1, slots.agentCount))
        let start = Double(slots.origins.count)
        let middle = (band.lowerBound + band.upperBound) / 2
        let own = slots.rings.indices.filter { index in
            let range = slots.rings[index]
            let low = (Double(range.lowerBound) - start) / total
            let high = (Double(range.upperBound) - start) / total
            return band.contains((low + high) / 2) || (low...high).contains(middle)
        }
        let (first, last) = (own.first ?? 0, own.last ?? slots.rings.count - 1)
        return slots.rings.indices.map { $0 < first ? first - $0 : max(0, $0 - last) }
    }
}

extension Digest {
    /// A number that every digest has its own of, nearly.
    var mixed: UInt64 {
        bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}

extension PeerID {
    /// Where the peer comes in a batch of the swarm whose number is `seed`.
    func mixed(with seed: UInt64) -> UInt64 {
        var value = words.first ^ words.second &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(words.third) ^ seed
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
