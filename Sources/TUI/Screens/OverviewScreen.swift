// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// The screen to start with: is all well, what flows, which blobs, what waits, what happens.
package enum OverviewScreen: ScreenContent {
    package static func crumbs(_ scene: Scene) -> [String] { ["all blobs"] }

    package static func summary(_ scene: Scene) -> [String] {
        let picture = scene.picture
        guard !picture.isEmpty else { return [] }
        let totals = picture.totals
        var parts: [String] = []
        if scene.width >= .wide {
            let origins = picture.components.count { $0.kind == .origin }
            parts += ["\(picture.agents.count) agents", "\(origins) origins"]
        }
        parts.append("↓\(Units.rate(totals.downloadRate))")
        if let share = totals.agentShare { parts.append("P2P \(Units.percent(share))") }
        let queued = totals.pendingTasks + totals.failedTasks
        parts.append("\(queued) queued")
        return parts
    }

    package static func draw(_ scene: Scene, into frame: inout Frame, area: Rect) {
        guard !scene.picture.isEmpty else { return drawWaiting(scene, into: &frame, area: area) }
        if scene.width >= .wide, area.height >= Heights.wideLeast {
            drawWide(scene, into: &frame, area: area)
        } else {
            drawNarrow(scene, into: &frame, area: area)
        }
    }

    /// Rows of panes.
    private enum Heights {
        /// The least for the layout of wide screens.
        static let wideLeast = 26
        static let lights = 2
        static let graph = 6
        /// The least of a pane that is worth its frame.
        static let least = 4
        static let bottom = 8
    }

    // MARK: - Layouts

    private static func drawWide(_ scene: Scene, into frame: inout Frame, area: Rect) {
        let extra = max(0, area.height - 33)
        let (top, rest) = area.splitTop(area.height < 33 ? 12 : 13 + extra / 3)
        let (middle, bottom) = rest.splitBottom(Heights.bottom + extra / 3)
        let (left, right) = top.splitLeft(scene.width >= .widest ? 56 : 46)
        OverviewComponents.draw(scene, into: &frame, area: left)
        OverviewThroughput.draw(scene, into: &frame, area: right)
        OverviewBlobs.draw(scene, into: &frame, area: middle)
        let (queues, events) = bottom.splitLeft(area.width * 52 / 120)
        OverviewQueues.draw(scene, into: &frame, area: queues)
        OverviewEvents.draw(scene, into: &frame, area: events)
    }

    private static func drawNarrow(_ scene: Scene, into frame: inout Frame, area: Rect) {
        var rest = area
        if area.height >= Heights.lights + Heights.least {
            let parts = rest.splitTop(Heights.lights)
            OverviewComponents.drawLights(scene, into: &frame, area: parts.top)
            rest = parts.rest
        }
        // The graph goes first when room is short, then the events.
        if rest.height >= Heights.graph + 2 * Heights.least {
            let parts = rest.splitTop(max(Heights.graph, rest.height / 3))
            OverviewThroughput.drawNarrow(scene, into: &frame, area: parts.top)
            rest = parts.rest
        }
        if rest.height >= 2 * Heights.least {
            let parts = rest.splitBottom(max(Heights.least, rest.height * 6 / 13))
            OverviewEvents.drawNarrow(scene, into: &frame, area: parts.bottom)
            rest = parts.rest
        }
        OverviewBlobs.draw(scene, into: &frame, area: rest)
    }

    private static func drawWaiting(_ scene: Scene, into frame: inout Frame, area: Rect) {
        let waiting = scene.picture.components.filter { $0.health == .starting }.map(\.shortName)
        let names = waiting.isEmpty ? "" : " (\(waiting.joined(separator: ", ")))"
        frame.write(
            "⠋ waiting for the first snapshot\(names)",
            x: area.x,
            y: area.y + area.height / 2,
            width: area.width,
            in: area,
            .hint,
            align: .centre
        )
    }
}
