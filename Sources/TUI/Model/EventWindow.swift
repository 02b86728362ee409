// SPDX-License-Identifier: Apache-2.0

package import Telemetry

/// The latest events of the cluster, oldest first.
///
/// Kept in chunks that are shared between copies, so that a picture of each moment can keep its window.
package struct EventWindow: RandomAccessCollection, Equatable, Sendable {
    /// How many have come in all, those no longer here included.
    package private(set) var totalCount: UInt64 = 0
    /// How many were lost on the way here because they came too fast.
    package var droppedCount: UInt64 = 0
    /// Events per second, one sample a second, the latest last.
    package var rates: [Double] = []
    private var chunks: [[ClusterEvent]] = []
    /// Events in all chunks but the last; each of these holds ``chunkSize``.
    private var fullCount = 0

    /// About how many events are kept; up to a chunk more.
    package static let eventsMax = 20_000
    private static let chunkSize = 256

    /// A window on nothing.
    package init() {}

    package var startIndex: Int { 0 }
    package var endIndex: Int { fullCount + (chunks.last?.count ?? 0) }
    /// The event at a place, 0 being the oldest that is kept.
    package subscript(index: Int) -> ClusterEvent {
        chunks[index / Self.chunkSize][index % Self.chunkSize]
    }

    /// Appends `events`, which came after all that are here.
    package mutating func append(_ events: some Sequence<ClusterEvent>) {
        for event in events {
            if chunks.isEmpty || chunks[chunks.count - 1].count == Self.chunkSize {
                fullCount = chunks.count * Self.chunkSize
                chunks.append([])
                chunks[chunks.count - 1].reserveCapacity(Self.chunkSize)
            }
            chunks[chunks.count - 1].append(event)
            totalCount += 1
        }
        let surplus = Swift.max(0, (fullCount - Self.eventsMax) / Self.chunkSize)
        guard surplus > 0 else { return }
        chunks.removeFirst(surplus)
        fullCount -= surplus * Self.chunkSize
    }

    /// The window as it was before the event at `index` came.
    package func ending(before index: Int) -> EventWindow {
        let kept = Swift.min(Swift.max(0, index), count)
        guard kept < count else { return self }
        var window = self
        window.totalCount -= UInt64(count - kept)
        let chunkCount = (kept + Self.chunkSize - 1) / Self.chunkSize
        window.chunks = Array(chunks.prefix(chunkCount))
        window.fullCount = Swift.max(0, chunkCount - 1) * Self.chunkSize
        if chunkCount > 0 {
            let rest = kept - window.fullCount
            window.chunks[chunkCount - 1] = Array(chunks[chunkCount - 1].prefix(rest))
        }
        return window
    }

    /// The number of the event at `index` since the beginning: it names a row while the window moves on.
    package func number(at index: Int) -> UInt64 { totalCount - UInt64(count - index) }

    /// The first index whose event is later than `time`; events are taken to be in the order of their times, nearly.
    package func firstIndex(after time: Timestamp) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle].timestamp <= time { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Windows are equal when they end at the same event: their contents follow from it.
    package static func == (left: EventWindow, right: EventWindow) -> Bool {
        left.totalCount == right.totalCount && left.droppedCount == right.droppedCount
            && left.count == right.count && left.last == right.last
    }
}
