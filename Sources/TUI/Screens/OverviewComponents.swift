// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// The Overview's pane of components: a line each, then all agents in a few.
enum OverviewComponents {
    static func draw(_ scene: Scene, into frame: inout Frame, area: Rect) {
        let rows = scene.picture.components
        let counts = [
            (rows.count { $0.light == .ok }, "ok"),
            (rows.count { $0.light == .starting }, "starting"),
            (rows.count { $0.light == .warning }, "warn"),
            (rows.count { $0.light == .down }, "down"),
        ]
        let sum = counts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: " · ")
        let inside = frame.box(
            area,
            title: "Components",
            trailing: sum,
            isFocused: scene.view.overview.pane == .components
        )
        let agentRows = agentLineCount(scene, width: inside.width)
        let (top, bottom) = inside.splitBottom(agentRows + 2)
        drawServers(scene, into: &frame, area: top)
        drawAgents(scene, into: &frame, area: bottom, lines: agentRows)
    }

    // MARK: - Servers

    private static func drawServers(_ scene: Scene, into frame: inout Frame, area: Rect) {
        let rows = scene.picture.components.filter { $0.kind != .agent }
        let selected = rows.firstIndex { $0.id == scene.view.component }
        let isFocused = scene.view.overview.pane == .components
        let shown = Table.window(
            count: rows.count,
            selected: isFocused ? selected : nil,
            height: area.height
        )
        for (line, index) in shown.enumerated() {
            let row = rows[index]
            let y = area.y + line
            frame[area.x + 1, y] = Cell(Glyph.light(row.light), Role(row.light))
            frame.write(row.id, x: area.x + 3, y: y, width: 12, in: area)
            frame.write(port(row), x: area.x + 16, y: y, width: 7, in: area, .hint)
            frame.write(detail(row, scene), x: area.x + 24, y: y, width: area.width - 24, in: area)
            let whole = Rect(x: area.x, y: y, width: area.width, height: 1)
            if case .stale = row.freshness { frame.fade(whole) }
            if isFocused, index == selected { frame.mark(whole, .reverse) }
            frame.addHit(whole, .select(.component(row.id)))
        }
    }

    /// The port that people use, with its colon.
    static func port(_ row: ComponentRow) -> String {
        let address = row.addresses["registry"] ?? row.addresses["http"] ?? ""
        guard let colon = address.lastIndex(of: ":") else { return "" }
        return String(address[colon...])
    }

    /// The two or three numbers that say most of a component.
    static func detail(_ row: ComponentRow, _ scene: Scene) -> String {
        if case .down(let seconds) = row.freshness { return "down \(Units.duration(seconds))" }
        if let reason = row.healthReason { return reason }
        if let fault = row.faults.first { return fault }
        func count(_ name: String) -> Int { row.counters[name] ?? 0 }
        switch row.kind {
        case .proxy:
            return "\(count("manifests_put")) push · \(Units.short(row.uploadRate))/s"
        case .buildIndex:
            return "\(Units.count(row.tagCount ?? 0)) tags · \(count("tags_read")) read"
        case .tracker:
            let rate = Int((row.rates["announces"] ?? 0).rounded())
            return "\(row.tracking?.peerCount ?? 0) peers · \(rate) ann/s"
        case .origin: return origin(row, scene)
        case .testfs: return "\(count("files_put")) put · \(count("files_read")) read"
        case .agent: return Units.percent(row.completion)
        }
    }

    private static func origin(_ row: ComponentRow, _ scene: Scene) -> String {
        var parts: [String] = []
        let member = scene.picture.ring?.members.first { $0.name == row.shortName }
        if let shards = member?.shards {
            let percent = Double(shards) * 100 / Double(RingPicture.shardCount)
            parts.append("\(Units.decimal(percent, 1))%")
        }
        if let storage = row.storage { parts.append("\(storage.blobCount) blobs") }
        let queues = scene.picture.queues.filter { $0.component == row.id }
        let failed = queues.reduce(0) { $0 + $1.status.failedCount }
        if failed > 0 {
            parts.append("wb \(failed) failed")
        } else {
            parts.append("↑\(Units.short(row.uploadRate))")
        }
        return parts.joined(separator: " · ")
    }

    // MARK: - Agents

    /// Lines for the agents' glyphs: up to two; more agents than fit there become a histogram in one.
    private static func agentLineCount(_ scene: Scene, width: Int) -> Int {
        let count = scene.picture.agents.count
        let perLine = max(1, width - 9)
        return count == 0 ? 0 : count > 2 * perLine ? 1 : (count + perLine - 1) / perLine
    }

    private static func drawAgents(
        _ scene: Scene,
        into frame: inout Frame,
        area: Rect,
        lines: Int
    ) {
        let parts = area.splitTop(lines)
        drawGlyphs(scene, into: &frame, area: parts.top)
        let agents = scene.picture.agents
        var x = area.x + 1
        let y = parts.rest.y
        let seeds = agents.count { $0.light != .down && $0.leechingCount == 0 }
        let down = agents.filter { $0.light == .down }
        x = frame.write("●", x: x, y: y, in: area, .complete)
        x = frame.write(" \(seeds) idle  ", x: x, y: y, in: area)
        x = frame.write("◕◑◔○", x: x, y: y, in: area, .ramp(5))
        x = frame.write(" \(agents.count - seeds - down.count) pulling", x: x, y: y, in: area)
        if let first = down.first {
            x = frame.write("  ✕", x: x, y: y, in: area, .down)
            let more = down.count > 1 ? " …" : ""
            frame.write(" \(down.count) down (\(first.shortName)\(more))", x: x, y: y, in: area)
        }
        drawMachine(scene, into: &frame, area: parts.rest.splitTop(1).rest)
    }

    private static func drawMachine(_ scene: Scene, into frame: inout Frame, area: Rect) {
        let totals = scene.picture.totals
        var parts: [String] = []
        if let used = totals.diskUsedBytes {
            parts.append("disk \(Units.bytes(Double(used)))")
        }
        if let resident = totals.residentBytes {
            parts.append("rss \(Units.bytes(Double(resident)))")
        }
        if let files = totals.openFiles {
            parts.append("fds \(files)" + (totals.openFilesMax.map { "/\($0)" } ?? ""))
        }
        frame.write(
            parts.joined(separator: "  "),
            x: area.x + 1,
            y: area.y,
            width: area.width - 1,
            in: area,
            .hint
        )
    }

    private static func drawGlyphs(_ scene: Scene, into frame: inout Frame, area: Rect) {
        guard area.height > 0 else { return }
        let agents = scene.picture.agents
        let start = frame.write(" agents ", x: area.x, y: area.y, in: area, .hint)
        let perLine = max(1, area.right - start - 1)
        guard agents.count <= perLine * area.height else {
            return drawHistogram(agents, x: start, into: &frame, area: area)
        }
        for (index, agent) in agents.enumerated() {
            let (x, y) = (start + index % perLine, area.y + index / perLine)
            let isDown = agent.light == .down
            frame[x, y] = Cell(
                isDown ? "✕" : Glyph.part(agent.completion),
                isDown ? .down : .part(agent.completion)
            )
            frame.addHit(
                Rect(x: x, y: y, width: 1, height: 1),
                .select(.component(agent.id))
            )
        }
    }

    /// How many agents hold how much: ten bars from nothing to everything.
    private static func drawHistogram(
        _ agents: [ComponentRow],
        x: Int,
        into frame: inout Frame,
        area: Rect
    ) {
        var counts = Array(repeating: 0, count: 11)
        for agent in agents {
            counts[agent.completion >= 1 ? 10 : min(9, max(0, Int(agent.completion * 10)))] += 1
        }
        let most = Double(counts.max() ?? 1)
        let (first, last, total) = ("0% ", " 100%", "  (\(agents.count))")
        let room = area.right - x
        let isScaled = room >= first.count + counts.count + last.count
        guard isScaled || room >= counts.count else {
            frame.write("\(agents.count)".fitted(to: max(0, room - 1)), x: x, y: area.y, in: area)
            return
        }
        var column = x
        if isScaled { column = frame.write(first, x: x, y: area.y, in: area, .hint) }
        for (index, count) in counts.enumerated() {
            frame[column, area.y] = Cell(
                Graph.bar(Double(count) / max(1, most)),
                .part(Double(index) / 10)
            )
            column += 1
        }
        guard isScaled else { return }
        column = frame.write(last, x: column, y: area.y, in: area, .hint)
        if column + total.count < area.right {
            frame.write(total, x: column, y: area.y, in: area, .hint)
        }
    }

    // MARK: - Narrow screens

    /// Two lines: a light for each server, a glyph for each agent.
    static func drawLights(_ scene: Scene, into frame: inout Frame, area: Rect) {
        var x = area.x + 1
        let servers = scene.picture.components.filter { $0.kind != .agent }
        for row in servers {
            let name = row.id.replacing("build-index", with: "build-idx")
            let length = name.unicodeScalars.count + 4
            guard x + length <= area.right + 2 else {
                frame.write("…", x: min(x, area.right - 1), y: area.y, in: area, .hint)
                break
            }
            frame[x, area.y] = Cell(Glyph.light(row.light), Role(row.light))
            frame.write(name, x: x + 2, y: area.y, in: area)
            frame.addHit(
                Rect(x: x, y: area.y, width: length - 2, height: 1),
                .select(.component(row.id))
            )
            x += length
        }
        guard area.height > 1 else { return }
        let line = Rect(x: area.x, y: area.y + 1, width: area.width, height: 1)
        let agents = scene.picture.agents
        let pulling = agents.count { $0.leechingCount > 0 && $0.light != .down }
        let down = agents.count { $0.light == .down }
        var text = "\(agents.count - pulling - down) idle · \(pulling) pulling"
        if down > 0 { text += " · \(down) down" }
        let parts = line.splitRight(text.unicodeScalars.count + 1)
        drawGlyphs(scene, into: &frame, area: parts.rest)
        frame.write(text, x: parts.right.x, y: line.y, in: line)
    }
}
