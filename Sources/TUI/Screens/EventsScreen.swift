// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// The screen Events: what happened, the newest first.
package enum EventsScreen: ScreenContent {
    package static func draw(_ scene: Scene, into frame: inout Frame, area: Rect) {
        let events = Lists.events(scene)
        let view = scene.view.events
        let selected = Lists.selectedRow(events, scene)
        let inner = frame.box(
            area,
            title: "Events",
            trailing: view.follows ? "follow ✓" : position(selected, events, view),
            bottom: matches(events, scene),
            isFocused: true
        )
        // The line of the rate goes first when there is little room.
        let hasRate = inner.height >= 8
        let parts = inner.splitBottom(hasRate ? 1 : 0)
        if events.isEmpty {
            let text = PaneParts.emptiness(scene, "nothing happened yet")
            PaneParts.remark(text, into: &frame, area: parts.rest)
        } else {
            rows(
                events,
                selected: selected,
                isMarked: !view.follows,
                scene,
                into: &frame,
                area: parts.rest
            )
        }
        if hasRate {
            let line = Rect(
                x: inner.x + 1,
                y: parts.bottom.y,
                width: inner.width - 2,
                height: parts.bottom.height
            )
            PaneParts.history(
                "rate",
                labelWidth: 6,
                scene.picture.events.rates,
                unit: "/s",
                scene,
                into: &frame,
                line: line,
                .agentEdge
            )
        }
    }

    package static func crumbs(_ scene: Scene) -> [String] { ["events"] }

    package static func summary(_ scene: Scene) -> [String] {
        if scene.picture.isEmpty { return [] }
        let window = scene.picture.events
        let rate = "\(Units.decimal(scene.picture.totals.eventRate, 0))/s"
        let dropped = "\(Units.count(Int(clamping: window.droppedCount))) dropped"
        guard scene.width >= .wide else { return [rate, dropped] }
        return ["\(Units.count(Int(clamping: window.totalCount))) events", rate, dropped]
    }

    private static func position(
        _ selected: Int?,
        _ events: EventList,
        _ view: EventsState
    ) -> String {
        let wraps = view.wraps ? " · wrap ✓" : ""
        guard let selected else { return wraps }
        return "\(Units.count(selected + 1)) of \(Units.count(events.count))\(wraps)"
    }

    /// What the filter leaves, and what is wrong with it.
    private static func matches(_ events: EventList, _ scene: Scene) -> String {
        guard !scene.view.filter.isEmpty else { return "" }
        if let error = Filter(scene.view.filter).errors.first {
            return "▲ " + error.oneColumnPerScalar
        }
        let count = Units.count(events.count)
        guard events.isPartial else { return "filter matches \(count)" }
        return "filter matches \(count) of the newest \(Units.count(events.triedCount))"
    }

    // MARK: - Rows

    private static func columns(_ scene: Scene) -> [TableColumn] {
        switch scene.width {
        case .wide, .widest:
            [
                TableColumn("TIME", width: 12), TableColumn("COMPONENT", width: 12),
                TableColumn("KIND", width: 17), TableColumn("PEER", width: 9),
                TableColumn("PIECE", width: 6), TableColumn("DETAIL", width: 0),
            ]
        case .ordinary, .narrow:
            [
                TableColumn("TIME", width: 6),
                TableColumn("WHO", width: scene.view.size.width < 60 ? 6 : 8),
                TableColumn("KIND", width: scene.view.size.width < 60 ? 12 : 16),
                TableColumn("PEER", width: 5, priority: 2),
                TableColumn("PIECE", width: 5, priority: 1),
                TableColumn("DETAIL", width: 0),
            ]
        }
    }

    /// The rows around `selected`, each with its detail on as many lines as it needs when long lines are wrapped.
    private static func rows(
        _ events: EventList,
        selected: Int?,
        isMarked: Bool,
        _ scene: Scene,
        into frame: inout Frame,
        area: Rect
    ) {
        let table = Table(columns: columns(scene))
        let places = table.layout(width: area.width)
        let titles = area.splitTop(1)
        for place in places {
            let column = table.columns[place.index]
            frame.write(
                column.title.fitted(to: place.width),
                x: area.x + place.x,
                y: titles.top.y,
                in: titles.top,
                .hint
            )
        }
        let body = titles.rest
        let width = places.last?.width ?? 0
        let detail = { (row: Int) -> [String] in
            let text = EventWords.detail(events[row], scene).oneColumnPerScalar
            guard scene.view.events.wraps else { return [text.fitted(to: width)] }
            return PaneParts.wrapped(text, width: width, linesMax: 4)
        }
        var y = body.y
        var row = first(selected ?? 0, of: events.count, height: body.height, detail: detail)
        while row < events.count, y < body.bottom {
            let lines = detail(row)
            let whole = Rect(x: body.x, y: y, width: body.width, height: lines.count)
                .intersection(body)
            draw(events[row], detail: lines, places, scene, into: &frame, area: whole)
            if isMarked, row == selected {
                frame.write("▶", x: body.x + 1, y: y, in: body, .title)
                frame.mark(whole, .reverse)
            }
            frame.addHit(whole, .select(.event(EventKey(events[row]))))
            y += lines.count
            row += 1
        }
    }

    /// The row at the top, so that `selected` stands about in the middle and no room is left at the end of the list.
    private static func first(
        _ selected: Int,
        of count: Int,
        height: Int,
        detail: (Int) -> [String]
    ) -> Int {
        var (row, lines) = (selected, 0)
        while row > 0, lines < height / 2 {
            row -= 1
            lines += detail(row).count
        }
        return min(row, max(0, count - height))
    }

    private static func draw(
        _ event: ClusterEvent,
        detail: [String],
        _ places: [(index: Int, x: Int, width: Int)],
        _ scene: Scene,
        into frame: inout Frame,
        area: Rect
    ) {
        let clock = scene.clock(event.timestamp)
        let role = EventWords.role(event.kind)
        let peer = EventWords.peer(event, scene)
        let cells = [
            TableCell(scene.width >= .wide ? clock : String(clock.dropFirst(6)), .hint),
            TableCell(EventWords.who(event, scene).oneColumnPerScalar),
            TableCell(event.kind.rawValue.oneColumnPerScalar, role),
            TableCell(peer ?? "", peerRole(peer, scene)),
            TableCell(event.piece.map { "#\($0)" } ?? ""),
        ]
        for place in places {
            let x = area.x + place.x
            if place.index < cells.count {
                let cell = cells[place.index]
                frame.write(cell.text.fitted(to: place.width), x: x, y: area.y, in: area, cell.role)
            } else {
                for (line, text) in detail.enumerated() {
                    frame.write(text, x: x, y: area.y + line, in: area, detailRole(role))
                }
            }
        }
    }

    private static func detailRole(_ role: Role) -> Role {
        role == .warning || role == .down ? role : .text
    }

    private static func peerRole(_ name: String?, _ scene: Scene) -> Role {
        guard let name, let row = scene.picture.component(name) else { return .text }
        return row.kind == .origin ? .origin : .text
    }
}
