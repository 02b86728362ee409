// SPDX-License-Identifier: Apache-2.0

import TUI
import Testing

#if DEBUG
private let isOptimised = false
#else
private let isOptimised = true
#endif

@Suite("Cost of filters", .serialized, .enabled(if: isOptimised))
struct EventCostTests {
    @Test(
        "a full window of events is filtered within the time of a frame",
        arguments: [
            "", "a05", "-announce rarest", "who:a05 kind:piece", "~a0[0-9].*rarest~", "~(a*)*b~",
        ]
    )
    func frame(_ filter: String) {
        var picture = SamplePicture.make()
        let events = Array(picture.events)
        for _ in 0..<10 { picture.events.append(events) }
        var view = SamplePicture.view(.events, 200, 60)
        view.filters[.events] = filter
        let clock = ContinuousClock()
        let times = (0..<9).map { _ in clock.measure { _ = render(picture, view) } }.sorted()
        // Measured: 6 ms; builders are slower than that machine.
        #expect(times[4] < .milliseconds(24), "\(filter)")
    }
}
