// SPDX-License-Identifier: Apache-2.0

package import Content
package import Telemetry

/// What a layout of a swarm belongs to.
package struct LayoutKey: Hashable, Sendable {
    /// The blob.
    package var digest: Digest
    /// The room for peers.
    package var canvas: Size
    /// Whether there is room for names.
    package var hasLabels: Bool
    /// A key of a blob's swarm in that room.
    package init(digest: Digest, canvas: Size, hasLabels: Bool) {
        (self.digest, self.canvas, self.hasLabels) = (digest, canvas, hasLabels)
    }
}

/// Where the peers of a swarm stand: on rings around the origins, each in a slot that it keeps.
///
/// The further a peer is from the origins, in connections, the further out its ring. Swarms are random graphs without
/// clusters: forces would find nothing in them, and would move what somebody is looking at. So nobody ever moves: slots
/// follow from the canvas alone, a peer takes one when it first has a connection, and gives it back when it has been
/// gone for ``goneSecondsMax``.
package struct RadialLayout: Equatable, Sendable {
    /// Who stands in a slot.
    package struct Resident: Equatable, Sendable {
        /// The short name.
        package var name: String
        /// From the top left corner of the canvas.
        package var place: Point
        /// Connections between it and the nearest origin when it came; 0 for origins.
        package var depth: Int
        /// Since when it is not in the swarm any more; nil while it is.
        package var goneSince: Timestamp?
        var slot: Int
    }

    /// How long a slot is kept for a peer that is gone.
    package static let goneSecondsMax = 10.0
    /// How long a peer without any connection waits for its first one before it is placed all the same.
    package static let joiningSecondsMax = 2.0

    /// The columns and rows that the slots were made for.
    package private(set) var canvas = Size(width: 0, height: 0)
    /// Whether slots leave room for names.
    package private(set) var hasLabels = false
    /// When it last saw a swarm.
    package private(set) var updatedAt = Timestamp(unixNanoseconds: 0)
    /// The names of the peers that wait for their first connection, in the order of the swarm.
    package private(set) var joining: [String] = []
    /// The names of the peers for which there was no slot.
    package private(set) var unplaced: [String] = []
    private(set) var residents: [PeerID: Resident] = [:]
    private(set) var slots = SlotPlan()
    /// Who has each slot.
    private(set) var holders: [PeerID?] = []
    /// When the peers in ``joining`` were first seen.
    private var firstSeen: [PeerID: Timestamp] = [:]

    /// Nobody has a place yet.
    package init() {}

    /// Where `peer` stands, from the top left corner of the canvas; nil while it has no slot.
    package func place(of peer: PeerID) -> Point? { residents[peer]?.place }

    /// How many slots there are for agents.
    package var slotCount: Int { slots.agentCount }

    /// Those that left and keep their slot for a while, by name.
    package var gone: [Resident] {
        residents.values.filter { $0.goneSince != nil }
            .sorted { ($0.name, $0.slot) < ($1.name, $1.slot) }
    }

    /// Brings the layout in line with `swarm` as it was `at` that time.
    ///
    /// With another canvas or mode than before all peers are placed anew; else only those who have no slot yet.
    package mutating func update(
        with swarm: SwarmPicture,
        at time: Timestamp,
        canvas: Size,
        hasLabels: Bool
    ) {
        if canvas != self.canvas || hasLabels != self.hasLabels || holders.isEmpty {
            self = RadialLayout()
            (self.canvas, self.hasLabels) = (canvas, hasLabels)
            slots = SlotPlan(canvas: canvas, hasLabels: hasLabels)
            holders = Array(repeating: nil, count: slots.slots.count)
        }
        updatedAt = time
        removeGone(swarm, time)
        let newcomers = swarm.peers.indices.filter { residents[swarm.peers[$0].peerID] == nil }
        (joining, unplaced) = ([], [])
        if newcomers.isEmpty {
            if !firstSeen.isEmpty { firstSeen = [:] }
        } else {
            admit(newcomers, of: swarm, at: time)
        }
    }

    private mutating func removeGone(_ swarm: SwarmPicture, _ time: Timestamp) {
        var present = Set<PeerID>(minimumCapacity: swarm.peers.count)
        for peer in swarm.peers {
            present.insert(peer.peerID)
            guard let resident = residents[peer.peerID] else { continue }
            if resident.goneSince != nil { residents[peer.peerID]?.goneSince = nil }
            if resident.name != peer.name { residents[peer.peerID]?.name = peer.name }
        }
        guard
            residents.count > present.count
                || residents.keys.contains(where: { !present.contains($0) })
        else { return }
        for (peer, resident) in residents where !present.contains(peer) {
            // A view that went back in time starts to count again.
            let since = min(resident.goneSince ?? time, time)
            if time.seconds(since: since) >= Self.goneSecondsMax {
                holders[resident.slot] = nil
                residents[peer] = nil
            } else {
                residents[peer]?.goneSince = since
            }
        }
    }

    /// Places those of `newcomers` (positions in the swarm) whose depth is known or that have waited long enough.
    private mutating func admit(_ newcomers: [Int], of swarm: SwarmPicture, at time: Timestamp) {
        let graph = SwarmGraph(swarm)
        var depths = graph.depths(of: swarm, placed: residents)
        let deepest = residents.values.reduce(1) { max($0, $1.depth) }
        var seen: [PeerID: Timestamp] = [:]
        var batch: [(position: Int, depth: Int, order: UInt64)] = []
        let seed = swarm.digest.mixed
        for position in newcomers {
            let peer = swarm.peers[position]
            if depths[position] == nil {
                let since = min(firstSeen[peer.peerID] ?? time, time)
                let waited = max(time.seconds(since: since), peer.ageSeconds)
                guard waited >= Self.joiningSecondsMax || peer.isDown else {
                    seen[peer.peerID] = since
                    joining.append(peer.name)
                    continue
                }
                depths[position] = deepest
            }
            batch.append((position, depths[position] ?? deepest, peer.peerID.mixed(with: seed)))
        }
        firstSeen = seen
        guard !batch.isEmpty else { return }
        batch.sort { ($0.depth, $0.order, $0.position) < ($1.depth, $1.order, $1.position) }
        let bands = bands(for: batch.map(\.depth))
        var isFull = false
        for (position, depth, _) in batch {
            // Where there was no slot for one there is none for those after it, who need not search.
            if isFull, !swarm.peers[position].isOrigin {
                unplaced.append(swarm.peers[position].name)
            } else {
                isFull = !place(position, of: swarm, depth: depth, graph: graph, bands: bands)
            }
        }
    }

    /// Gives a peer its slot; answers false when there is none.
    private mutating func place(
        _ position: Int,
        of swarm: SwarmPicture,
        depth: Int,
        graph: SwarmGraph,
        bands: [ClosedRange<Double>]
    ) -> Bool {
        let peer = swarm.peers[position]
        guard residents[peer.peerID] == nil else { return true }
        let middle = peer.isOrigin ? slots.origins.first { holders[$0] == nil } : nil
        let pull = pull(on: position, of: swarm, depth: depth, graph: graph)
        guard let slot = middle ?? cheapestSlot(pull: pull, depth: depth, bands: bands) else {
            unplaced.append(peer.name)
            return false
        }
        holders[slot] = peer.peerID
        residents[peer.peerID] = Resident(
            name: peer.name,
            place: slots.slots[slot].place,
            depth: depth,
            slot: slot
        )
        return true
    }
}
