// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TUI
import Telemetry
import TestSupport
import Testing

@Suite("History")
struct HistoryTests {
    @Test("what is folded from events is what was true", arguments: Seeds.fresh(3))
    func fold(seed: UInt64) throws {
        var toy = ToySwarm(seed: seed, agents: 10, pieces: 70, present: 7)
        var history = History()
        var truth: [(Timestamp, SwarmPicture)] = []
        toy.play(seconds: 7, into: &history) { truth.append(($0.now, $0.swarm().withoutRates)) }
        #expect(truth.count > 1000)
        let events = history.latest.events
        // Everything that can be folded did happen.
        let kinds = Set(events.map(\.kind))
        #expect(kinds.count >= 11, "\(kinds)")
        for (time, swarm) in truth {
            let picture = history.picture(at: time)
            guard picture.swarm?.withoutRates == swarm else {
                let second = time.seconds(since: ToySwarm.start)
                Issue.record("\(second) s after the start: \(difference(picture.swarm, swarm))")
                return
            }
        }
    }

    /// Where two swarms first differ.
    private func difference(_ folded: SwarmPicture?, _ swarm: SwarmPicture) -> String {
        guard let folded = folded?.withoutRates else { return "no swarm" }
        for (left, right) in zip(folded.peers, swarm.peers) where left != right {
            return "\(left)\n\(right)"
        }
        for (left, right) in zip(folded.connections, swarm.connections) where left != right {
            return "\(left)\n\(right)"
        }
        return "\(folded.peers.count) peers, \(swarm.peers.count) in truth"
    }

    @Test("a folded picture carries its moment, the events until then and the time around it")
    func moment() throws {
        var toy = ToySwarm(seed: 1)
        var history = History(spanSeconds: 5)
        toy.play(seconds: 12, into: &history)
        let span = try #require(history.span)
        #expect(abs(span.upperBound.seconds(since: span.lowerBound) - 5) < 1.2)
        let time = span.upperBound.later(bySeconds: -2.5)
        let picture = history.picture(at: time)
        #expect(picture.takenAt == time)
        #expect(picture.now == history.latest.takenAt)
        #expect(picture.events.allSatisfy { $0.timestamp <= time })
        #expect(picture.timeline.events == history.latest.events)
        let later = history.latest.events.count { $0.timestamp > time }
        #expect(picture.events.count + later == history.latest.events.count)
        // Before the first moment there is nothing older to show.
        #expect(history.picture(at: ToySwarm.start).takenAt == span.lowerBound)
        #expect(history.picture(at: span.upperBound.later(bySeconds: 9)) == history.latest)
    }

    @Test("a shortened window of events is the window of old")
    func windows() {
        var toy = ToySwarm(seed: 3)
        var history = History()
        toy.play(seconds: 4, into: &history)
        let all = toy.window
        for count in [0, 1, 255, 256, 257, 512, all.count - 1, all.count, all.count + 1, -1] {
            var expected = EventWindow()
            expected.append(all.prefix(max(0, count)))
            let window = all.ending(before: count)
            #expect(window.elementsEqual(expected), "\(count)")
            #expect(window == expected || window.count == all.count, "\(count)")
            var longer = window
            longer.append(all.dropFirst(window.count))
            #expect(longer.elementsEqual(all), "\(count)")
        }
    }

    // MARK: - Stepping

    @Test("steps forth and back come to the same picture", arguments: [nil, "a05", "o1"])
    func stepping(peer: String?) throws {
        var toy = ToySwarm(seed: 5)
        var history = History()
        toy.play(seconds: 16, into: &history)
        let filter = StoryFilter(following: peer, in: history.latest)
        let times = history.latest.events.filter(filter.matches).map(\.timestamp)
            .filter { $0 >= history.span?.lowerBound ?? ToySwarm.start }
        try #require(times.count > 20)
        let middle = times[times.count / 2]
        let picture = history.picture(at: middle)
        for count in [1, 2, 7] {
            let on = try #require(history.step(from: middle, by: count, following: peer))
            #expect(on == times[times.count / 2 + count])
            let back = try #require(history.step(from: on, by: -count, following: peer))
            #expect(back == middle)
            #expect(history.picture(at: back) == picture)
        }
        // As far as there are events, and no further.
        #expect(history.step(from: middle, by: .max, following: peer) == times.last)
        #expect(history.step(from: middle, by: .min, following: peer) == times.first)
        let last = try #require(times.last)
        #expect(history.step(from: last, by: 1, following: peer) == nil)
        #expect(history.step(from: middle, by: 0, following: peer) == nil)
    }

    @Test("an event is found by its name")
    func event() throws {
        var toy = ToySwarm(seed: 5)
        var history = History()
        toy.play(seconds: 2, into: &history)
        let event = try #require(history.latest.events.last)
        let key = EventKey(component: event.component, sequence: event.sequence)
        #expect(history.event(key) == event)
        #expect(history.event(EventKey(component: "nobody", sequence: 1)) == nil)
    }

    // MARK: - What goes wrong

    @Test("a clock that goes back makes the history start over from there")
    func clock() {
        var toy = ToySwarm(seed: 2)
        var history = History()
        toy.play(seconds: 5, into: &history)
        toy.now = ToySwarm.start.later(bySeconds: 2)
        toy.play(seconds: 2, into: &history)
        #expect(history.span?.upperBound == toy.now)
        #expect((history.span?.lowerBound).map { $0 <= toy.now } == true)
        for tenth in 0..<60 {
            let time = ToySwarm.start.later(bySeconds: Double(tenth) / 10)
            #expect(history.picture(at: time).takenAt <= toy.now)
            _ = history.step(from: time, by: tenth % 2 == 0 ? 1 : -1)
        }
    }

    @Test("strange events change nothing that they should not", arguments: Seeds.fresh(8))
    func strangeEvents(seed: UInt64) {
        var toy = ToySwarm(seed: seed, agents: 5, pieces: 9)
        var history = History()
        toy.play(seconds: 1.2, into: &history)
        var generator = Generator(seed: seed)
        var picture = toy.picture()
        picture.events.append((0..<400).map { _ in RandomEvents.event(toy, &generator) })
        picture.takenAt = toy.now.later(bySeconds: 0.5)
        history.append(picture)
        for _ in 0..<50 {
            let time = ToySwarm.start.later(bySeconds: Double(generator.below(2000)) / 1000)
            let shown = history.picture(at: time)
            for peer in shown.swarm?.peers ?? [] {
                #expect(peer.bits.pieceCount == 9)
            }
            for row in shown.swarm?.connections ?? [] {
                #expect(row.first < row.second)
                #expect(shown.swarm?.peers.indices.contains(row.second) == true)
            }
        }
    }

    @Test("an empty history shows an empty picture")
    func empty() {
        let history = History(spanSeconds: .nan)
        #expect(history.spanSeconds == History.spanSecondsDefault)
        #expect(history.span == nil)
        #expect(history.picture(at: ToySwarm.start).isEmpty)
        #expect(history.step(from: ToySwarm.start, by: 1) == nil)
    }
}

/// Events that make no sense.
enum RandomEvents {
    private static let kinds: [EventKind] = [
        .addTorrent, .addActiveConnection, .dropActiveConnection, .banConnection, .requestPiece,
        .receivePiece, .torrentComplete, .torrentCancelled, .connectionRejected, .requestExpired,
        .requestWithdrawn, .hashFailed, .duplicatePiece, .sendPiece, .announce, .announceFailed,
        .leave, .push, .pull,
        .blobCommitted, .blobEvicted, .blobRefreshed, .tagPut, .writeBackQueued, .writeBackDone,
        .writeBackFailed, .replicationQueued, .replicationDone, .replicationFailed, .membership,
        .health, .fault, EventKind(rawValue: "from_the_future"),
    ]

    static func event(_ toy: ToySwarm, _ generator: inout Generator) -> ClusterEvent {
        let numbers = [0, 1, 8, 9, -1, Int.max, Int.min, 4 << 20]
        func number() -> Int? { generator.below(3) == 0 ? nil : generator.pick(numbers) }
        func peer() -> PeerID? {
            let index = generator.below(toy.held.count + 4)
            return index < toy.held.count
                ? toy.id(index) : index % 2 == 0 ? nil : PeerID(hashOfAddress: "?", port: index)
        }
        let texts = [
            "", "x", "rarest(availability: 999999999999999999999)", "endgame", "\u{1B}[31m漢",
            "refused",
        ]
        var event = ClusterEvent(
            generator.pick(kinds),
            torrent: generator.below(5) == 0 ? nil : toy.infoHash,
            blob: generator.below(3) == 0 ? toy.digest : nil,
            localPeer: peer(),
            peer: peer(),
            piece: number(),
            bytes: number(),
            tookMilliseconds: number(),
            durationMilliseconds: number(),
            reason: generator.below(2) == 0 ? generator.pick(texts) : nil,
            detail: generator.below(2) == 0
                ? [
                    "slot": "\(number() ?? 3)", "slots": "\(number() ?? 3)",
                    "held": "\(number() ?? 0)", "peers": "\(number() ?? 0)",
                    "origins": "\(number() ?? 0)", "seeders": "\(number() ?? 0)",
                    "bitfield": "#..#", "bytes_from_agents": "\(number() ?? 0)",
                ] : nil
        )
        event.component =
            generator.below(4) == 0 ? "agent-77" : toy.component(generator.below(toy.held.count))
        event.sequence = UInt64(generator.below(50))
        let offset = Double(generator.below(2000)) / 1000 - 1
        event.timestamp = toy.now.later(bySeconds: generator.below(40) == 0 ? 1e12 : offset)
        return event
    }
}
