// SPDX-License-Identifier: Apache-2.0

import Primitives
import Synchronization

/// The lists that were answered lately: good until a tag changes here, and for as long as tags that change elsewhere may
/// take to be seen.
final class TagListCache: Sendable {
    /// An answer.
    struct Entry: Sendable {
        /// The document.
        let bytes: [UInt8]
        /// What names these bytes, at every build-index: `"<digest>"`.
        let entityTag: String
        /// How often tags had changed when its reading began.
        let changes: Int
        /// When its reading began.
        let readAt: ContinuousClock.Instant
    }

    private let interval: Duration
    private let bytesMax: Int
    private let state = Mutex(State())

    private struct State {
        var entries: [String: Entry] = [:]
        var bytes = 0
    }

    /// A cache of entries that are good for `interval`, of `bytesMax` bytes together.
    init(interval: Duration, bytesMax: Int) {
        (self.interval, self.bytesMax) = (interval, bytesMax)
    }

    /// What was answered to `query`, if tags have changed no more than `changes` times since, at `now`.
    func entry(_ query: String, changes: Int, at now: ContinuousClock.Instant) -> Entry? {
        state.withLock { state in
            guard let entry = state.entries[query], entry.changes == changes,
                now - entry.readAt < interval
            else { return nil }
            return entry
        }
    }

    /// Keeps `entry` as what was answered to `query`; the others go where they would be too many.
    func keep(_ entry: Entry, for query: String) {
        guard interval > .zero, entry.bytes.count <= bytesMax else { return }
        state.withLock { state in
            if let old = state.entries.removeValue(forKey: query) { state.bytes -= old.bytes.count }
            if state.bytes + entry.bytes.count > bytesMax { state = State() }
            state.entries[query] = entry
            state.bytes += entry.bytes.count
        }
    }
}
