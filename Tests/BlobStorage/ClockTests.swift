// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Files
import Foundation
import NIOCore
import Primitives
import TestSupport
import Testing

@testable import BlobStorage

@Suite("Clocks that are set") struct ClockTests {
    private static let day: Int64 = 86_400

    /// One set by so much.
    struct Setting: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let seconds: Int64
    }
    private static let settings = [
        Setting(testDescription: "two minutes ahead", seconds: 120),
        Setting(testDescription: "a day ahead", seconds: day),
        Setting(testDescription: "56 years ahead, as from 1970", seconds: 56 * 365 * day),
        Setting(testDescription: "two hours back", seconds: -7200),
        Setting(testDescription: "ten years back", seconds: -3650 * day),
    ]

    /// Six hours without use, a day in all.
    private var policy: CleanupPolicy {
        var policy = CleanupPolicy()
        (policy.timeToIdle, policy.timeToLive) = (.hours(6), .hours(24))
        return policy
    }

    @Test("nothing is dropped when the clock is set, and all goes in its time", arguments: settings)
    func keeps(_ setting: Setting) async throws {
        try await withTemporaryFolder { root in
            // Files bear the machine's own time.
            let clock = ManualClock(Int64(Date().timeIntervalSince1970))
            let store = try await openStore(root, clock: clock, cleanup: policy)
            let (idle, used) = (try SampleBlob("idle"), try SampleBlob("used"))
            for blob in [idle, used] { try await store.add(blob) }
            let unfinished = try SampleBlob("unfinished")
            await (try await store.download(unfinished)).close()
            let upload = try await store.startUpload()
            clock.advance(by: 3600)
            clock.jump(by: setting.seconds)
            try await expect(0, of: 3, from: store, clock)
            #expect(store.upload(upload.id) != nil)

            clock.advance(by: 4 * 3600)
            _ = try await store.cachedBlob(used.digest)
            try await store.untilAccessIsRecorded(used.digest, at: clock.seconds)
            try await expect(0, of: 3, from: store, clock)
            // Six hours and more without use, for all but one.
            clock.advance(by: 2 * 3600)
            try await expect(2, of: 3, from: store, clock)
            #expect(try await store.digests() == [used.digest])
            #expect(store.upload(upload.id) == nil)
            // Another process finds the same times.
            let next = try await openStore(root, clock: clock, cleanup: policy)
            try await expect(0, of: 1, from: next, clock)
            clock.advance(by: 6 * 3600)
            try await expect(1, of: 1, from: next, clock)
        }
    }

    private func expect(
        _ deleted: Int,
        of examined: Int,
        from store: BlobStore,
        _ clock: ManualClock
    ) async throws {
        let report = try await store.cleanUp(now: clock.seconds)
        #expect((report.deletedCount, report.examinedCount) == (deleted, examined))
    }

    @Test("a clock set ahead and back leaves everything as it was")
    func thereAndBack() async throws {
        try await withTemporaryFolder { root in
            let clock = ManualClock(Int64(Date().timeIntervalSince1970))
            let store = try await openStore(root, clock: clock, cleanup: policy)
            let blob = try SampleBlob("blob")
            try await store.add(blob)
            clock.advance(by: 60)
            let before = try #require(try await store.entries().first)
            for seconds in [Self.day, -Self.day] {
                clock.jump(by: seconds)
                try await expect(0, of: 1, from: store, clock)
            }
            #expect(try await store.entries().first == before)
        }
    }

    @Test("what bears a time of before or after the jump counts as younger")
    func watch() {
        var watch = ClockWatch(civil: 1000, steady: .origin)
        func steady(_ seconds: Int64) -> Instant { .origin.advanced(by: .seconds(seconds)) }
        #expect(watch.look(civil: 1150, steady: steady(100)) == nil, "slewed")
        let ahead = watch.look(civil: 10_250, steady: steady(200))
        #expect(ahead == ClockWatch.Jump(seconds: 9000, now: 10_250))
        #expect(ahead?.corrected(1000) == 10_000)
        #expect(ahead?.corrected(10_200) == 10_200)
        let back = watch.look(civil: 1350, steady: steady(300))
        #expect(back == ClockWatch.Jump(seconds: -9000, now: 1350))
        #expect(back?.corrected(10_250) == 1250)
        #expect(back?.corrected(1300) == 1300)
        #expect(watch.look(civil: 1450, steady: steady(400)) == nil)
    }
}
