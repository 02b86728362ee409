// SPDX-License-Identifier: Apache-2.0

import Primitives
import TestSupport
import Testing

@testable import ProxyService

@Suite("Following an upload: the schedule") struct FollowScheduleTests {
    private static let chunk = FollowSchedule.chunkBytes

    @Test("sends whole chunks, one at a time, and says when there is one")
    func chunks() {
        var schedule = FollowSchedule()
        #expect(schedule.next() == .wait)
        let told1 = schedule.receive(upTo: Self.chunk - 1)
        #expect(!told1)
        #expect(schedule.next() == .wait)
        let told2 = schedule.receive(upTo: Self.chunk)
        #expect(told2)
        #expect(schedule.next() == .send(0..<Self.chunk))
        // Who was told need not be told again.
        let told3 = schedule.receive(upTo: 3 * Self.chunk - 1)
        #expect(!told3)
        #expect(schedule.next() == .send(0..<Self.chunk))
        schedule.sent(upTo: Self.chunk)
        #expect(schedule.next() == .send(Self.chunk..<2 * Self.chunk))
        schedule.sent(upTo: 2 * Self.chunk)
        #expect(schedule.next() == .wait)
        let told4 = schedule.receive(upTo: 3 * Self.chunk)
        #expect(told4)
        #expect(schedule.next() == .send(2 * Self.chunk..<3 * Self.chunk))
    }

    @Test("an upload that goes on after a restart is sent from its start")
    func resumed() {
        var schedule = FollowSchedule()
        let told5 = schedule.receive(upTo: 5 * Self.chunk)
        #expect(told5)
        #expect(schedule.next() == .send(0..<Self.chunk))
    }

    @Test("leaves the rest to whoever commits, and sends nothing that was given up")
    func ends() {
        var schedule = FollowSchedule()
        _ = schedule.receive(upTo: 2 * Self.chunk)
        schedule.seal()
        #expect(schedule.next() == .stop)
        #expect(schedule.sentBytes == 0)
        schedule.giveUp()
        schedule.seal()
        #expect(schedule.next() == .stop)
    }

    @Test("sends each byte once and in order, however they come in", arguments: Seeds.fresh(30))
    func order(seed: UInt64) {
        var generator = Generator(seed: seed)
        var schedule = FollowSchedule()
        var (received, sent) = (0, 0)
        var isTold = false
        for _ in 0..<200 {
            if generator.chance(Ratio(1, in: 2)) {
                received += generator.below(2 * Self.chunk)
                isTold = schedule.receive(upTo: received) || isTold
            } else if case .send(let range) = schedule.next() {
                #expect(isTold)
                #expect(range == sent..<sent + Self.chunk && range.upperBound <= received)
                sent = range.upperBound
                schedule.sent(upTo: sent)
            } else {
                #expect(received - sent < Self.chunk)
                isTold = false
            }
        }
    }

    @Test(
        "an upload is worth following where every second origin owns a blob",
        arguments: [
            (owners: 1, hosts: 1, others: 0, isWorthIt: true),
            (owners: 3, hosts: 3, others: 0, isWorthIt: true),
            (owners: 2, hosts: 4, others: 0, isWorthIt: true),
            (owners: 2, hosts: 5, others: 0, isWorthIt: false),
            // One name for all of them.
            (owners: 3, hosts: 1, others: 3, isWorthIt: true),
            (owners: 3, hosts: 1, others: 4, isWorthIt: false),
        ]
    )
    func policy(owners: Int, hosts: Int, others: Int, isWorthIt: Bool) {
        var policy = FollowPolicy()
        let names = (0..<owners).map { "origin-\($0)" }
        policy.note(names)
        policy.note((0..<others).map { "other-\($0)" })
        policy.note(names)
        #expect(policy.isWorthIt(owners: names, hostCount: hosts) == isWorthIt)
    }
}
