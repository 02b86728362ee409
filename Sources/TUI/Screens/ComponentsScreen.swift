// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// The screen Components: every component, what the selected one says of itself, the origins' ring, the log.
package enum ComponentsScreen: ScreenContent {
    package static func draw(_ scene: Scene, into frame: inout Frame, area: Rect) {
        guard area.width >= Scene.Width.narrow.rawValue * 3 / 2 else {
            return drawNarrow(scene, into: &frame, area: area)
        }
        let parts = area.splitLeft(scene.width >= .wide ? 30 : 22)
        list(scene, into: &frame, area: parts.left)
        guard let selected = Lists.selectedComponent(scene) else {
            let inner = frame.box(parts.rest)
            PaneParts.remark(PaneParts.emptiness(scene, "no component"), into: &frame, area: inner)
            return
        }
        if scene.width >= .wide {
            drawWide(selected, scene, into: &frame, area: parts.rest)
        } else {
            drawOrdinary(selected, scene, into: &frame, area: parts.rest)
        }
    }

    package static func crumbs(_ scene: Scene) -> [String] {
        ["components"] + (Lists.selectedComponent(scene).map { [$0.id] } ?? [])
    }

    package static func summary(_ scene: Scene) -> [String] {
        if scene.picture.isEmpty { return [] }
        let lights = scene.picture.components.map(\.light)
        var parts: [String] = []
        if scene.width >= .wide { parts.append("\(lights.count) components") }
        parts.append("\(lights.count { $0 == .ok }) ok")
        let starting = lights.count { $0 == .starting }
        if starting > 0 { parts.append("\(starting) starting") }
        parts.append("\(lights.count { $0 == .warning }) warn")
        parts.append("\(lights.count { $0 == .down }) down")
        return parts
    }

    // MARK: - Arrangements

    /// One pane at a time, or the list above another one.
    private static func drawNarrow(_ scene: Scene, into frame: inout Frame, area: Rect) {
        let selected = Lists.selectedComponent(scene)
        let isImagining = scene.view.components.whatIf != nil
        var rest = area
        if area.height >= 14 || scene.view.components.pane == .list, !isImagining {
            let parts = area.splitTop(area.height >= 14 ? area.height / 2 : area.height)
            list(scene, into: &frame, area: parts.top)
            rest = parts.rest
        }
        guard let selected, rest.height >= 3 else { return }
        if isImagining {
            RingPane.draw(scene, into: &frame, area: rest)
        } else if scene.view.components.pane == .logs {
            LogPane.draw(selected, scene, into: &frame, area: rest)
        } else {
            ComponentDetail.draw(selected, scene, into: &frame, area: rest)
        }
    }

    private static func drawOrdinary(
        _ selected: ComponentRow,
        _ scene: Scene,
        into frame: inout Frame,
        area: Rect
    ) {
        let isImagining = scene.view.components.whatIf != nil
        let heights = rowHeights(selected, scene, area.height, hasConfig: area.height >= 30)
        let (top, rest) = area.splitTop(heights[0])
        let (config, logs) = rest.splitTop(heights[1])
        if isImagining {
            RingPane.draw(scene, into: &frame, area: top)
        } else {
            let hasCorner = selected.kind == .origin && scene.picture.ring != nil
            ComponentDetail.draw(
                selected,
                scene,
                into: &frame,
                area: top,
                corner: hasCorner
                    ? { frame, area in RingPane.small(scene, into: &frame, area: area) } : nil
            )
        }
        ComponentDetail.config(selected, into: &frame, area: config)
        LogPane.draw(selected, scene, into: &frame, area: logs)
    }

    private static func drawWide(
        _ selected: ComponentRow,
        _ scene: Scene,
        into frame: inout Frame,
        area: Rect
    ) {
        let isWidest = scene.width >= .widest
        let heights = rowHeights(selected, scene, area.height, hasConfig: !isWidest)
        let (top, rest) = area.splitTop(heights[0])
        let (below, logs) = rest.splitTop(heights[1])
        let hasRing = scene.picture.ring != nil
        let (left, ring) = top.splitRight(hasRing ? 40 : 0)
        let (detail, side) = left.splitRight(isWidest ? left.width / 2 : 0)
        ComponentDetail.draw(selected, scene, into: &frame, area: detail)
        ComponentDetail.config(selected, into: &frame, area: isWidest ? side : below)
        if hasRing { RingPane.draw(scene, into: &frame, area: ring) }
        LogPane.draw(selected, scene, into: &frame, area: logs)
    }

    /// Heights of the detail, the configuration and the log.
    private static func rowHeights(
        _ selected: ComponentRow,
        _ scene: Scene,
        _ total: Int,
        hasConfig: Bool
    ) -> [Int] {
        let hasLogFocus = scene.view.components.pane == .logs
        let configRows = 2 + (selected.settings.count + 1) / 2
        let wishes = [
            PaneParts.Wish(least: 5, plain: 12, full: 14, priority: hasLogFocus ? 1 : 0),
            PaneParts.Wish(
                least: hasConfig ? 4 : .max,
                plain: 4,
                full: min(12, configRows),
                priority: 2
            ),
            PaneParts.Wish(least: 4, plain: 9, full: 9, priority: hasLogFocus ? 0 : 1),
        ]
        return PaneParts.heights(wishes, total: total)
    }

    // MARK: - The list

    private enum Entry {
        case component(ComponentRow)
        case heading(Int)
    }

    private static func list(_ scene: Scene, into frame: inout Frame, area: Rect) {
        let rows = Lists.components(scene)
        let entries = entries(rows)
        let selected = Lists.selectedComponent(scene)?.id
        let position = entries.firstIndex {
            if case .component(let row) = $0 { row.id == selected } else { false }
        }
        let shown = Table.window(count: entries.count, selected: position, height: area.height - 2)
        let below = entries.count - shown.upperBound
        let inner = frame.box(
            area,
            title: "Components",
            bottom: below > 0 ? "↓ \(below) more" : "",
            bottomTrailing: shown.lowerBound > 0 ? "↑ \(shown.lowerBound)" : "",
            isFocused: scene.view.components.pane == .list
        )
        if rows.isEmpty {
            let text = PaneParts.emptiness(scene, "no component")
            PaneParts.remark(text, into: &frame, area: inner)
        }
        for (line, index) in shown.enumerated() where line < inner.height {
            let row = inner.splitTop(line + 1).top.splitBottom(1).bottom
            switch entries[index] {
            case .heading(let count): heading(count, into: &frame, row)
            case .component(let component):
                entry(component, isSelected: component.id == selected, scene, into: &frame, row)
            }
        }
    }

    /// Agents come last, under a heading of their own.
    private static func entries(_ rows: [ComponentRow]) -> [Entry] {
        let agents = rows.filter { $0.kind == .agent }
        let others = rows.filter { $0.kind != .agent }.map(Entry.component)
        guard !agents.isEmpty else { return others }
        return others + [.heading(agents.count)] + agents.map(Entry.component)
    }

    private static func heading(_ count: Int, into frame: inout Frame, _ row: Rect) {
        for x in row.x..<row.right { frame.write("─", x: x, y: row.y, in: row, .border) }
        frame.write(" agents ", x: row.x + 2, y: row.y, in: row, .hint)
        let text = " \(count) "
        frame.write(text, x: row.right - 1 - text.count, y: row.y, in: row, .hint)
    }

    private static func entry(
        _ component: ComponentRow,
        isSelected: Bool,
        _ scene: Scene,
        into frame: inout Frame,
        _ row: Rect
    ) {
        if isSelected { frame.write("▶", x: row.x, y: row.y, in: row, .title) }
        let (glyph, role) = sign(component)
        frame.write(String(glyph), x: row.x + 1, y: row.y, in: row, role)
        let name = component.kind == .agent ? component.shortName : component.id
        let nameWidth = component.kind == .agent ? 5 : 13
        frame.write(name.fitted(to: min(nameWidth, row.width - 3)), x: row.x + 3, y: row.y, in: row)
        var x = row.x + 3 + nameWidth
        var text = state(component)
        if row.width >= 26, let port = port(component) {
            if component.kind == .agent || text == nil {
                frame.write(port.fitted(to: 7), x: x, y: row.y, in: row, .hint)
            }
            if component.kind == .agent { x += 8 } else if text == nil { text = "" }
        }
        if let text {
            let room = row.right - x
            let isTroubled = component.light == .down || component.light == .warning
            frame.write(text.fitted(to: room), x: x, y: row.y, in: row, isTroubled ? role : .hint)
        }
        if isSelected, scene.view.components.pane == .list { frame.mark(row, .reverse) }
        frame.addHit(row, .select(.component(component.id)))
    }

    /// The light; of a healthy agent how much it holds.
    static func sign(_ row: ComponentRow) -> (Unicode.Scalar, Role) {
        guard row.kind == .agent, row.light == .ok else {
            return (Glyph.light(row.light), Role(row.light))
        }
        return (Glyph.part(row.completion), .part(row.completion))
    }

    /// What stands beside the name: trouble first, then what an agent holds.
    private static func state(_ row: ComponentRow) -> String? {
        switch row.freshness {
        case .down(let seconds): return "down \(Units.duration(seconds))"
        case .stale(let seconds): return "\(Units.duration(seconds)) ago"
        case .limited: return "limited"
        case .fresh: break
        }
        switch row.health {
        case .stopped: return "stopped"
        case .starting: return "starting"
        case .failing, .ok: return row.kind == .agent ? Units.percent(row.completion) : nil
        }
    }

    private static func port(_ row: ComponentRow) -> String? {
        let address = row.addresses["http"] ?? row.addresses["registry"] ?? row.addresses["peer"]
        return address.flatMap { $0.split(separator: ":").last }.map { ":\($0)" }
    }
}
