// SPDX-License-Identifier: Apache-2.0

/// The help: every key, those of the screen in front first, and what the glyphs mean. All from the one table of keys.
enum HelpDialog {
    /// A heading, or keys and what they do.
    struct Line: Equatable {
        var keys: String
        var text: String
        var role = Role.title
        var isHeading: Bool { text.isEmpty }
    }

    static func draw(scroll: Int, _ scene: Scene, into frame: inout Frame) {
        let columnCount = frame.size.width >= 72 ? 2 : 1
        let width = min(frame.size.width, columnCount == 2 ? 104 : 60)
        let each = (width - 4) / columnCount
        let columns = columns(scene, count: columnCount, textWidth: each - 1 - textStart)
        let count = columns.map(\.count).max() ?? 0
        let inner = DialogWindow.open(
            "Help",
            trailing: "? or esc closes",
            bottomTrailing: "keys of this screen come first  ↑↓ scroll",
            columns: width,
            rows: count,
            into: &frame
        )
        DialogWindow.scrolled(count, scroll: scroll, inner, into: &frame) { index, row, frame in
            for (column, lines) in columns.enumerated() where index < lines.count {
                let area = Rect(x: row.x + 1 + column * each, y: row.y, width: each - 1, height: 1)
                draw(lines[index], area, into: &frame)
            }
        }
    }

    private static let keyWidth = 9
    /// Where the texts begin.
    private static let textStart = keyWidth + 2

    private static func draw(_ line: Line, _ area: Rect, into frame: inout Frame) {
        guard !line.isHeading else {
            frame.write(line.keys, x: area.x, y: area.y, in: area, .title, .bold)
            return
        }
        let keys = line.keys.fitted(to: keyWidth)
        frame.write(keys, x: area.x + 1, y: area.y, in: area, line.role)
        let x = area.x + textStart
        frame.write(line.text.fitted(to: area.right - x), x: x, y: area.y, in: area, .hint)
    }

    // MARK: - Lines

    /// The sections, each put into the shortest of `count` columns.
    private static func columns(_ scene: Scene, count: Int, textWidth: Int) -> [[Line]] {
        var columns: [[Line]] = Array(repeating: [], count: count)
        for section in sections(scene) {
            let shortest = columns.indices.min { columns[$0].count < columns[$1].count } ?? 0
            if !columns[shortest].isEmpty { columns[shortest].append(Line(keys: "", text: "")) }
            columns[shortest] += section.flatMap { wrapped($0, width: textWidth) }
        }
        return columns
    }

    /// The line, and more without keys below it when its text is long.
    private static func wrapped(_ line: Line, width: Int) -> [Line] {
        guard !line.isHeading else { return [line] }
        return PaneParts.wrapped(line.text, width: max(8, width)).enumerated().map { index, text in
            Line(keys: index == 0 ? line.keys : "", text: text, role: line.role)
        }
    }

    static func sections(_ scene: Scene) -> [[Line]] {
        let screen = scene.view.screen
        let allowed = KeyTable.bindings.filter {
            scene.picture.allows($0.needs)
        }
        let own = allowed.filter { $0.screens?.contains(screen) == true }
        let ownIntents = Set(own.map(\.intent))
        var sections: [[Line]] = []
        if !own.isEmpty {
            sections.append([Line(keys: "\(screen.title.long) only", text: "")] + lines(own))
        }
        for group in KeyBinding.Group.allCases {
            let common = allowed.filter {
                $0.screens == nil && $0.group == group && !ownIntents.contains($0.intent)
            }
            guard !common.isEmpty else { continue }
            var section = [Line(keys: group.rawValue, text: "")] + lines(common)
            if group == .act, scene.picture.canInjectFaults { section += faultLines }
            sections.append(section)
        }
        return sections + [[Line(keys: "Glyphs", text: "")] + glyphs]
    }

    /// One line for one binding, or for two neighbours that are two sides of one thing: next and previous, up and down.
    private static func lines(_ bindings: [KeyBinding]) -> [Line] {
        var lines: [Line] = []
        let screens = bindings.filter(\.isScreen)
        if let first = screens.first, let last = screens.last, screens.count > 1 {
            let keys = zip(first.keys, last.keys).map { "\($0)…\($1)" }
            lines.append(Line(keys: keys.joined(separator: " "), text: "screens"))
        }
        let rest = bindings.filter { !$0.isScreen || screens.count == 1 }
        var index = 0
        while index < rest.count {
            let binding = rest[index]
            if index + 1 < rest.count, binding.isTwin(of: rest[index + 1]) {
                let twin = rest[index + 1]
                lines.append(
                    Line(keys: keys(binding.keys, twin.keys), text: "\(binding.help), \(twin.help)")
                )
                index += 2
            } else {
                lines.append(Line(keys: keys(binding.keys, []), text: binding.help))
                index += 1
            }
        }
        return lines
    }

    /// `↑ ↓ k j`: first the first keys of both, then the second ones.
    private static func keys(_ left: [Key], _ right: [Key]) -> String {
        var names: [String] = []
        for index in 0..<max(left.count, right.count) {
            if index < left.count { names.append(left[index].description) }
            if index < right.count { names.append(right[index].description) }
        }
        return names.joined(separator: " ")
    }

    /// What the menu of faults offers.
    private static let faultLines: [Line] = {
        let kinds = FaultRequest.Kind.allCases
        return stride(from: 0, to: kinds.count, by: 2).map { index in
            let pair = kinds[index..<min(index + 2, kinds.count)]
            var keys = pair.map { String($0.key) }
            var names = pair.map(\.rawValue)
            if pair.count == 1 {
                keys.append("u")
                names.append("undo all")
            }
            return Line(
                keys: "  x " + keys.joined(separator: " "),
                text: names.joined(separator: ", "),
                role: .hint
            )
        }
    }()

    private static let glyphs: [Line] = [
        Line(keys: "●", text: "complete; healthy", role: .complete),
        Line(keys: "◕◑◔○", text: "part: ¾ ½ ¼ less", role: .ramp(5)),
        Line(keys: "◆", text: "origin", role: .origin),
        Line(keys: "✕", text: "down or blacklisted", role: .down),
        Line(keys: "▲", text: "warning, failed", role: .warning),
        Line(keys: "—", text: "not known", role: .hint),
    ]
}

extension KeyBinding {
    /// Whether it shows a screen.
    fileprivate var isScreen: Bool {
        if case .show = intent { true } else { false }
    }

    /// Whether `other` is the other side of the same thing: their commands begin alike, or are known to belong together.
    fileprivate func isTwin(of other: KeyBinding) -> Bool {
        guard screens == other.screens, group == other.group else { return false }
        let words = [command, other.command].map { $0.split(separator: " ").first ?? "" }
        return words[0] == words[1] || Self.twins.contains(words)
    }

    private static let twins: Set<[Substring]> = [
        ["next", "previous"], ["slower", "faster"], ["mark", "marks"], ["theme", "redraw"],
        ["save", "record"], ["push", "pull"],
    ]
}
