// SPDX-License-Identifier: Apache-2.0

import Primitives
import Synchronization
import Testing

@testable import TrackerService

/// A clock that the test moves.
private final class ManualClock: Sendable {
    private let seconds = Mutex<Int64>(0)
    func advance(_ by: Int64) { seconds.withLock { $0 += by } }
    @Sendable func now() -> Instant { seconds.withLock { .origin.advanced(by: .seconds($0)) } }
}

extension ServicesTests {
    @Suite("Lookup cache") struct TrackerLookupCacheTests {
        private typealias Cache = LookupCache<String, Int>
        private let clock = ManualClock()

        private func cache(
            answersMax: Int = 10,
            lookupsMax: Int = 10,
            costMax: Int = .max
        ) -> LookupCache<String, Int> {
            LookupCache(
                answersMax: answersMax,
                lookupsMax: lookupsMax,
                costMax: costMax,
                cost: { $0 },
                now: clock.now
            )
        }

        private func answer(_ value: Int) -> @Sendable () async -> LookupCache<String, Int>.Answer {
            { .init(value: value, timeToLive: .seconds(10)) }
        }

        @Test("remembers an answer for its time to live")
        func timeToLive() async {
            let cache = cache()
            #expect(await cache.value(of: "a", timeout: .seconds(60), lookUp: answer(1)) == 1)
            clock.advance(9)
            #expect(await cache.value(of: "a", timeout: .seconds(60), lookUp: answer(2)) == 1)
            clock.advance(1)
            #expect(await cache.value(of: "a", timeout: .seconds(60), lookUp: answer(3)) == 3)
        }

        @Test("gives an old answer at once while it fetches a new one")
        func stale() async {
            let cache = cache()
            _ = await cache.value(of: "a", timeout: .seconds(60), lookUp: answer(1))
            clock.advance(20)
            #expect(cache.remembered("a", staleMax: .seconds(60), lookUp: answer(2)) == 1)
            _ = await cache.wait(for: "a", timeout: .seconds(60))
            #expect(cache.remembered("a", staleMax: .seconds(60), lookUp: answer(3)) == 2)
            clock.advance(60)
            #expect(cache.remembered("a", staleMax: .seconds(60), lookUp: answer(4)) == nil)
            #expect(await cache.value(of: "a", timeout: .seconds(60), lookUp: answer(5)) == 4)
        }

        @Test(
            "lets a caller give up, by time or by cancellation, and keeps the answer for the next"
        )
        func givingUp() async {
            let cache = cache()
            let gate = TrackerSignal<Void>()
            let slow: @Sendable () async -> Cache.Answer = {
                await gate.wait()
                return .init(value: 1, timeToLive: .seconds(10))
            }
            #expect(await cache.value(of: "a", timeout: .milliseconds(1), lookUp: slow) == nil)
            let cancelled = Task { await cache.value(of: "a", timeout: .seconds(60), lookUp: slow) }
            cancelled.cancel()
            #expect(await cancelled.value == nil)
            let waiting = Task { await cache.value(of: "a", timeout: .seconds(60), lookUp: slow) }
            gate.send(())
            #expect(await waiting.value == 1)
            #expect(cache.remembered("a", lookUp: slow) == 1)
        }

        @Test("turns callers away when too many look-ups are on their way")
        func lookupsMax() async {
            let cache = cache(lookupsMax: 1)
            let gate = TrackerSignal<Void>()
            let slow: @Sendable () async -> Cache.Answer = {
                await gate.wait()
                return .init(value: 1, timeToLive: .seconds(10))
            }
            #expect(cache.remembered("a", lookUp: slow) == nil)
            #expect(await cache.value(of: "b", timeout: .seconds(60), lookUp: slow) == nil)
            let waiting = Task { await cache.wait(for: "a", timeout: .seconds(60)) }
            gate.send(())
            #expect(await waiting.value == 1)
            #expect(await cache.value(of: "b", timeout: .seconds(60), lookUp: answer(2)) == 2)
        }

        @Test("drops the oldest answers beyond its number and its cost")
        func bounds() async {
            let cache = cache(answersMax: 3, costMax: 10)
            for (key, cost) in [("a", 1), ("b", 1), ("c", 1), ("d", 1)] {
                _ = await cache.value(of: key, timeout: .seconds(60), lookUp: answer(cost))
            }
            let none: @Sendable () async -> Cache.Answer = {
                .init(value: 0, timeToLive: .seconds(10))
            }
            #expect(cache.remembered("b", lookUp: none) == 1)
            #expect(cache.remembered("d", lookUp: none) == 1)
            _ = await cache.value(of: "e", timeout: .seconds(60), lookUp: answer(9))
            #expect(cache.remembered("e", lookUp: none) == 9)
            #expect(cache.remembered("d", lookUp: none) == 1)
            #expect(cache.remembered("c", lookUp: none) == nil)
        }
    }
}
