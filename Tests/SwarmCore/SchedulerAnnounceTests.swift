// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore
import Testing

/// When the tracker is asked, and by how many swarms at a time.
@Suite("Announces of a scheduler") struct SchedulerAnnounceTests {
    /// Opens the swarms of `metaInfos`; answers what came of it.
    private func open(
        _ metaInfos: [MetaInfo],
        at host: inout LoneScheduler
    ) -> [SwarmScheduler.Effect] {
        metaInfos.flatMap { metaInfo in
            host.handle(
                .opened(
                    SwarmDescription(
                        metaInfo: metaInfo,
                        namespace: "ns",
                        held: Bitfield(pieceCount: metaInfo.layout.pieceCount),
                        isCommitted: false,
                        isLocalRequest: true
                    )
                )
            )
        }
    }

    private func announced(_ effects: [SwarmScheduler.Effect]) -> [InfoHash] {
        effects.compactMap {
            if case .announce(let hash, _, _) = $0 { hash } else { nil }
        }
    }

    @Test("a swarm announces when it is opened, and when it is asked for again")
    func first() throws {
        var host = try LoneScheduler()
        #expect(host.open().announces == [false])
        // One at a time.
        #expect(host.open().announces == [])
        host.introduce([])
        #expect(host.open().announces == [false])
    }

    @Test("announces over the limit wait their turn, first come first served")
    func queue() throws {
        var limits = Limits()
        limits.announcesInFlightMax = 2
        var host = try LoneScheduler(limits: limits)
        let metaInfos = try (1...5).map { try LoneScheduler.metaInfo(pieces: $0) }
        let hashes = metaInfos.map(\.infoHash)
        #expect(announced(open(metaInfos, at: &host)) == Array(hashes[..<2]))
        let second = host.handle(.announceAnswered(hashes[1], [], interval: .seconds(3)))
        #expect(announced(second) == [hashes[2]])
        // A swarm that is deleted gives up its turn, or its place.
        #expect(announced(host.handle(.removed(hashes[3]))) == [])
        #expect(announced(host.handle(.removed(hashes[0]))) == [hashes[4]])
        #expect(announced(host.handle(.announceFailed(hashes[2]))) == [])
    }

    @Test("p2p §10.1-9: every swarm announces at its own interval, not one per tick")
    func manySwarms() throws {
        var host = try LoneScheduler()
        let metaInfos = try (1...20).map { try LoneScheduler.metaInfo(pieces: $0) }
        #expect(announced(open(metaInfos, at: &host)).count == 20)
        for metaInfo in metaInfos {
            host.handle(.announceAnswered(metaInfo.infoHash, [], interval: .seconds(3)))
        }
        let again = Set(announced(host.wait(.seconds(3))))
        #expect(again.count == 20)
    }

    @Test("a starved swarm whose slots are full lets three go that have nothing for it")
    func makesRoom() throws {
        var policy = LoneScheduler.policy
        (policy.connectionsMax, policy.leavesSlots) = (5, false)
        var host = try LoneScheduler(policy: policy)
        host.open(holding: [0])
        let busy = try host.connect(to: 1, holding: [])
        let others = try (2...5).map { try host.connect(to: $0, holding: []) }
        host.receive(.pieceRequest(host.span(0)), from: busy)
        let effects = host.wait(.seconds(3))
        #expect(effects.announces == [false])
        #expect(others.count { effects.closing($0) == .useless } == 3)
        #expect(effects.closing(busy) == nil)
        // They are not dialled again at once.
        let dials = host.introduce([1, 2, 3, 4, 5, 6]).dials
        #expect(dials.keys.sorted() == [LoneScheduler.peer(6)])
    }

    @Test("a swarm that completes while it waits its turn gives it up")
    func completesInQueue() throws {
        // Its announce would tell the tracker that it is incomplete after all.
        var limits = Limits()
        limits.announcesInFlightMax = 1
        var host = try LoneScheduler(pieces: 1, limits: limits)
        let others = try (2...3).map { try LoneScheduler.metaInfo(pieces: $0) }
        let hashes = others.map(\.infoHash)
        #expect(announced(open([others[0]], at: &host)) == [hashes[0]])
        #expect(host.open().announces == [])
        #expect(announced(open([others[1]], at: &host)) == [])
        let (seeder, _) = host.knock(1)
        host.deliver(0, from: seeder)
        #expect(host.handle(.committed(host.hash)).announces == [true])
        let next = host.handle(.announceAnswered(hashes[0], [], interval: .seconds(3)))
        #expect(announced(next) == [hashes[1]])
    }

    @Test("a swarm with sources announces at the tracker's interval, up to a tenth early")
    func interval() throws {
        var host = try LoneScheduler(pieces: 200)
        host.open()
        let peer = try host.connect(to: 1)
        host.handle(.announceAnswered(host.hash, [host.info(1)], interval: .seconds(10)))
        var next = 0
        var announcedAt: [Instant] = []
        for _ in 0..<60 {
            host.deliver(next, from: peer)
            next += 1
            guard !host.wait(.milliseconds(500)).announces.isEmpty else { continue }
            announcedAt.append(host.now)
            host.introduce([1])
            host.handle(.announceAnswered(host.hash, [host.info(1)], interval: .seconds(10)))
        }
        #expect(announcedAt.count == 3 || announcedAt.count == 2)
        let waits = zip(announcedAt, announcedAt.dropFirst()).map { $0.duration(to: $1) }
        #expect(waits.allSatisfy { $0 >= .milliseconds(8500) && $0 <= .milliseconds(10500) })
    }

    @Test("a swarm without sources announces after 100 ms, then 200, 400 … up to the interval")
    func starved() throws {
        var host = try LoneScheduler()
        host.open()
        var times = [host.now]
        for _ in 0..<8 {
            host.introduce([])
            while host.wait(.milliseconds(10)).announces.isEmpty,
                times[0].duration(to: host.now) < .minutes(1)
            {}
            times.append(host.now)
        }
        let waits = zip(times, times.dropFirst()).map { $0.duration(to: $1).seconds }
        #expect(waits.prefix(5) == [0.1, 0.2, 0.4, 0.8, 1.6])
        #expect(waits.suffix(2).allSatisfy { $0 >= 2.7 && $0 <= 3 })
    }

    @Test("a swarm that loses its last source announces at once, not at the next interval")
    func lastSource() throws {
        var host = try LoneScheduler()
        host.open()
        let peer = try host.connect(to: 1)
        host.handle(.announceAnswered(host.hash, [host.info(1)], interval: .minutes(1)))
        host.deliver(0, from: peer)
        let early = host.handle(.closed(peer, reason: "reset"))
        #expect(early.announces == [])
        #expect(host.wait(.milliseconds(101)).announces == [false])
    }

    @Test("a swarm whose slots are all in use does not announce")
    func saturated() throws {
        var policy = LoneScheduler.policy
        (policy.connectionsMax, policy.slowMebibyteTime) = (1, nil)
        var host = try LoneScheduler(pieces: 200, policy: policy)
        host.open()
        let peer = try host.connect(to: 1)
        for piece in 0..<40 {
            host.deliver(piece, from: peer)
            #expect(host.wait(.milliseconds(500)).announces.isEmpty)
        }
    }

    @Test("an announce that nobody answers is made again, and its turn given to others")
    func unanswered() throws {
        var limits = Limits()
        limits.announcesInFlightMax = 1
        var host = try LoneScheduler(limits: limits)
        let metaInfos = try (1...2).map { try LoneScheduler.metaInfo(pieces: $0) }
        let hashes = metaInfos.map(\.infoHash)
        #expect(announced(open(metaInfos, at: &host)) == [hashes[0]])
        let effects = announced(host.wait(.minutes(3)))
        #expect(effects.prefix(2) == [hashes[1], hashes[0]])
    }

    @Test("a failed announce is made again")
    func failed() throws {
        var host = try LoneScheduler()
        host.open()
        host.handle(.announceFailed(host.hash))
        #expect(host.wait(.seconds(3)).announces == [false])
    }

    @Test("a blob that completes is announced as complete, once")
    func complete() throws {
        var host = try LoneScheduler(pieces: 1)
        host.open()
        let peer = try host.connect(to: 1)
        host.deliver(0, from: peer)
        #expect(host.handle(.committed(host.hash)).announces == [true])
        #expect(host.wait(.minutes(4)).announces == [])
    }

    @Test("a complete blob that comes back into memory is announced")
    func revived() throws {
        // After a restart nobody would ever hear of it again.
        var host = try LoneScheduler()
        #expect(host.open(isCommitted: true).announces == [true])
        #expect(host.open(isCommitted: true).announces == [])
        #expect(host.wait(.minutes(4)).announces == [])
    }

    @Test("an announce of a complete blob that fails is made again, but not for ever")
    func completeFails() throws {
        var host = try LoneScheduler()
        host.open(isCommitted: true)
        var retries = 0
        for _ in 0..<10 {
            host.handle(.announceFailed(host.hash))
            host.handle(.readLocally(host.hash))
            retries += host.wait(.minutes(1)).announces.count
        }
        #expect(retries == 3)
    }

    @Test("origins never announce and never dial, not even for a blob they lack")
    func origins() throws {
        // Its announce stayed due for ever, and so did the timer.
        var host = try LoneScheduler(role: .origin)
        #expect(host.open().announces == [])
        host.wait(.minutes(1))
        #expect(host.wakeUps < 10)
        #expect(host.introduce([1]).dials.isEmpty)
        var seeder = try LoneScheduler(role: .origin)
        #expect(seeder.open(isCommitted: true).announces == [])
    }
}
