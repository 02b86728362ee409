// SPDX-License-Identifier: Apache-2.0

import TUI
import Telemetry
import Testing

@Suite("Moments of lessons")
struct LessonTests {
    private struct Stage {
        var cluster = TestCluster(agents: 2)
        var interface: Interface

        init() {
            var view = ViewState()
            view.size = Size(width: 120, height: 36)
            interface = Interface(view: view)
            for _ in 0..<11 { pass() }
        }

        /// A tenth of a second passes, with a moment of a lesson in it or without.
        mutating func pass(_ lesson: String? = nil) {
            cluster.now += 100_000_000
            var events: [ClusterEvent] = []
            if let lesson {
                var event = cluster.event(.lesson, by: "agent-0")
                event.reason = lesson
                events = [event]
            }
            _ = interface.receive(cluster.picture(events: events))
        }

        mutating func pass(seconds: Int) { for _ in 0..<seconds * 10 { pass() } }
    }

    @Test("stop the view and say what there is to see; the cluster goes on, and the view after it")
    func stop() {
        var stage = Stage()
        stage.pass("look at a01")
        #expect(stage.interface.view.time.isPaused)
        #expect(stage.interface.view.toast?.text.contains("look at a01") == true)
        let moment = stage.interface.view.time.at
        stage.pass(seconds: 5)
        #expect(stage.interface.view.time.at == moment)
        #expect(stage.interface.history.latest.takenAt.seconds(since: moment ?? .now) > 4)
        stage.pass(seconds: 4)
        #expect(stage.interface.view.time.isLive)
        #expect(stage.interface.history.latest.marks.contains { $0.label == "lesson" })
    }

    @Test("who touches a key decides when the view goes on")
    func takenOver() {
        var stage = Stage()
        stage.pass("look")
        _ = stage.interface.handle(.key(.character("2")))
        stage.pass(seconds: 20)
        #expect(stage.interface.view.time.isPaused && stage.interface.view.screen == .swarm)
        _ = stage.interface.handle(.key(.character(" ")))
        #expect(stage.interface.view.time.isLive)
        stage.pass(seconds: 1)
        #expect(stage.interface.view.time.isLive)
    }

    @Test("a second moment is shown after the first; one that is paused by hand is left alone")
    func two() {
        var stage = Stage()
        stage.pass("first")
        stage.pass("second")
        #expect(stage.interface.view.toast?.text.contains("first") == true)
        stage.pass(seconds: 8)
        #expect(stage.interface.view.time.isPaused)
        #expect(stage.interface.view.toast?.text.contains("second") == true)
        _ = stage.interface.handle(.key(.character(" ")))
        _ = stage.interface.handle(.key(.character(" ")))
        let moment = stage.interface.view.time.at
        stage.pass("third")
        stage.pass(seconds: 20)
        #expect(stage.interface.view.time.at == moment && moment != nil)
    }
}
