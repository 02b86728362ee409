// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry

/// What one component says of itself, and its configuration.
enum ComponentDetail {
    private struct Line {
        var label: String
        var text: String
        var role = Role.text
        /// Whether the label is a long one.
        var isLong = false
    }

    /// Draws the pane, and what `corner` draws into the right part of it where there is room.
    static func draw(
        _ row: ComponentRow,
        _ scene: Scene,
        into frame: inout Frame,
        area: Rect,
        corner: ((inout Frame, Rect) -> Void)? = nil
    ) {
        let (state, role) = state(row)
        let inner = frame.box(area, title: row.id, isFocused: false)
        let room = area.width - row.id.unicodeScalars.count - 9
        let label = " \(state.fitted(to: room)) "
        if room > 4, area.height > 1 {
            let x = area.right - 2 - label.unicodeScalars.count
            frame.write(label, x: x, y: area.y, in: area, role)
        }
        var body = inner
        if let corner, inner.width >= 52, inner.height >= 9 {
            let parts = inner.splitRight(min(24, inner.width - 36))
            body = parts.rest
            corner(&frame, parts.right)
        }
        for (index, line) in lines(row, scene).prefix(body.height).enumerated() {
            let y = body.y + index
            let text = body.x + (line.isLong ? 21 : 13)
            let label = line.label.fitted(to: line.isLong ? 19 : 11)
            frame.write(label, x: body.x + 1, y: y, in: body, .hint)
            let width = body.right - text - 1
            frame.write(line.text.fitted(to: width), x: text, y: y, in: body, line.role)
        }
        switch row.freshness {
        case .down, .stale: frame.fade(body)
        case .fresh, .limited: break
        }
    }

    private static func state(_ row: ComponentRow) -> (String, Role) {
        let glyph = Glyph.light(row.light)
        let up = " · up \(Units.duration(row.uptimeSeconds))"
        switch row.freshness {
        case .down(let seconds): return ("\(glyph) down \(Units.duration(seconds))", .down)
        case .stale(let seconds): return ("▲ last heard \(Units.duration(seconds)) ago", .warning)
        case .limited: return ("\(glyph) limited: health checks only", Role(row.light))
        case .fresh: break
        }
        let word =
            switch row.health {
            case .ok: row.faults.isEmpty ? "healthy" : "healthy, with a fault"
            case .starting: "starting"
            case .failing: "failing"
            case .stopped: "stopped"
            }
        return ("\(glyph) \(word)\(up)", Role(row.light))
    }

    // MARK: - Lines

    private static func lines(_ row: ComponentRow, _ scene: Scene) -> [Line] {
        var lines: [Line] = []
        if let reason = row.healthReason {
            lines.append(Line(label: "reason", text: reason, role: Role(row.light)))
        }
        for fault in row.faults { lines.append(Line(label: "fault", text: fault, role: .warning)) }
        lines += addresses(row)
        if let peer = row.peerID {
            lines.append(
                Line(label: "peer id", text: "\(peer.hex.prefix(8))…\(peer.hex.suffix(4))")
            )
        }
        lines += answers(row)
        lines += work(row, scene)
        return lines + numbers(row)
    }

    private static func addresses(_ row: ComponentRow) -> [Line] {
        row.addresses.sorted { $0.key < $1.key }.map { name, address in
            let label = ["http": "api", "peer": "p2p"][name] ?? name
            return Line(label: label, text: address)
        }
    }

    private static func answers(_ row: ComponentRow) -> [Line] {
        guard let latest = row.latencies.last else {
            return [Line(label: "answers", text: Units.unknown, role: .hint)]
        }
        let most = row.latencies.filter(\.isFinite).max() ?? 0
        let bars = row.latencies.suffix(ComponentRow.latencyCount).map { latency in
            Character(latency.isFinite && most > 0 ? Graph.bar(latency / most) : "·")
        }
        return [
            Line(
                label: "answers in",
                text: "\(milliseconds(latest)) · at most \(milliseconds(most))"
            ),
            Line(label: "checks", text: String(bars), role: .hint),
        ]
    }

    private static func milliseconds(_ value: Double) -> String {
        value.isFinite
            ? "\(Units.decimal(value, value < 0.1 ? 3 : value < 10 ? 1 : 0)) ms" : Units.unknown
    }

    private static func work(_ row: ComponentRow, _ scene: Scene) -> [Line] {
        var lines: [Line] = []
        if row.kind == .agent || row.kind == .origin {
            let idle = max(0, PaneParts.sum([row.swarmCount, -max(0, row.leechingCount)]))
            lines.append(
                Line(
                    label: "torrents",
                    text:
                        "\(row.leechingCount) leeching · \(idle) seeding · \(row.connectionCount) conns"
                )
            )
        }
        if row.kind == .agent {
            lines.append(Line(label: "download", text: Units.rate(row.downloadRate)))
        }
        if row.kind == .agent || row.kind == .origin {
            let total = row.counters["bytes_uploaded"].map { "  total \(Units.bytes(Double($0)))" }
            lines.append(
                Line(label: "upload", text: Units.rate(row.uploadRate) + (total ?? ""))
            )
        }
        if let storage = row.storage {
            var text = "\(Units.count(storage.blobCount)) blobs"
            text += " · \(Units.bytes(Double(storage.blobBytes)))"
            if storage.unfinishedCount > 0 { text += " · \(storage.unfinishedCount) unfinished" }
            lines.append(Line(label: "cache", text: text))
        }
        for queue in scene.picture.queues where queue.component == row.id {
            let (pending, failed) = (queue.status.pendingCount, queue.status.failedCount)
            let target = queue.status.target.map { " · \($0)" } ?? ""
            lines.append(
                Line(
                    label: queue.isReplication ? "replicate" : "write-back",
                    text: "\(pending) pending · \(failed) failed\(target)",
                    role: failed > 0 ? .warning : .text
                )
            )
        }
        if row.kind == .origin, let owners = scene.picture.ring.flatMap(RingPane.ownersText) {
            lines.append(Line(label: "owners", text: owners))
        }
        if let tracking = row.tracking {
            let text = "\(tracking.swarmCount) swarms · \(tracking.peerCount) peers"
            lines.append(Line(label: "tracks", text: text))
        }
        if let count = row.tagCount {
            lines.append(Line(label: "tags", text: Units.count(count)))
        }
        return lines
    }

    /// Gauges, rates and counters as they are called.
    private static func numbers(_ row: ComponentRow) -> [Line] {
        var lines: [Line] = []
        for (name, value) in row.gauges.sorted(by: { $0.key < $1.key }) {
            lines.append(Line(label: words(name), text: gauge(name, value), isLong: true))
        }
        for (name, value) in row.counters.sorted(by: { $0.key < $1.key }) {
            var text = name.hasPrefix("bytes") ? Units.bytes(Double(value)) : Units.count(value)
            if let rate = row.rates[name], rate.isFinite, rate >= 0.05 {
                text += "  \(Units.decimal(rate, 1))/s"
            }
            lines.append(Line(label: words(name), text: text, isLong: true))
        }
        return lines
    }

    private static func gauge(_ name: String, _ value: Double) -> String {
        if name.hasSuffix("bytes_per_second") { return Units.rate(value) }
        if name.hasSuffix("bytes") { return Units.bytes(value) }
        if name.hasSuffix("seconds") { return Units.duration(value) }
        guard value.isFinite else { return Units.unknown }
        return value == value.rounded() ? Units.decimal(value, 0) : Units.decimal(value, 2)
    }

    private static func words(_ name: String) -> String {
        let drop: Set<Substring> = ["bytes", "per", "second"]
        let words = name.split(separator: "_")
        let kept = words.filter { !drop.contains($0) }
        return (kept.isEmpty ? words : kept).joined(separator: " ")
    }

    // MARK: - Configuration

    /// The configuration as far as the component tells it, what differs from its default marked.
    static func config(_ row: ComponentRow, into frame: inout Frame, area: Rect) {
        guard area.height > 2 else { return }
        let inner = frame.box(area, title: "Config (effective)", trailing: "· default  ✎ changed")
        guard !row.settings.isEmpty else {
            let text = "\(row.id) does not tell its configuration"
            return PaneParts.remark(text, into: &frame, area: inner)
        }
        // What was changed comes first where not all of it fits.
        let columns = inner.width >= 56 ? 2 : 1
        var settings = row.settings
        if settings.count > columns * inner.height {
            settings = settings.filter(\.isChanged) + settings.filter { !$0.isChanged }
        }
        let width = inner.width / columns
        for (index, setting) in settings.prefix(columns * inner.height).enumerated() {
            let x = inner.x + index / inner.height * width + 1
            let y = inner.y + index % inner.height
            let role: Role = setting.isChanged ? .warning : .hint
            frame.write(setting.isChanged ? "✎" : "·", x: x, y: y, in: inner, role)
            let key = min(27, max(8, width * 3 / 5))
            frame.write(setting.key.fitted(to: key - 1), x: x + 2, y: y, in: inner, .hint)
            let room = width - key - 4
            frame.write(
                setting.value.oneColumnPerScalar.fitted(to: room),
                x: x + 2 + key,
                y: y,
                in: inner
            )
        }
        let full = " c full yaml "
        if area.width > 40 {
            let x = area.right - 2 - full.unicodeScalars.count
            frame.write(full, x: x, y: area.bottom - 1, in: area, .hint)
        }
        let hidden = settings.count - columns * inner.height
        guard hidden > 0 else { return }
        frame.write(" \(hidden) more ", x: area.x + 2, y: area.bottom - 1, in: area, .hint)
    }
}
