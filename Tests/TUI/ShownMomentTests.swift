// SPDX-License-Identifier: Apache-2.0

import Primitives
import TUI
import Telemetry
import TestSupport
import Testing

@Suite("The moment that is shown")
struct ShownMomentTests {
    @Test("a paused view is folded once, whatever comes in and whatever is pressed")
    func once() throws {
        var toy = ToySwarm(seed: 7, agents: 10, pieces: 70, present: 7)
        var view = ViewState()
        (view.screen, view.size) = (.explain, Size(width: 120, height: 36))
        var interface = Interface(view: view)
        func play(_ count: Int) {
            for _ in 0..<count {
                for _ in 0..<20 { toy.play() }
                _ = interface.receive(toy.picture())
            }
        }
        play(40)
        #expect(interface.foldCount == 0)
        _ = interface.perform(.pause)
        play(1)
        let paused = interface.foldCount
        #expect(paused <= 1)
        play(100)
        for key in [Key.tab, .character("v"), .character("2"), .character("7"), .character("/")] {
            _ = interface.handle(.key(key))
        }
        #expect(interface.foldCount == max(1, paused))
        // Another moment is folded once as well.
        let before = interface.foldCount
        _ = interface.perform(.step(-1))
        play(20)
        #expect(interface.foldCount == before + 1)
    }

    @Test("what is kept of a moment is what would be folded anew", arguments: Seeds.fresh(3))
    func equality(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        var toy = ToySwarm(seed: seed, agents: 10, pieces: 70, present: 7)
        var history = History(spanSeconds: 5)
        var moment = ShownMoment()
        var time: Timestamp?
        for _ in 0..<300 {
            for _ in 0..<5 { toy.play() }
            history.append(toy.picture())
            if generator.below(20) == 0 {
                time = history.latest.takenAt.later(bySeconds: -Double(generator.below(40)) / 10)
            }
            guard let time else { continue }
            let isEqual =
                moment.picture(of: history, at: time) == history.picture(at: time)
            #expect(isEqual)
        }
        let isLatest = moment.picture(of: history, at: nil) == history.latest
        #expect(isLatest)
    }

    @Test("an event that comes late, from before the moment, is not lost")
    func late() throws {
        var toy = ToySwarm(seed: 3, agents: 10, pieces: 70, present: 7)
        var history = History()
        var moment = ShownMoment()
        toy.play(seconds: 3, into: &history)
        let time = history.latest.takenAt
        for _ in 0..<20 { toy.play() }
        history.append(toy.picture())
        let before = moment.picture(of: history, at: time)
        var event = try #require(
            history.latest.events.first { $0.kind == .hashFailed || $0.kind == .receivePiece }
        )
        event.kind = .hashFailed
        event.timestamp = time
        toy.window.append([event])
        toy.play()
        history.append(toy.picture())
        let after = moment.picture(of: history, at: time)
        #expect(moment.foldCount == 2)
        #expect(after.totals.badPieces == before.totals.badPieces + 1)
    }
}
