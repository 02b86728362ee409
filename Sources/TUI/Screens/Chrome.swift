// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// What every screen has: tabs and state, where one is and totals, the keys or what is being typed.
enum Chrome {
    /// Rows above the screen's own.
    static let topRows = 2
    /// Rows below it.
    static let bottomRows = 1

    static func draw(_ scene: Scene, into frame: inout Frame) {
        guard frame.size.height > topRows + bottomRows else { return }
        tabs(scene, into: &frame)
        crumbs(scene, into: &frame)
        bottom(scene, into: &frame)
    }

    // MARK: - Tabs and state

    private static func tabs(_ scene: Scene, into frame: inout Frame) {
        let isWide = scene.width >= .wide
        var x = frame.write(isWide ? " herd  " : "", x: 0, y: 0, in: frame.bounds, .title)
        for screen in Screen.allCases {
            let isFront = screen == scene.view.screen
            let name = isWide ? screen.title.long : screen.title.short
            let label = "\(screen.number)\(isWide ? " " : "")\(name)"
            let text = isFront ? "[\(label)]" : " \(label) "
            let start = x
            x = frame.write(text, x: x, y: 0, in: frame.bounds, isFront ? .title : .text)
            let area = Rect(x: start, y: 0, width: x - start, height: 1)
            if isFront { frame.mark(area, .reverse) }
            frame.addHit(area, .show(screen))
        }
        state(scene, after: x, into: &frame)
    }

    private static func state(_ scene: Scene, after start: Int, into frame: inout Frame) {
        let clock = Clock.time(
            scene.picture.now.unixNanoseconds,
            offsetSeconds: scene.view.zoneOffsetSeconds
        )
        var parts: [(String, Role)] = []
        if !scene.picture.faults.isEmpty {
            let count = scene.picture.faults.count
            parts.append(("▲ \(count) fault\(count == 1 ? "" : "s")", .warning))
        }
        if scene.view.isRecording { parts.append(("● REC", .down)) }
        parts.append(mode(scene))
        parts.append((scene.picture.isEmpty ? "--:--:--" : clock, .text))
        // Whole parts are left out from the left until the rest fits.
        while parts.count > 1, width(parts) > frame.size.width - start { parts.removeFirst() }
        var x = max(start, frame.size.width - width(parts))
        for (index, part) in parts.enumerated() {
            if index > 0 { x += 1 }
            x = frame.write(part.0, x: x, y: 0, in: frame.bounds, part.1)
        }
    }

    private static func width(_ parts: [(String, Role)]) -> Int {
        parts.reduce(parts.count - 1) { $0 + $1.0.unicodeScalars.count }
    }

    private static func mode(_ scene: Scene) -> (String, Role) {
        let time = scene.view.time
        if let at = time.at {
            let behind = scene.picture.now.seconds(since: at)
            let lag = behind > 0.05 ? " -\(Units.decimal(behind, 1)) s" : ""
            return time.speed == 0
                ? ("❚❚ PAUSED\(lag)", .warning)
                : ("▶ ×\(Units.decimal(time.speed, 2))\(lag)", .warning)
        }
        switch scene.picture.source {
        case .replay: return ("⟲ REPLAY", .origin)
        case .simulator: return ("● SIM", .origin)
        case .herd, .remote:
            return scene.picture.isEmpty ? ("○ STARTING", .hint) : ("● LIVE", .complete)
        }
    }

    // MARK: - Where one is

    private static func crumbs(_ scene: Scene, into frame: inout Frame) {
        let content = scene.view.screen.content
        var path = [scene.picture.name] + content.crumbs(scene)
        if !scene.view.filter.isEmpty { path.append("/" + scene.view.filter) }
        var text = path.joined(separator: " › ")
        if path.count > 1, text.unicodeScalars.count > frame.size.width / 2 {
            text = "› " + path.dropFirst().joined(separator: " › ")
        }
        let room = frame.size.width - 1
        let end = frame.write(" " + text.fitted(to: room), x: 0, y: 1, in: frame.bounds, .text)
        var segments = content.summary(scene)
        while !segments.isEmpty {
            let right = segments.joined(separator: " · ")
            let x = frame.size.width - right.unicodeScalars.count
            if x > end {
                frame.write(right, x: x, y: 1, in: frame.bounds, .text)
                return
            }
            segments.removeLast()
        }
    }

    // MARK: - Keys, prompt, message

    private static func bottom(_ scene: Scene, into frame: inout Frame) {
        let y = frame.size.height - 1
        if let prompt = scene.view.prompt {
            draw(prompt, y: y, into: &frame)
        } else if let toast = scene.view.toast {
            let text = (toast.isError ? "▲ " : "") + toast.text
            frame.write(
                " " + text.fitted(to: frame.size.width - 2),
                x: 0,
                y: y,
                in: frame.bounds,
                toast.isError ? .down : .title
            )
        } else {
            hints(scene, y: y, into: &frame)
        }
    }

    private static func draw(_ prompt: Prompt, y: Int, into frame: inout Frame) {
        let mark = prompt.kind == .command ? ":" : "/"
        let room = max(1, frame.size.width - 3)
        let skip = max(0, prompt.cursor - room)
        let shown = String(String.UnicodeScalarView(prompt.text.unicodeScalars.dropFirst(skip)))
        var x = frame.write(" " + mark + shown, x: 0, y: y, in: frame.bounds, .title)
        frame.cursor = Point(x: min(frame.size.width - 1, 2 + prompt.cursor - skip), y: y)
        guard prompt.completions.count > 1 else { return }
        x += 2
        frame.write(
            prompt.completions.joined(separator: "  "),
            x: x,
            y: y,
            in: frame.bounds,
            .hint
        )
    }

    private static func hints(_ scene: Scene, y: Int, into frame: inout Frame) {
        let gap = scene.width >= .wide ? "  " : " "
        var x = 1
        for hint in KeyTable.hints(scene.view, scene.picture) {
            let text = "\(hint.keys) \(hint.label)"
            guard x + text.unicodeScalars.count <= frame.size.width else { break }
            let start = x
            x = frame.write(hint.keys, x: x, y: y, in: frame.bounds, .title)
            x = frame.write(" " + hint.label, x: x, y: y, in: frame.bounds, .hint)
            frame.addHit(Rect(x: start, y: y, width: x - start, height: 1), hint.intent)
            x += gap.count
        }
    }
}
