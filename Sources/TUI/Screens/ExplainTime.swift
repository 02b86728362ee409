// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// Where the moment shown lies in the time that is kept.
enum ExplainTime {
    // MARK: - The pane

    static func draw(
        _ scene: Scene,
        _ story: ExplainStory,
        into frame: inout Frame,
        area: Rect
    ) {
        let inside = frame.box(
            area,
            title: "Time",
            trailing: "\(pace(scene))   step \(story.position) / \(story.count)"
        )
        guard inside.height > 0, inside.width > 8, !scene.picture.isEmpty else { return }
        let row = { (index: Int) in
            Rect(x: inside.x + 1, y: inside.y + index, width: inside.width - 2, height: 1)
        }
        switch inside.height {
        case ...2:
            line(scene, into: &frame, row: row(0))
            if inside.height > 1 { marks(scene, into: &frame, row: row(1), isWide: true) }
        case 3...4:
            line(scene, into: &frame, row: row(0))
            graph(scene, into: &frame, area: row(1))
            marks(scene, into: &frame, row: row(2), isWide: true)
        default:
            let last = inside.height - 1
            var plot = row(2)
            plot.height = max(1, inside.height - 5)
            ends(scene, into: &frame, row: row(0))
            track(scene, into: &frame, area: row(1))
            graph(scene, into: &frame, area: plot)
            cursor(scene, into: &frame, area: row(last - 2))
            marks(scene, into: &frame, row: row(last - 1), isWide: true)
            note(scene, into: &frame, row: row(last), indent: 0)
        }
    }

    private static func ends(_ scene: Scene, into frame: inout Frame, row: Rect) {
        frame.write(clock(scene, scene.picture.timeline.first), x: row.x, y: row.y, in: row, .hint)
        let live = "live " + clock(scene, scene.picture.now)
        frame.write(live, x: row.right - live.count, y: row.y, in: row, .hint)
    }

    private static func clock(_ scene: Scene, _ time: Timestamp) -> String {
        Clock.time(time.unixNanoseconds, offsetSeconds: scene.view.zoneOffsetSeconds)
    }

    /// ` 14:02:27 ├────────⚑──────┼────●┤ live 14:03:27`
    static func line(_ scene: Scene, into frame: inout Frame, row: Rect) {
        guard !scene.picture.isEmpty else { return }
        let (first, last) = (
            clock(scene, scene.picture.timeline.first), "live " + clock(scene, scene.picture.now)
        )
        guard row.width > first.count + last.count + 12 else {
            return track(
                scene,
                into: &frame,
                area: Rect(x: row.x + 1, y: row.y, width: row.width - 2, height: 1)
            )
        }
        frame.write(first, x: row.x + 1, y: row.y, in: row, .hint)
        frame.write(last, x: row.right - 1 - last.count, y: row.y, in: row, .hint)
        let start = row.x + first.count + 2
        let width = row.width - first.count - last.count - 4
        track(scene, into: &frame, area: Rect(x: start, y: row.y, width: width, height: 1))
    }

    /// The column of `time` between the ends of a track.
    private static func column(_ time: Timestamp, _ timeline: Timeline, _ area: Rect) -> Int {
        let room = max(0, area.width - 3)
        return area.x + 1 + Int((timeline.position(of: time) * Double(room)).rounded())
    }

    private static func track(_ scene: Scene, into frame: inout Frame, area: Rect) {
        guard area.width > 4 else { return }
        let timeline = scene.picture.timeline
        for x in area.x..<area.right { frame[x, area.y] = Cell("─", .border) }
        frame[area.x, area.y] = Cell("├", .border)
        frame[area.right - 1, area.y] = Cell("┤", .border)
        let seconds = timeline.now.seconds(since: timeline.first)
        for x in area.x + 1..<area.right - 1 {
            let share = Double(x - area.x - 1) / Double(max(1, area.width - 3))
            let time = timeline.first.later(bySeconds: seconds * share)
            frame.addHit(
                Rect(x: x, y: area.y, width: 1, height: 1),
                .goTo(unixNanoseconds: time.unixNanoseconds)
            )
        }
        for mark in kept(scene) {
            let x = column(mark.at, timeline, area)
            frame[x, area.y] = Cell("⚑", .warning)
            frame.addHit(
                Rect(x: x, y: area.y, width: 1, height: 1),
                .goTo(unixNanoseconds: mark.at.unixNanoseconds)
            )
        }
        frame[area.right - 2, area.y] = Cell("●", scene.view.time.isLive ? .complete : .hint)
        guard let at = scene.view.time.at else { return }
        frame[column(at, timeline, area), area.y] = Cell("┼", .title)
    }

    /// How fast agents downloaded, under the track.
    private static func graph(_ scene: Scene, into frame: inout Frame, area: Rect) {
        let timeline = scene.picture.timeline
        let room = max(0, area.width - 2)
        let span = timeline.now.seconds(since: timeline.first)
        guard room > 0, span > 0, !timeline.samples.isEmpty else { return }
        // Two columns of dots in a cell, each with the highest rate of its time.
        var rates = [Double](repeating: 0, count: room * 2)
        for sample in timeline.samples where sample.rate.isFinite {
            let place = Int(timeline.position(of: sample.at) * Double(rates.count - 1))
            rates[place] = max(rates[place], sample.rate)
        }
        // What lies between two samples goes on as before.
        let gap = max(1, rates.count / max(1, timeline.samples.count) + 1)
        var (last, age) = (0.0, 0)
        for index in rates.indices {
            if rates[index] > 0 {
                (last, age) = (rates[index], 0)
            } else if age < gap {
                (rates[index], age) = (last, age + 1)
            }
        }
        Graph.draw(
            rates,
            lastIndex: rates.count - 1,
            scale: Graph.scale(for: max(1, rates.max() ?? 1)),
            into: &frame,
            area: Rect(x: area.x + 1, y: area.y, width: room, height: area.height),
            role: .agentEdge
        )
    }

    private static func cursor(_ scene: Scene, into frame: inout Frame, area: Rect) {
        guard let at = scene.view.time.at else { return }
        let x = column(at, scene.picture.timeline, area)
        frame[x, area.y] = Cell("▲", .title)
        let text = "you, " + clock(scene, at)
        let isLeft = x - text.count - 1 >= area.x
        frame.write(
            text,
            x: isLeft ? x - text.count - 1 : x + 2,
            y: area.y,
            in: area,
            .title
        )
    }

    // MARK: - Lines

    /// `×0.1 slow motion`, `paused`, `live`.
    private static func pace(_ scene: Scene) -> String {
        let time = scene.view.time
        if time.isLive { return "live" }
        if time.isPaused { return "paused" }
        return "×\(Units.short(decimal: time.speed)) slow motion"
    }

    static func status(
        _ scene: Scene,
        _ story: ExplainStory,
        into frame: inout Frame,
        row: Rect
    ) {
        var x = frame.write(pace(scene), x: row.x + 1, y: row.y, in: row, .title)
        x = frame.write(
            "  step \(story.position)/\(story.count)",
            x: x,
            y: row.y,
            in: row
        )
        let rest = Rect(x: x + 2, y: row.y, width: row.right - x - 2, height: 1)
        marks(scene, into: &frame, row: rest, isWide: false)
    }

    /// The moments that matter and can be gone to.
    private static func kept(_ scene: Scene) -> [TimeMark] {
        let timeline = scene.picture.timeline
        return (scene.picture.marks + scene.view.marks)
            .filter { $0.at >= timeline.first && $0.at <= scene.picture.now }
            .sorted { $0.at < $1.at }
    }

    private static func marks(
        _ scene: Scene,
        into frame: inout Frame,
        row: Rect,
        isWide: Bool
    ) {
        guard row.width > 0 else { return }
        var texts = kept(scene).map { mark in
            (
                mark.at,
                "⚑ \(mark.label.oneColumnPerScalar)" + (isWide ? " \(clock(scene, mark.at))" : "")
            )
        }
        var x = row.x
        if isWide { x = frame.write("marks", x: x, y: row.y, in: row, .hint) + 2 }
        if texts.isEmpty {
            if isWide {
                frame.write("none yet; m marks this moment", x: x, y: row.y, in: row, .hint)
            }
            return
        }
        // The latest are the ones that one wants; those that do not fit are left out whole.
        while !texts.isEmpty,
            texts.reduce(-3, { $0 + $1.1.unicodeScalars.count + 3 }) > row.right - x
        {
            texts.removeFirst()
        }
        for (at, text) in texts {
            let end = frame.write(text, x: x, y: row.y, in: row, .warning)
            frame.addHit(
                Rect(x: x, y: row.y, width: end - x, height: 1),
                .goTo(unixNanoseconds: at.unixNanoseconds)
            )
            x = end + 3
        }
    }

    static func note(_ scene: Scene, into frame: inout Frame, row: Rect, indent: Int = 1) {
        let isLive = scene.view.time.isLive
        var text =
            isLive
            ? "space stops the view, . and , step from event to event; the cluster runs on."
            : "Only this view lags; the cluster runs on."
        switch scene.picture.source {
        case .herd: if !isLive { text += " :slow-links 1M slows the network." }
        case .replay: text = "A recording: . and , step from event to event, end goes to its end."
        case .remote, .simulator: break
        }
        let x = row.x + indent
        frame.write(text, x: x, y: row.y, width: row.right - x, in: row, .hint)
    }
}

extension Units {
    /// A number without zeros at its end: `0.1`, `1`.
    fileprivate static func short(decimal value: Double) -> String {
        var text = decimal(value, 2)
        while text.contains("."), text.last == "0" || text.last == "." { text.removeLast() }
        return text
    }
}
