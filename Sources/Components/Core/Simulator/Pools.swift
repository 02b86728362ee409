// SPDX-License-Identifier: Apache-2.0

/// A chain's end in a pool.
let none: Int32 = -1

/// Control messages on their way, chained by their position: whoever arrives at one moment is one chain, and one event.
struct MessagePool: Sendable {
    enum Kind: UInt8, Sendable { case request, announce, cancel, error, complete, answer, close }

    struct Message: Sendable {
        /// The end that it goes to.
        var end: Int32
        /// A piece, or the position of a handshake.
        var argument: Int32
        var next: Int32
        var kind: Kind
    }

    private var messages: [Message] = []
    private var firstFree = none
    /// Messages on their way.
    private(set) var count = 0

    subscript(position: Int32) -> Message { messages[Int(position)] }

    mutating func make(_ kind: Kind, to end: Int32, _ argument: Int32) -> Int32 {
        count += 1
        let message = Message(end: end, argument: argument, next: none, kind: kind)
        guard firstFree != none else {
            messages.append(message)
            return Int32(messages.count - 1)
        }
        let position = firstFree
        firstFree = messages[Int(position)].next
        messages[Int(position)] = message
        return position
    }

    mutating func chain(_ position: Int32, _ next: Int32) { messages[Int(position)].next = next }

    /// Takes the message at `position` out.
    mutating func take(_ position: Int32) -> Message {
        count -= 1
        let message = messages[Int(position)]
        messages[Int(position)].next = firstFree
        firstFree = position
        return message
    }
}

/// Values by small numbers that are used again.
struct Slab<Element: Sendable>: Sendable {
    private var elements: [Element] = []
    private var free: [Int32] = []

    var count: Int { elements.count - free.count }

    subscript(position: Int32) -> Element {
        get { elements[Int(position)] }
        _modify { yield &elements[Int(position)] }
    }

    mutating func insert(_ element: Element) -> Int32 {
        guard let position = free.popLast() else {
            elements.append(element)
            return Int32(elements.count - 1)
        }
        elements[Int(position)] = element
        return position
    }

    /// Lets the number be used again; the value stays until then.
    mutating func remove(_ position: Int32) { free.append(position) }
}
