// SPDX-License-Identifier: Apache-2.0

import Primitives
import TestSupport
import Testing

@testable import Simulator

@Suite("Event queue") struct EventQueueTests {
    @Test(
        "events come in the order of time, and equals in that of insertion",
        arguments: Seeds.fresh(20)
    )
    func order(seed: UInt64) {
        var generator = Generator(seed: seed)
        var queue = EventQueue()
        var expected: [(at: Int64, argument: Int32)] = []
        var popped: [(at: Int64, argument: Int32)] = []
        var floor: Int64 = 0
        for step in 0..<600 {
            if generator.below(3) > 0 {
                let at = floor + Int64(generator.below(20))
                queue.push(.timer, at: at, host: 0, argument: Int32(step))
                expected.append((at, Int32(step)))
            } else if let event = queue.pop() {
                floor = event.at
                popped.append((event.at, event.argument))
            }
        }
        while let event = queue.pop() { popped.append((event.at, event.argument)) }
        let sorted = expected.sorted { ($0.at, $0.argument) < ($1.at, $1.argument) }
        #expect(popped.map(\.argument) == sorted.map(\.argument))
        #expect(queue.isEmpty)
    }

    @Test("numbers of a slab and of messages are used again")
    func pools() {
        var slab = Slab<Int>()
        let first = slab.insert(1)
        #expect(slab.insert(2) != first)
        slab.remove(first)
        #expect(slab.insert(3) == first)
        #expect(slab.count == 2)
        var messages = MessagePool()
        let one = messages.make(.request, to: 4, 7)
        #expect(messages.take(one).argument == 7)
        #expect(messages.make(.announce, to: 5, 8) == one)
        #expect(messages.count == 1)
    }
}
