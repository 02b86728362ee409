// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry

/// What Explain tells: the events around the moment shown, and who takes part in the current one.
struct ExplainStory {
    /// The short name of the peer that is followed; nil tells of everybody.
    let followed: String?
    /// The event that is told in full: the last one by the moment shown.
    let current: ClusterEvent?
    /// Its place among the events of the story, from 1; 0 before the first.
    let position: Int
    /// How many events the story has.
    let count: Int
    /// How many events of the whole cluster came after the moment shown.
    let aheadCount: Int
    /// Events before the current one, as many as a screen can hold, the oldest first.
    let before: [ClusterEvent]
    let after: [ClusterEvent]
    /// Events before those, which sentences may refer to.
    let earlier: [ClusterEvent]

    private static let shownMax = 64
    private static let earlierMax = 1024

    init(_ scene: Scene) {
        let (picture, view) = (scene.picture, scene.view)
        let events = picture.keptEvents
        let chosen = Self.chosen(scene, events)
        followed = view.peer ?? chosen.flatMap { Self.name(of: $0, in: picture) }
        var filter = StoryFilter(following: followed, in: picture)
        if let chosen { filter.follow(chosen, in: picture) }
        let places = events.indices.filter { filter.matches(events[$0]) }
        let end = view.time.at.map { events.firstIndex(after: $0) } ?? events.count
        aheadCount = events.count - end
        let told = places.firstPlace { $0 >= end }
        var position = told
        if let chosen {
            // Several may have happened at the same time.
            let same = places[max(0, told - Self.shownMax)..<told]
            position = same.lastIndex { events[$0] == chosen }.map { $0 + 1 } ?? told
        }
        (self.position, count) = (position, places.count)
        current = position > 0 ? events[places[position - 1]] : nil
        func take(_ range: Range<Int>) -> [ClusterEvent] { places[range].map { events[$0] } }
        let first = max(0, position - 1 - Self.shownMax)
        before = take(first..<max(first, position - 1))
        after = take(position..<min(places.count, position + Self.shownMax))
        earlier = take(max(0, first - Self.earlierMax)..<first)
    }

    /// The event that somebody asked about, if it is the moment shown.
    private static func chosen(_ scene: Scene, _ events: EventWindow) -> ClusterEvent? {
        guard let key = scene.view.explain.event, let at = scene.view.time.at else { return nil }
        let event = events.last { $0.sequence == key.sequence && $0.component == key.component }
        return event?.timestamp == at ? event : nil
    }

    /// The short name of the peer that is followed.
    static func followed(_ scene: Scene) -> String? {
        let events = scene.picture.keptEvents
        return scene.view.peer ?? chosen(scene, events).flatMap { name(of: $0, in: scene.picture) }
    }

    /// The peer that tells `event`.
    private static func name(of event: ClusterEvent, in picture: ClusterPicture) -> String? {
        if let row = picture.component(event.component) {
            return row.kind == .agent || row.kind == .origin ? row.shortName : nil
        }
        return event.localPeer.map { picture.name(of: $0) }
    }

    // MARK: - Who takes part

    /// The peers of the current event and its piece.
    struct Cast {
        /// Positions in the swarm: who tells it, and with whom.
        var own: Int
        var other: Int?
        var piece: Int?
        /// Whether bytes go, or would go, from `own` to `other`.
        var isSending = false
    }

    /// Who takes part in the current event; nil when nobody in the swarm does.
    func cast(in swarm: SwarmPicture) -> Cast? {
        let fallback = followed.flatMap { swarm.index(of: $0) }
        guard let current, swarm.concerns(current) else { return fallback.map { Cast(own: $0) } }
        let teller = swarm.peers.firstIndex {
            $0.componentID == current.component || $0.peerID == current.localPeer
        }
        let other = current.peer.flatMap { id in swarm.peers.firstIndex { $0.peerID == id } }
        guard let own = teller ?? fallback ?? other else { return nil }
        let piece = current.piece.flatMap { (0..<swarm.pieceCount).contains($0) ? $0 : nil }
        var cast = Cast(own: own, other: other == own ? nil : other, piece: piece)
        cast.isSending = current.kind == .sendPiece
        return cast
    }
}

extension ClusterPicture {
    /// All events that are kept, those after the moment shown included.
    var keptEvents: EventWindow { timeline.events.isEmpty ? events : timeline.events }
}

extension Array<Int> {
    /// The first place in the ascending numbers from which on `isBeyond` holds.
    fileprivate func firstPlace(where isBeyond: (Int) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if isBeyond(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
