// SPDX-License-Identifier: Apache-2.0

import Content

/// Which peer is looked at, and which ones are next to it.
extension SwarmScreen {
    /// The selected peer: the one the view names while it is in the swarm, else the agent that receives fastest, else
    /// the first agent, else the first peer. nil only without peers.
    package static func selectedPeer(_ scene: Scene) -> PeerRow? {
        guard let swarm = scene.picture.swarm, let index = selectedIndex(scene) else { return nil }
        return swarm.peers[index]
    }

    /// The position of ``selectedPeer(_:)`` in the swarm.
    static func selectedIndex(_ scene: Scene) -> Int? {
        guard let swarm = scene.picture.swarm, !swarm.peers.isEmpty else { return nil }
        if let name = scene.view.peer, let index = swarm.index(of: name) { return index }
        return fastestAgent(in: swarm) ?? 0
    }

    /// The position of the agent that receives fastest, or of the first agent while none receives.
    static func fastestAgent(in swarm: SwarmPicture) -> Int? {
        var best: (index: Int, rate: Double)?
        for (index, peer) in swarm.peers.enumerated() where !peer.isOrigin {
            let rate = peer.downloadRate.orZero
            if rate > best?.rate ?? -1 { best = (index, rate) }
        }
        return best?.index
    }

    /// The names of all peers that have a place, by angle from the right, clockwise; what the wheel and tab walk.
    package static func peersByAngle(_ scene: Scene) -> [String] {
        guard let swarm = scene.picture.swarm else { return [] }
        let places = places(scene)
        let canvas = canvas(screen: scene.view.size)
        let centre = (Double(canvas.width) / 2, Double(canvas.height) / 2)
        return swarm.peers.indices.compactMap { index -> (turn: Double, index: Int)? in
            guard let place = places[index] else { return nil }
            let direction = Direction(
                x: Double(place.x) - centre.0,
                y: (Double(place.y) - centre.1) * 2
            )
            return (direction.turn, index)
        }
        .sorted { ($0.turn, $0.index) < ($1.turn, $1.index) }
        .map { swarm.peers[$0.index].name }
    }

    /// The nearest peer in the direction of `movement` from the selected one; nil where there is none, or for movements
    /// that have no direction.
    package static func neighbour(_ movement: Movement, _ scene: Scene) -> String? {
        guard let swarm = scene.picture.swarm, let selected = selectedIndex(scene) else {
            return nil
        }
        let places = places(scene)
        guard let from = places[selected] else { return nil }
        var best: (index: Int, cost: Int)?
        for index in swarm.peers.indices where index != selected {
            guard let to = places[index] else { continue }
            let (dx, dy) = (to.x - from.x, (to.y - from.y) * 2)
            let (along, across): (Int, Int)
            switch movement {
            case .left: (along, across) = (-dx, dy)
            case .right: (along, across) = (dx, dy)
            case .up: (along, across) = (-dy, dx)
            case .down: (along, across) = (dy, dx)
            default: return nil
            }
            guard along > 0, abs(across) <= along * 2 else { continue }
            let cost = along + abs(across) * 2
            if cost < best?.cost ?? .max { best = (index, cost) }
        }
        return best.map { swarm.peers[$0.index].name }
    }

    /// The place of each peer on the canvas, by position in the swarm.
    private static func places(_ scene: Scene) -> [Point?] {
        guard let swarm = scene.picture.swarm else { return [] }
        let canvas = canvas(screen: scene.view.size)
        let hasLabels = style(of: swarm, canvas, scene.view.swarm.mode) == .labels
        let size = Size(width: canvas.width, height: canvas.height)
        let key = LayoutKey(digest: swarm.digest, canvas: size, hasLabels: hasLabels)
        let layout = scene.view.swarm.layouts[key]
        return swarm.peers.map { layout?.place(of: $0.peerID) }
    }
}

extension Double {
    /// The value, or 0 where it is negative or no number.
    var orZero: Double { isFinite && self > 0 ? self : 0 }

    /// Roughly the binary logarithm of a value: exact at powers of two, straight in between; 0 for less than 2.
    var roughLog2: Double {
        guard isFinite, self >= 2 else { return 0 }
        return Double(exponent) + significand - 1
    }
}

/// What one can say of a swarm as a whole.
struct SwarmFacts {
    var agentCount = 0
    var originCount = 0
    /// Agents that hold everything, those that don't, and those of either kind that are down.
    var seederCount = 0
    var leecherCount = 0
    var downCount = 0
    /// The share of all pieces that agents hold.
    var done = 0.0
    /// Payload bytes per second into agents.
    var rate = 0.0
    var secondsLeft: Double?
    var connectionsMax: Int?

    init(_ swarm: SwarmPicture, _ picture: ClusterPicture) {
        var (held, all) = (0, 0)
        for peer in swarm.peers {
            if let most = peer.connectionsMax {
                connectionsMax = min(connectionsMax ?? 0, 1 << 40) + min(max(0, most), 1 << 40)
            }
            guard !peer.isOrigin else {
                originCount += 1
                continue
            }
            agentCount += 1
            held += peer.bits.heldCount
            all += peer.bits.pieceCount
            rate += peer.downloadRate.orZero
            if peer.isDown {
                downCount += 1
            } else if peer.isComplete {
                seederCount += 1
            } else {
                leecherCount += 1
            }
        }
        done = all > 0 ? Double(held) / Double(all) : agentCount > 0 ? 1 : 0
        secondsLeft = picture.blobs.first { $0.digest == swarm.digest }?.secondsLeft
        if let left = secondsLeft, !left.isFinite { secondsLeft = nil }
    }
}
