// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// The Overview's pane of the latest events, the newest first.
enum OverviewEvents {
    static func draw(_ scene: Scene, into frame: inout Frame, area: Rect) {
        let inside = frame.box(
            area,
            title: "Events",
            trailing: "\(Int(scene.picture.totals.eventRate.rounded()))/s",
            bottom: "6 full log",
            isFocused: scene.view.overview.pane == .events
        )
        draw(scene, into: &frame, area: inside, isShort: false)
    }

    static func drawNarrow(_ scene: Scene, into frame: inout Frame, area: Rect) {
        let totals = scene.picture.totals
        var queues = "\(totals.pendingTasks) pending"
        if totals.failedTasks > 0 { queues += " · \(totals.failedTasks) failed ▲" }
        if let oldest = totals.oldestTaskSeconds { queues += " · oldest \(Units.duration(oldest))" }
        let inside = frame.box(
            area,
            title: "Events \(Int(totals.eventRate.rounded()))/s",
            trailing: queues,
            isFocused: scene.view.overview.pane == .events
        )
        draw(scene, into: &frame, area: inside, isShort: true)
    }

    /// Events that come by the hundred and say little where there is room for a few lines.
    private static let quiet: Set<EventKind> = [.sendPiece, .announce, .dropActiveConnection]

    private static func draw(
        _ scene: Scene,
        into frame: inout Frame,
        area: Rect,
        isShort: Bool
    ) {
        var y = area.y
        for event in scene.picture.events.reversed() where !quiet.contains(event.kind) {
            guard y < area.bottom else { return }
            draw(event, scene, y: y, into: &frame, area: area, isShort: isShort)
            y += 1
        }
        if y == area.y {
            frame.write("nothing has happened yet", x: area.x + 1, y: y, in: area, .hint)
        }
    }

    private static func draw(
        _ event: ClusterEvent,
        _ scene: Scene,
        y: Int,
        into frame: inout Frame,
        area: Rect,
        isShort: Bool
    ) {
        var x = frame.write(
            scene.clock(event.timestamp, isShort: isShort),
            x: area.x + 1,
            y: y,
            in: area,
            .hint
        )
        let width = isShort ? 8 : 9
        let who = EventWords.who(event, scene)
        x = frame.write(who, x: x + 1, y: y, width: width, in: area)
        let sentence = EventWords.sentence(event, scene)
        frame.write(
            sentence.text,
            x: x + 1,
            y: y,
            width: area.right - x - 1,
            in: area,
            sentence.role
        )
        frame.addHit(
            Rect(x: area.x, y: y, width: area.width, height: 1),
            .select(
                .event(EventKey(component: event.component, sequence: event.sequence))
            )
        )
    }
}
