// SPDX-License-Identifier: Apache-2.0

/// A first-in, first-out queue that holds at most `capacity` elements and says so when it is full.
///
/// What happens at the limit is the caller's policy: refuse, drop the oldest (``push(droppingOldest:)``) or stop reading.
package struct BoundedQueue<Element> {
    private var storage: [Element?]
    private var head = 0
    /// The number of elements waiting.
    package private(set) var count = 0
    /// How many elements ``push(droppingOldest:)`` has thrown away so far.
    package private(set) var droppedCount: UInt64 = 0

    /// The most elements the queue holds.
    package var capacity: Int { storage.count }
    /// Whether nothing waits.
    package var isEmpty: Bool { count == 0 }
    /// Whether another ``offer(_:)`` would be refused.
    package var isFull: Bool { count == capacity }

    /// What became of an offered element.
    package enum Outcome: Hashable, Sendable { case accepted, full }

    /// An empty queue for at most `capacity` elements.
    /// - Precondition: `capacity` is positive.
    package init(capacity: Int) {
        precondition(capacity > 0, "a queue that can hold nothing")
        storage = Array(repeating: nil, count: capacity)
    }

    /// Appends `element`, or leaves the queue as it is and answers `.full`.
    @discardableResult package mutating func offer(_ element: Element) -> Outcome {
        guard !isFull else { return .full }
        storage[(head + count) % capacity] = element
        count += 1
        return .accepted
    }

    /// Appends `element`; when full, the oldest element makes room and is counted in ``droppedCount``.
    package mutating func push(droppingOldest element: Element) {
        if isFull {
            _ = popFirst()
            droppedCount += 1
        }
        offer(element)
    }

    /// Removes and returns the oldest element; nil when empty.
    package mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        defer {
            storage[head] = nil
            head = (head + 1) % capacity
            count -= 1
        }
        return storage[head]
    }

    /// The waiting elements, oldest first.
    /// - Complexity: O(count).
    package var elements: [Element] { (0..<count).compactMap { storage[(head + $0) % capacity] } }
}

extension BoundedQueue: Sendable where Element: Sendable {}
