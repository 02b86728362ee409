// SPDX-License-Identifier: Apache-2.0

import Content
import Placement
import Primitives
import TestSupport
import Testing

@Suite("Healing duties") struct HealingTests {
    /// What the holders do: each asks those before it, and copies unless one of these holds the blob.
    private func heal(_ ring: Ring, _ digest: Digest, _ holders: Set<String>) -> [(String, String)]
    {
        var copies: [(from: String, to: String)] = []
        for holder in holders.sorted() {
            let duty = ring.healingDuty(of: holder, for: digest)
            if duty.before.contains(where: holders.contains) { continue }
            for owner in duty.owners where !holders.contains(owner) {
                copies.append((holder, owner))
            }
        }
        return copies
    }

    @Test(
        "whoever holds a blob, all owners get it, each from one holder",
        arguments: Seeds.fresh(8)
    )
    func allOwners(seed: UInt64) {
        var generator = Generator(seed: seed)
        for _ in 0..<200 {
            let names = (0...generator.below(7)).map { "host\($0):1" }
            var ring = Ring(members: names, replicasMax: 1 + generator.below(4))
            ring.replaceHealthy(Set(names.filter { _ in generator.chance(Ratio(2, in: 3)) }))
            let healthy = names.filter(ring.isHealthy)
            guard !healthy.isEmpty else { continue }
            let digest = Digest.random(&generator)
            var holders = Set(healthy.filter { _ in generator.chance(Ratio(1, in: 3)) })
            holders.insert(generator.pick(healthy))
            let copies = heal(ring, digest, holders)
            let owners = ring.owners(of: digest)
            #expect(Set(owners).subtracting(holders) == Set(copies.map(\.1)))
            #expect(copies.count == Set(copies.map(\.1)).count, "nobody gets it twice")
            #expect(Set(copies.map(\.0)).count <= 1, "one holder copies")
        }
    }

    @Test("keeps to a rate, and saves up nothing")
    func pace() {
        var pace = Pace(rate: ByteRate(bytesPerSecond: 1000))
        let start = Instant.origin.advanced(by: .seconds(5))
        #expect(pace.take(500, at: start) == start)
        #expect(pace.take(2000, at: start) == start.advanced(by: .milliseconds(500)))
        #expect(pace.take(1, at: start) == start.advanced(by: .milliseconds(2500)))
        let later = start.advanced(by: .hours(1))
        #expect(pace.take(Int.max, at: later) == later)
        #expect(pace.take(1, at: later) > later.advanced(by: .hours(24)))
        var free = Pace(rate: nil)
        #expect(free.take(Int.max, at: later) == later && free.take(1, at: later) == later)
    }
}
