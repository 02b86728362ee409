// SPDX-License-Identifier: Apache-2.0

package import Telemetry

/// The events that a filter lets pass, the newest first.
///
/// Without a filter nothing is copied or looked at. With one, every event is tried once, when the list is made.
package struct EventList: RandomAccessCollection, Sendable {
    private let window: EventWindow
    /// Positions in the window, descending; nil when all pass.
    private let positions: [Int]?
    /// How many of the latest events were tried; fewer than there are where each takes long.
    package let triedCount: Int

    /// The most events that are tried with a filter that takes long.
    package static let costlyMax = 4000

    /// The events of `scene` that the filter of the screen Events lets pass.
    package init(_ scene: Scene) {
        let filter = Filter(scene.view.filters[.events] ?? "")
        window = scene.picture.events
        guard !filter.isEmpty else {
            (positions, triedCount) = (nil, window.count)
            return
        }
        triedCount = filter.isCostly ? Swift.min(window.count, Self.costlyMax) : window.count
        var found: [Int] = []
        let shortNames = Dictionary(
            scene.picture.components.map { ($0.id, $0.shortName) },
            uniquingKeysWith: { first, _ in first }
        )
        for position in window.indices.suffix(triedCount).reversed() {
            let event = window[position]
            let passes = filter.matches(
                event: event,
                names: scene.picture.names,
                now: scene.picture.takenAt,
                who: shortNames[event.component]
            )
            if passes { found.append(position) }
        }
        positions = found
    }

    /// Whether older events may pass as well: not all were tried.
    package var isPartial: Bool { triedCount < window.count }

    /// The newest event is in row 0.
    package var startIndex: Int { 0 }
    /// How many events there are.
    package var endIndex: Int { positions?.count ?? window.count }
    /// The event in a row, 0 being the newest.
    package subscript(row: Int) -> ClusterEvent { window[position(of: row)] }

    /// The position in the picture's window of the event in `row`.
    package func position(of row: Int) -> Int {
        positions.map { $0[row] } ?? window.count - 1 - row
    }

    /// The row of the event named `key`; nil when it is not there.
    package func row(of key: EventKey?) -> Int? {
        guard let key else { return nil }
        return firstIndex { $0.sequence == key.sequence && $0.component == key.component }
    }
}

extension EventKey {
    /// The name of `event`.
    package init(_ event: ClusterEvent) {
        self.init(component: event.component, sequence: event.sequence)
    }
}

extension Lists {
    /// The events of the screen Events, the newest first; see ``EventList`` for what making the list costs.
    package static func events(_ scene: Scene) -> EventList { EventList(scene) }

    /// The row of the selected event: the newest while the newest are followed or when the selected one is gone.
    package static func selectedRow(_ events: EventList, _ scene: Scene) -> Int? {
        guard !events.isEmpty else { return nil }
        return scene.view.events.follows ? 0 : events.row(of: scene.view.event) ?? 0
    }
}
