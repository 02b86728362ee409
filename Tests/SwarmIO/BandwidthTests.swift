// SPDX-License-Identifier: Apache-2.0

import Primitives
import SwarmCore
import TestSupport
import Testing

@testable import SwarmIO

@Suite("Token bucket") struct TokenBucketTests {
    private let start = Instant(nanoseconds: 1_000_000_000)

    private func bucket(_ bytesPerSecond: Int, burst: Duration = .milliseconds(50)) -> TokenBucket {
        TokenBucket(rate: ByteRate(bytesPerSecond: bytesPerSecond), burst: burst, at: start)
    }

    @Test("is open at first, shuts with the burst spent, and opens when it is paid for")
    func debt() {
        var bucket = bucket(1000)
        #expect(bucket.isOpen(at: start))
        bucket.spend(50, at: start)
        #expect(bucket.isOpen(at: start))
        bucket.spend(10, at: start)
        #expect(!bucket.isOpen(at: start))
        #expect(bucket.opensAt == start.advanced(by: .milliseconds(10)))
        #expect(bucket.isOpen(at: bucket.opensAt))
    }

    @Test("saves up no more than the burst, however long it idles")
    func idle() {
        var bucket = bucket(1000)
        let later = start.advanced(by: .hours(5))
        bucket.spend(150, at: later)
        #expect(bucket.opensAt == later.advanced(by: .milliseconds(100)))
    }

    @Test("charges small amounts as exactly as large ones")
    func exactness() {
        var (one, many) = (bucket(1 << 20), bucket(1 << 20))
        one.spend(1 << 20, at: start)
        for _ in 0..<1024 { many.spend(1024, at: start) }
        let difference = one.opensAt.duration(to: many.opensAt)
        #expect(abs(difference.nanoseconds) <= 1024)
    }

    @Test("takes the largest piece at the lowest rate")
    func extremes() {
        var bucket = bucket(1)
        bucket.spend(64 << 20, at: start)
        #expect(bucket.opensAt > start.advanced(by: .hours(18_000)))
        var fast = self.bucket(100 << 30)
        fast.spend(64 << 20, at: start)
        #expect(fast.isOpen(at: start.advanced(by: .milliseconds(1))))
    }

    @Test(
        "lets through the rate to within a tenth, whoever asks how often",
        arguments: Seeds.fresh(20)
    )
    func longRun(seed: UInt64) {
        var generator = Generator(seed: seed)
        let rate = 1000 + generator.below(100 << 20)
        var bucket = bucket(rate)
        var (now, sent) = (start, 0)
        let end = start.advanced(by: .seconds(100))
        while now < end {
            if bucket.isOpen(at: now) {
                let bytes = 1 + generator.below(max(1, rate / 50))
                bucket.spend(bytes, at: now)
                sent += bytes
            }
            let pause = bucket.isOpen(at: now) ? 0 : now.duration(to: bucket.opensAt).nanoseconds
            // Timers are late by up to 5 ms.
            now = now.advanced(by: .nanoseconds(pause + Int64(generator.below(5_000_000))))
        }
        let expected = rate * 100
        #expect(sent > expected / 10 * 9 && sent < expected / 10 * 11)
    }
}

@Suite("Bandwidth gate") struct BandwidthGateTests {
    private let start = Instant(nanoseconds: 1_000_000_000)
    private let ids = (1...4).map { ConnectionID($0) }

    @Test("without a limit it is always open and needs no timer unless somebody waits")
    func unlimited() {
        var gate = BandwidthGate(rate: nil, at: start)
        #expect(!gate.isLimited && gate.nextDeadline == nil)
        gate.wait(ids[0])
        gate.spend(1 << 40, at: start)
        #expect(gate.next(at: start) == ids[0])
        #expect(gate.next(at: start) == nil)
    }

    @Test("lets connections in by turns, and one that has begun before the others")
    func order() {
        var gate = BandwidthGate(rate: nil, at: start)
        for id in ids { gate.wait(id) }
        gate.wait(ids[0])
        #expect(gate.next(at: start) == ids[0])
        gate.wait(ids[0])
        #expect(gate.next(at: start) == ids[1])
        gate.wait(ids[1], hasBegun: true)
        #expect(gate.next(at: start) == ids[1])
        gate.cancel(ids[2])
        #expect(gate.next(at: start) == ids[3])
        #expect(gate.next(at: start) == ids[0])
        #expect(gate.next(at: start) == nil)
    }

    @Test("holds everybody back while it is shut and says until when")
    func shut() {
        var gate = BandwidthGate(rate: ByteRate(bytesPerSecond: 1000), at: start)
        gate.spend(150, at: start)
        #expect(gate.nextDeadline == nil)
        gate.wait(ids[0])
        #expect(gate.next(at: start) == nil)
        #expect(gate.nextDeadline == start.advanced(by: .milliseconds(100)))
        #expect(gate.next(at: start.advanced(by: .milliseconds(100))) == ids[0])
    }

    @Test(
        "cuts traffic finer the lower the rate",
        arguments: [
            (1000, 4 << 10), (1 << 20, 8 << 10), (25 << 20, 128 << 10), (1 << 30, 128 << 10),
        ]
    )
    func slices(rate: Int, bytes: Int) {
        #expect(BandwidthShape.sliceBytes(for: ByteRate(bytesPerSecond: rate)) == bytes)
        #expect(BandwidthShape.sliceBytes(for: nil) == nil)
    }
}
