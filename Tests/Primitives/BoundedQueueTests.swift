// SPDX-License-Identifier: Apache-2.0

import Primitives
import TestSupport
import Testing

@Suite("Bounded queue") struct BoundedQueueTests {
    @Test("refuses when full, and keeps its elements")
    func refusal() {
        var queue = BoundedQueue<Int>(capacity: 2)
        let outcomes = (1...3).map { queue.offer($0) }
        #expect(outcomes == [.accepted, .accepted, .full])
        #expect(queue.isFull)
        #expect(queue.elements == [1, 2])
        #expect(queue.droppedCount == 0)
    }

    @Test("drops and counts the oldest when told to")
    func dropping() {
        var queue = BoundedQueue<Int>(capacity: 3)
        for element in 1...5 { queue.push(droppingOldest: element) }
        #expect(queue.elements == [3, 4, 5])
        #expect(queue.droppedCount == 2)
    }

    @Test("agrees with a plain array under any sequence of calls", arguments: Seeds.fresh(6))
    func model(seed: UInt64) {
        var generator = Generator(seed: seed)
        let capacity = 1 + generator.below(9)
        var queue = BoundedQueue<Int>(capacity: capacity)
        var (model, dropped): ([Int], UInt64) = ([], 0)
        for step in 0..<2000 {
            switch generator.below(3) {
            case 0:
                let outcome = queue.offer(step)
                #expect(outcome == (model.count < capacity ? .accepted : .full))
                if outcome == .accepted { model.append(step) }
            case 1:
                queue.push(droppingOldest: step)
                if model.count == capacity {
                    model.removeFirst()
                    dropped += 1
                }
                model.append(step)
            default:
                let popped = queue.popFirst()
                #expect(popped == (model.isEmpty ? nil : model.removeFirst()))
            }
            #expect(queue.elements == model)
            #expect(queue.count == model.count)
            #expect(queue.droppedCount == dropped)
            #expect(queue.isEmpty == model.isEmpty)
        }
    }

    @Test("lets go of what it hands out")
    func release() {
        final class Token {}
        var queue = BoundedQueue<Token>(capacity: 2)
        weak var token: Token?
        do {
            let strong = Token()
            token = strong
            queue.offer(strong)
        }
        #expect(token != nil)
        _ = queue.popFirst()
        #expect(token == nil)
    }
}
