// SPDX-License-Identifier: Apache-2.0

package import Telemetry

/// The moment that is shown, which is folded from events once and kept for as long as it stays the same.
///
/// A paused view would otherwise be folded anew ten times a second, and several times for each key.
package struct ShownMoment: Sendable {
    private struct Folded {
        var picture: ClusterPicture
        /// When the picture was taken that it follows from.
        var keyTakenAt: Timestamp
        /// Events that had come in by then.
        var seenCount: UInt64
    }

    private var folded: Folded?
    /// How often a picture was folded from events.
    package private(set) var foldCount = 0

    /// No moment yet.
    package init() {}

    /// What `history` knows of the cluster at `time`; nil is now.
    package mutating func picture(of history: History, at time: Timestamp?) -> ClusterPicture {
        guard let time, let origin = history.origin(of: time) else {
            folded = nil
            return history.latest
        }
        let events = history.latest.events
        if var known = folded, known.picture.takenAt == origin.time,
            known.keyTakenAt == origin.key.takenAt, !hasLateEvent(events, known)
        {
            known.seenCount = events.totalCount
            folded = known
            return history.framed(known.picture)
        }
        let picture = history.folded(origin.key, to: origin.time)
        foldCount += 1
        folded = Folded(
            picture: picture,
            keyTakenAt: origin.key.takenAt,
            seenCount: events.totalCount
        )
        return history.framed(picture)
    }

    /// Whether something that came in since then happened before the moment.
    private func hasLateEvent(_ events: EventWindow, _ known: Folded) -> Bool {
        guard events.totalCount >= known.seenCount else { return true }
        let newCount = Int(min(events.totalCount - known.seenCount, UInt64(events.count)))
        return events.suffix(newCount).contains { $0.timestamp <= known.picture.takenAt }
    }
}
