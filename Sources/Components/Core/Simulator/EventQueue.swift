// SPDX-License-Identifier: Apache-2.0

/// Something that will happen at an instant; ordered by time, and among equals by insertion.
struct Event: Sendable {
    /// What happens.
    enum Kind: UInt8, Sendable {
        /// Control messages arrive: the argument is the first of a chain in the message pool.
        case messages
        /// The head of a payload reaches its receiver: the argument is a transfer.
        case head
        /// The head of a payload that had to wait for the one before it: the argument is a transfer.
        case queuedHead
        /// A payload is whole at its receiver: the argument is a transfer.
        case arrived
        /// The pace of a payload that hardly advances is looked at: the argument is a transfer.
        case trickled
        /// A payload has left its sender: the argument is a transfer.
        case sent
        /// The host's scheduler wanted to be woken.
        case timer
        /// An outgoing connection reaches the other host: the argument is the opener's end.
        case dialled
        /// Nobody answered a dial in time: the argument is the opener's end.
        case dialTimeout
        /// A send was cancelled: the argument is the end, and in the host's place is the piece.
        case sendDropped
        /// A host finds a blob, or does not: the argument is the acceptor's end.
        case lookedUp
        /// The whole blob is checked: the argument is the blob.
        case committed
        /// An announce reaches the trackers: the argument is an announce.
        case announce
        /// The trackers' answer reaches the host: the argument is an announce.
        case announceAnswer
        /// An agent wants its blobs.
        case join
        /// An agent asks again for a blob that it gave up: the argument is the blob.
        case retry
        /// A fault begins or ends: the argument says which.
        case fault
    }

    let at: Int64
    let sequence: UInt64
    let host: Int32
    let argument: Int32
    let kind: Kind

    static func precedes(_ left: Event, _ right: Event) -> Bool {
        left.at != right.at ? left.at < right.at : left.sequence < right.sequence
    }
}

/// The events to come: a heap with four children a node, which is half as deep as one with two and stays in the cache.
struct EventQueue: Sendable {
    private var heap: [Event] = []
    private var sequence: UInt64 = 0

    var isEmpty: Bool { heap.isEmpty }
    var count: Int { heap.count }
    /// When the next event happens.
    var nextAt: Int64? { heap.first?.at }

    mutating func push(_ kind: Event.Kind, at: Int64, host: Int, argument: Int32 = 0) {
        sequence += 1
        let event = Event(
            at: at,
            sequence: sequence,
            host: Int32(truncatingIfNeeded: host),
            argument: argument,
            kind: kind
        )
        heap.append(event)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 4
            guard Event.precedes(event, heap[parent]) else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = event
    }

    mutating func pop() -> Event? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        guard !heap.isEmpty else { return first }
        let count = heap.count
        var hole = 0
        while true {
            let base = 4 * hole + 1
            guard base < count else { break }
            var least = base
            var child = base + 1
            let end = min(base + 4, count)
            while child < end {
                if Event.precedes(heap[child], heap[least]) { least = child }
                child += 1
            }
            guard Event.precedes(heap[least], last) else { break }
            heap[hole] = heap[least]
            hole = least
        }
        heap[hole] = last
        return first
    }
}
