// SPDX-License-Identifier: Apache-2.0

import TUI
import Telemetry
import Testing

#if DEBUG
private let isOptimised = false
#else
private let isOptimised = true
#endif

@Suite("Cost of swarms", .serialized, .enabled(if: isOptimised))
struct SwarmCostTests {
    /// Builders are slower than what the design's budgets were measured on.
    private static let slack = 3.0

    @Test(
        "a frame of 200x60 takes no longer than its budget",
        arguments: [Screen.swarm, .pieces],
        [(200, 1000, 4.0), (500, 4000, 8.0)]
    )
    func frames(_ screen: Screen, _ example: (agents: Int, pieces: Int, milliseconds: Double)) {
        let sample = SampleSwarm(seed: 3, agentCount: example.agents, pieceCount: example.pieces)
        var picture = sample.picture
        for order in [false, true] {
            var view = ViewState()
            (view.screen, view.size) = (screen, Size(width: 200, height: 60))
            view.pieces.ordersByRarity = order
            var times: [Duration] = []
            for step in 0..<40 {
                picture.takenAt.unixNanoseconds += Int64(step) * 100_000_000
                let clock = ContinuousClock()
                times.append(
                    clock.measure {
                        SwarmScreen.settle(&view, picture)
                        _ = render(picture, view)
                    }
                )
            }
            times.sort()
            let median = times[times.count / 2] / .milliseconds(1)
            #expect(median < example.milliseconds * Self.slack)
        }
    }
}
