// SPDX-License-Identifier: Apache-2.0

import Primitives
import RetryCore
import TestSupport
import Testing

@Suite("Retry rules and circuits") struct RetryPolicyTests {
    @Test("pauses double up to the longest, each between its half and its whole")
    func pauses() {
        var rules = RetryRules()
        (rules.pauseMin, rules.pauseMax) = (.seconds(1), .seconds(60))
        var generator = Generator(seed: 7)
        for failureCount in 1...1000 {
            let pause = rules.pause(after: failureCount, &generator)
            let whole = min(Duration.seconds(1) * (1 << min(failureCount - 1, 10)), .seconds(60))
            #expect(pause <= whole && pause >= whole / 2)
        }
        let first = (0..<100).map { _ in rules.pause(after: 1, &generator) }
        #expect(Set(first).count > 50, "what failed together must not come back together")
    }

    @Test("no pause traps, whatever the rules")
    func extremes() {
        var rules = RetryRules()
        var generator = Generator(seed: 1)
        for longest in [Duration.zero, .nanoseconds(1), .seconds(Int64.max / 2)] {
            (rules.pauseMin, rules.pauseMax) = (longest, longest)
            for failureCount in [Int.min, 0, 1, 64, .max] {
                #expect(rules.pause(after: failureCount, &generator) >= .zero)
            }
        }
    }

    @Test("a circuit opens after so many failures in a row, and lets one probe decide")
    func circuit() {
        var rules = RetryRules()
        (rules.failuresToOpen, rules.pauseMin, rules.pauseMax) = (3, .seconds(1), .seconds(8))
        var generator = Generator(seed: 3)
        var breaker = CircuitBreaker()
        let start = Instant.origin
        for _ in 0..<2 { breaker.noteFailure(at: start, rules, &generator) }
        breaker.noteSuccess()
        for _ in 0..<2 { breaker.noteFailure(at: start, rules, &generator) }
        #expect(breaker.admission(at: start) == .all, "a success in between starts the count anew")
        breaker.noteFailure(at: start, rules, &generator)
        #expect(breaker.admission(at: start) == .none)
        var now = start
        for opening in 1...6 {
            let until = breaker.nextDeadline ?? start
            let longest = min(Duration.seconds(1) * (1 << (opening - 1)), .seconds(8))
            #expect(now.duration(to: until) <= longest && now.duration(to: until) >= longest / 2)
            // One that was under way when it opened says nothing new.
            breaker.noteFailure(at: now, rules, &generator)
            #expect(breaker.nextDeadline == until)
            now = until
            #expect(breaker.admission(at: now) == .probe)
            breaker.noteStart()
            #expect(breaker.admission(at: now) == .none)
            breaker.noteFailure(at: now, rules, &generator)
        }
        now = breaker.nextDeadline ?? now
        breaker.noteStart()
        breaker.noteSuccess()
        #expect(breaker.admission(at: now) == .all && breaker.failureCount == 0)
    }

    @Test("a probe that says nothing of the destination makes room for another")
    func voidProbe() {
        var rules = RetryRules()
        rules.failuresToOpen = 1
        var generator = Generator(seed: 3)
        var breaker = CircuitBreaker()
        breaker.noteFailure(at: .origin, rules, &generator)
        let now = breaker.nextDeadline ?? .origin
        breaker.noteStart()
        breaker.noteNothing(at: now)
        #expect(breaker.admission(at: now) == .probe)
    }
}
