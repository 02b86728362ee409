// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// The end of one component's log, or a part further up.
enum LogPane {
    static func draw(
        _ component: ComponentRow,
        _ scene: Scene,
        into frame: inout Frame,
        area: Rect
    ) {
        guard area.height > 2 else { return }
        let view = scene.view.components
        // The last page stays full.
        let most = max(0, Lists.logLineCount(scene, of: component) - max(1, area.height - 2))
        let skipped = view.followsLog ? 0 : min(max(0, view.logScroll), most)
        let inner = frame.box(
            area,
            title: "Logs \(component.id)",
            trailing: heading(component, scene, width: area.width),
            bottom: skipped > 0 ? "↓ \(Units.count(skipped)) newer" : "",
            bottomTrailing: "w wrap\(view.wraps ? " ✓" : "")  F follow",
            isFocused: view.pane == .logs
        )
        let lines = Lists.logLines(scene, of: component, skipping: skipped, count: inner.height)
        guard !lines.isEmpty else {
            let text = "nothing logged at level \(view.level.rawValue)"
            return PaneParts.remark(text, into: &frame, area: inner)
        }
        // From the latest line at the bottom upwards, as far as there is room.
        let all = scene.picture.logs.lines
        var rows: [(text: String, role: Role)] = []
        for index in lines where rows.count < inner.height {
            rows.insert(contentsOf: wrapped(all[index], scene, width: inner.width - 2), at: 0)
        }
        for (y, row) in zip(inner.y..<inner.bottom, rows.suffix(inner.height)) {
            frame.write(row.text, x: inner.x + 1, y: y, in: inner, row.role)
        }
    }

    private static func heading(
        _ component: ComponentRow,
        _ scene: Scene,
        width: Int
    ) -> String {
        let view = scene.view.components
        var text = "\(view.level.rawValue)\(view.followsLog ? " · follow ✓" : "")"
        guard width >= 60 else { return text }
        let count = Units.count(Lists.logLineCount(scene, of: component))
        text = "level \(text) · \(count) lines"
        let dropped = scene.picture.logs.droppedCount
        return dropped > 0 || width >= 80 ? text + ", \(Units.count(dropped)) dropped" : text
    }

    private static func wrapped(
        _ line: LogLine,
        _ scene: Scene,
        width: Int
    ) -> [(text: String, role: Role)] {
        let isShort = scene.width < .wide
        let head = scene.clock(line.at, isShort: isShort) + " " + level(line) + " "
        let role: Role =
            switch line.rank {
            case 0: .hint
            case 2: .warning
            case 3: .down
            default: .text
            }
        let text = line.text.oneColumnPerScalar
        let indent = head.unicodeScalars.count
        guard scene.view.components.wraps, width > indent + 8 else {
            return [((head + text).fitted(to: width), role)]
        }
        let parts = PaneParts.wrapped(text, width: width - indent, linesMax: 20)
        let blank = String(repeating: " ", count: indent)
        return parts.enumerated().map {
            ($0.offset == 0 ? head + $0.element : blank + $0.element, role)
        }
    }

    private static func level(_ line: LogLine) -> String {
        switch line.level {
        case "warning": "WARN "
        case "critical": "CRIT "
        case "notice": "NOTE "
        case "": "     "
        default:
            String(line.level.uppercased().oneColumnPerScalar.prefix(5))
                .padded(to: 5)
        }
    }
}

extension String {
    /// The text with blanks after it, at least `width` columns wide.
    func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - unicodeScalars.count))
    }
}
