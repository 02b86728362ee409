// SPDX-License-Identifier: Apache-2.0

import TUI
import Telemetry
import Testing

#if DEBUG
private let isOptimised = false
#else
private let isOptimised = true
#endif

@Suite("Cost of Explain", .serialized, .enabled(if: isOptimised))
struct ExplainCostTests {
    /// Builders are slower than what the design's budget was measured on.
    private static let milliseconds = 4.0 * 3

    @Test("a frame of 200x60 and another moment of 20 000 events take no longer than the budget")
    func frames() throws {
        var toy = ToySwarm(seed: 3, agents: 100, pieces: 1000, present: 100)
        var history = History()
        while toy.window.count < EventWindow.eventsMax {
            for _ in 0..<500 { toy.play() }
            history.append(toy.picture())
        }
        var view = SamplePicture.view(.explain, 200, 60)
        view.peer = "a05"
        let span = try #require(history.span)
        var times: [[Duration]] = [[], []]
        for step in 0..<40 {
            view.time.at = span.upperBound.later(bySeconds: -Double(step) / 3)
            let clock = ContinuousClock()
            var picture = ClusterPicture()
            times[0].append(
                clock.measure {
                    picture = history.picture(at: view.time.at ?? span.upperBound)
                }
            )
            times[1].append(clock.measure { _ = render(picture, view) })
        }
        for times in times {
            let median = times.sorted()[times.count / 2] / .milliseconds(1)
            #expect(median < Self.milliseconds)
        }
    }
}
