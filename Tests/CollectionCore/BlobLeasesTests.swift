// SPDX-License-Identifier: Apache-2.0

import CollectionCore
import Content
import Primitives
import TestSupport
import Testing

@Suite("Blob leases") struct BlobLeasesTests {
    private let one = Digest(hashing: Array("1".utf8))
    private let two = Digest(hashing: Array("2".utf8))

    private func at(_ seconds: Int) -> Instant { Instant.origin.advanced(by: .seconds(seconds)) }

    private func refusal(
        _ leases: BlobLeases,
        _ digest: Digest,
        run: UInt64 = 1,
        epoch: UInt64 = 9,
        began: Int
    ) -> BlobLeases.Refusal? {
        leases.refusal(
            of: digest,
            to: run,
            began: at(began),
            epoch: epoch,
            grace: .seconds(60),
            at: at(began + 5)
        )
    }

    @Test("a touch is good for the grace period, a start counts as a touch of everything")
    func touches() {
        var leases = BlobLeases(epoch: 9, touchesMax: 10, at: at(0))
        #expect(refusal(leases, one, began: 60) == .unremembered)
        #expect(refusal(leases, one, began: 61) == nil)
        let isTouched = leases.touch(one, at: at(100))
        #expect(isTouched)
        #expect(refusal(leases, one, began: 130) == .used(before: .seconds(30)))
        #expect(refusal(leases, one, began: 90) == .used(before: .seconds(-10)))
        #expect(refusal(leases, two, began: 130) == nil)
        #expect(refusal(leases, one, began: 161) == nil)
        #expect(refusal(leases, one, epoch: 8, began: 161) == .restarted)
    }

    @Test("what is held is refused however long it takes")
    func holds() {
        var leases = BlobLeases(epoch: 9, touchesMax: 10, at: at(0))
        let (first, second) = (leases.hold(one, at: at(1)), leases.hold(one, at: at(2)))
        #expect(first && second)
        leases.release(one, at: at(3))
        #expect(refusal(leases, one, began: 1000) == .held)
        leases.release(one, at: at(1001))
        #expect(refusal(leases, one, began: 1050) == .used(before: .seconds(49)))
        #expect(refusal(leases, one, began: 1062) == nil)
    }

    @Test("what is condemned can't be touched, by its run only removed, and ends by itself")
    func condemnation() {
        var leases = BlobLeases(epoch: 9, touchesMax: 10, at: at(0))
        leases.condemn(one, by: 1, until: at(200))
        let (isTouched, isHeld) = (leases.touch(one, at: at(150)), leases.hold(one, at: at(150)))
        #expect(!isTouched && !isHeld)
        #expect(refusal(leases, one, run: 2, began: 150) == .condemned)
        #expect(refusal(leases, one, run: 1, began: 150) == nil)
        #expect(leases.mayRemove(one, by: 1, at: at(199)))
        #expect(!leases.mayRemove(one, by: 2, at: at(199)))
        #expect(!leases.mayRemove(one, by: 1, at: at(200)))
        #expect(leases.nextDeadline == at(200))
        let released = leases.release([one], by: 2)
        #expect(released.isEmpty)
        let ended = leases.expire(at: at(200))
        #expect(ended == [one] && leases.nextDeadline == nil)
        let isTouchedAgain = leases.touch(one, at: at(200))
        #expect(isTouchedAgain)
    }

    @Test("what it can't remember it takes for used", arguments: Seeds.fresh(50))
    func bounded(seed: UInt64) {
        var generator = Generator(seed: seed)
        var leases = BlobLeases(epoch: 9, touchesMax: 6, at: at(0))
        let digests = (0..<12).map { _ in Digest.random(&generator) }
        var touched: [Digest: Int] = [:]
        for second in 1...300 {
            let digest = generator.pick(digests)
            _ = leases.touch(digest, at: at(second))
            touched[digest] = second
            for (digest, last) in touched where second - last <= 60 {
                #expect(refusal(leases, digest, began: second) != nil, "touched at \(last)")
            }
        }
    }
}
