// SPDX-License-Identifier: Apache-2.0

package import Primitives

/// Values by key that remember which of them was touched longest ago; every operation takes constant time.
///
/// The entries lie in one dense array, so that a random one can be picked, and are threaded from the oldest to the newest
/// by indices into it.
package struct RecencyMap<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    /// One value with its key and when it was last touched.
    package struct Entry: Sendable {
        /// Its key.
        package let key: Key
        /// The value.
        package var value: Value
        /// When it was last touched.
        package fileprivate(set) var touchedAt: Instant
        fileprivate var older: Int32
        fileprivate var newer: Int32
    }

    private static var none: Int32 { -1 }
    private var positions: [Key: Int32] = [:]
    /// The entries in no particular, but reproducible, order.
    package private(set) var entries: [Entry] = []
    private var oldestPosition: Int32 = -1
    private var newestPosition: Int32 = -1

    /// An empty map.
    package init() {}

    /// How many entries there are.
    package var count: Int { entries.count }
    /// Whether there are none.
    package var isEmpty: Bool { entries.isEmpty }
    /// The entry touched longest ago.
    package var oldest: Entry? { oldestPosition < 0 ? nil : entries[Int(oldestPosition)] }

    /// The value of `key`; nil when there is none.
    package subscript(key: Key) -> Value? {
        positions[key].map { entries[Int($0)].value }
    }

    /// Makes `key` the newest, with `initial()` as its value when it is not there yet, and lets `change` alter the value
    /// in place.
    package mutating func touch<Result>(
        _ key: Key,
        at now: Instant,
        initial: () -> Value,
        change: (inout Value) -> Result
    ) -> Result {
        let position: Int32
        if let known = positions[key] {
            position = known
            if position != newestPosition {
                unlink(position)
                linkNewest(position)
            }
        } else {
            position = Int32(entries.count)
            positions[key] = position
            let entry = Entry(
                key: key,
                value: initial(),
                touchedAt: now,
                older: Self.none,
                newer: Self.none
            )
            entries.append(entry)
            linkNewest(position)
        }
        entries[Int(position)].touchedAt = now
        return change(&entries[Int(position)].value)
    }

    /// Lets `change` alter the value of `key` in place without touching it; nil when there is none.
    package mutating func update<Result>(_ key: Key, change: (inout Value) -> Result) -> Result? {
        guard let position = positions[key] else { return nil }
        return change(&entries[Int(position)].value)
    }

    /// Takes `key` out.
    @discardableResult package mutating func remove(_ key: Key) -> Value? {
        guard let position = positions.removeValue(forKey: key) else { return nil }
        unlink(position)
        let last = Int32(entries.count - 1)
        if position != last { move(last, to: position) }
        return entries.removeLast().value
    }

    /// Takes the oldest entry out.
    package mutating func removeOldest() -> (key: Key, value: Value)? {
        guard let key = oldest?.key, let value = remove(key) else { return nil }
        return (key, value)
    }

    /// At most `count` entries, the newest first.
    package func newest(_ count: Int) -> [Entry] {
        var result: [Entry] = []
        var position = newestPosition
        while position >= 0, result.count < count {
            result.append(entries[Int(position)])
            position = entries[Int(position)].older
        }
        return result
    }

    // MARK: - The thread from oldest to newest

    private mutating func unlink(_ position: Int32) {
        let (older, newer) = (entries[Int(position)].older, entries[Int(position)].newer)
        if older >= 0 { entries[Int(older)].newer = newer } else { oldestPosition = newer }
        if newer >= 0 { entries[Int(newer)].older = older } else { newestPosition = older }
    }

    private mutating func linkNewest(_ position: Int32) {
        entries[Int(position)].older = newestPosition
        entries[Int(position)].newer = Self.none
        if newestPosition >= 0 {
            entries[Int(newestPosition)].newer = position
        } else {
            oldestPosition = position
        }
        newestPosition = position
    }

    /// Exchanges the entry at `source` with the unlinked one at `target`, and mends the thread.
    private mutating func move(_ source: Int32, to target: Int32) {
        entries.swapAt(Int(source), Int(target))
        let moved = entries[Int(target)]
        positions[moved.key] = target
        if moved.older >= 0 {
            entries[Int(moved.older)].newer = target
        } else {
            oldestPosition = target
        }
        if moved.newer >= 0 {
            entries[Int(moved.newer)].older = target
        } else {
            newestPosition = target
        }
    }

    /// The keys from the oldest to the newest, found by following the thread. For tests.
    package var keysByAge: [Key] {
        var result: [Key] = []
        var position = oldestPosition
        while position >= 0 {
            result.append(entries[Int(position)].key)
            position = entries[Int(position)].newer
        }
        return result
    }
}
