// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// What happens and why: events in words, the swarm at the moment shown, and the time around it.
package enum ExplainScreen: ScreenContent {
    /// Rows from which on the moment has a pane of its own beside the narration.
    private static let wideRows = 20
    /// Columns of that pane.
    private static let momentColumns = 44
    /// Rows of the pane of time, with and without room.
    private static let timeRows = 8
    private static let timeRowsMin = 5
    private static let roomyRows = 30

    package static func draw(_ scene: Scene, into frame: inout Frame, area: Rect) {
        guard !area.isEmpty else { return }
        let story = ExplainStory(scene)
        if scene.width >= .wide, area.height >= wideRows {
            drawWide(scene, story, into: &frame, area: area)
        } else {
            drawNarrow(scene, story, into: &frame, area: area)
        }
    }

    private static func drawWide(
        _ scene: Scene,
        _ story: ExplainStory,
        into frame: inout Frame,
        area: Rect
    ) {
        let spare = max(0, area.height - roomyRows) / 8
        let rows = area.height >= roomyRows ? timeRows + min(4, spare) : timeRowsMin
        let (top, time) = area.splitBottom(rows)
        let extra = max(0, (area.width - Scene.Width.wide.rawValue) / 3)
        let (text, moment) = top.splitRight(momentColumns + extra)
        ExplainNarration.draw(scene, story, into: &frame, area: text)
        ExplainMoment.draw(scene, story, into: &frame, area: moment)
        ExplainTime.draw(scene, story, into: &frame, area: time)
    }

    /// Lines below the narration, the most important first: these stay when rows are short.
    private enum Line: Int, CaseIterable {
        case time, actors, status, holders, bits, note
    }

    /// Their order on the screen.
    private static let order: [Line] = [.actors, .holders, .bits, .time, .status, .note]
    private static let narrationRowsMin = 5

    private static func drawNarrow(
        _ scene: Scene,
        _ story: ExplainStory,
        into frame: inout Frame,
        area: Rect
    ) {
        let room = min(Line.allCases.count, max(0, area.height - narrationRowsMin))
        let shown = order.filter { $0.rawValue < room }
        let (text, lines) = area.splitBottom(shown.count)
        ExplainNarration.draw(scene, story, into: &frame, area: text)
        for (index, line) in shown.enumerated() {
            let row = Rect(x: lines.x, y: lines.y + index, width: lines.width, height: 1)
            switch line {
            case .actors: ExplainStrip.actors(scene, story, into: &frame, row: row)
            case .holders: ExplainStrip.holders(scene, story, into: &frame, row: row)
            case .bits: ExplainStrip.bits(scene, story, into: &frame, row: row)
            case .time: ExplainTime.line(scene, into: &frame, row: row)
            case .status: ExplainTime.status(scene, story, into: &frame, row: row)
            case .note: ExplainTime.note(scene, into: &frame, row: row)
            }
        }
    }

    package static func crumbs(_ scene: Scene) -> [String] {
        var crumbs: [String] = []
        if let swarm = scene.picture.swarm {
            crumbs.append(swarm.label.isEmpty ? Scene.short(swarm.digest) + "…" : swarm.label)
        }
        crumbs.append("explain" + (ExplainStory.followed(scene).map { " " + $0 } ?? ""))
        return crumbs
    }

    package static func summary(_ scene: Scene) -> [String] {
        guard let at = scene.view.time.at else {
            return ["live", "\(Int(min(1e9, max(0, scene.picture.totals.eventRate))))/s"]
        }
        let events = scene.picture.keptEvents
        let ahead = events.count - events.firstIndex(after: at)
        let isWide = scene.width >= .wide
        let lag = "\(Units.decimal(max(0, scene.picture.now.seconds(since: at)), 1)) s behind live"
        return [
            (isWide ? "view " : "") + lag,
            "\(ahead)" + (isWide ? " events" : "") + " ahead",
        ]
    }
}
