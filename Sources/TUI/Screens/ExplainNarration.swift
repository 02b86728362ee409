// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// The pane that tells events in words, the current one in full.
enum ExplainNarration {
    /// One line of the pane.
    private struct Line {
        var text: String
        /// The event whose first line this is.
        var event: ClusterEvent?
        var isCurrent = false
        var role = Role.text
    }

    /// Rows from which on the idea behind the current event is named.
    private static let conceptRows = 17

    static func draw(
        _ scene: Scene,
        _ story: ExplainStory,
        into frame: inout Frame,
        area: Rect
    ) {
        let depth = scene.view.explain.depth.rawValue
        let isWide = scene.width >= .wide
        let who = story.followed.map { (isWide ? "following " : "") + $0 } ?? "everybody"
        let inside = frame.box(
            area,
            title: "What is happening",
            trailing: "\(who) · depth" + (isWide ? ": " : " ") + depth,
            bottom: minute(scene, story),
            isFocused: true
        )
        guard !inside.isEmpty else { return }
        guard story.count > 0 else { return drawEmpty(scene, story, into: &frame, area: inside) }
        var rest = inside
        if inside.height >= conceptRows, let concept = story.current.flatMap(Concepts.concept) {
            let text = "Concept: \(concept.gist) (:concept \(concept.id))"
            let lines = text.wrappedWords(to: inside.width - 2)
            let parts = inside.splitBottom(lines.count + 1)
            for (index, line) in lines.enumerated() {
                let y = parts.bottom.y + 1 + index
                frame.write(line, x: inside.x + 1, y: y, in: parts.bottom, .hint)
            }
            rest = parts.rest
        }
        drawLines(scene, story, into: &frame, area: rest)
    }

    /// `14:03:__`, of which the lines tell the seconds.
    private static func minute(_ scene: Scene, _ story: ExplainStory) -> String {
        guard let current = story.current else { return "" }
        let clock = scene.clock(current.timestamp)
        return scene.width >= .wide ? clock.prefix(6) + "__" : clock.dropFirst(3).prefix(3) + "__"
    }

    private static func drawEmpty(
        _ scene: Scene,
        _ story: ExplainStory,
        into frame: inout Frame,
        area: Rect
    ) {
        let text =
            scene.picture.swarm == nil
            ? "No swarm yet. p pushes a demo image, P pulls it."
                + " What happens then is told here."
            : "Nothing was recorded" + (story.followed.map { " about \($0)" } ?? "") + " yet."
        for (index, line) in text.wrappedWords(to: area.width - 2).enumerated() {
            frame.write(line, x: area.x + 1, y: area.y + index, in: area, .hint)
        }
    }

    // MARK: - Lines

    private static func drawLines(
        _ scene: Scene,
        _ story: ExplainStory,
        into frame: inout Frame,
        area: Rect
    ) {
        let isWide = scene.width >= .wide
        // The mark, the time, a blank on each side.
        let (markX, timeX) = isWide ? (1, 3) : (0, 2)
        let textX = timeX + (isWide ? 13 : 7)
        let lines = lines(scene, story, width: area.width - textX - 1, height: area.height)
        for (index, line) in lines.prefix(area.height).enumerated() {
            let y = area.y + index
            if let event = line.event {
                let clock = scene.clock(event.timestamp)
                let time = isWide ? clock : String(clock.dropFirst(6))
                if line.isCurrent { frame.write("▶", x: area.x + markX, y: y, in: area, .title) }
                frame.write(
                    time,
                    x: area.x + timeX,
                    y: y,
                    in: area,
                    line.isCurrent ? .title : .hint
                )
                frame.addHit(
                    Rect(x: area.x, y: y, width: area.width, height: 1),
                    .goTo(unixNanoseconds: event.timestamp.unixNanoseconds)
                )
            }
            frame.write(line.text, x: area.x + textX, y: y, in: area, line.role)
            // The question stands out from its answer.
            if line.isCurrent, line.text.hasPrefix("Why "),
                let end = line.text.unicodeScalars.firstIndex(of: "?")
            {
                frame.write(line.text[...end], x: area.x + textX, y: y, in: area, .title)
            }
        }
    }

    private static func lines(
        _ scene: Scene,
        _ story: ExplainStory,
        width: Int,
        height: Int
    ) -> [Line] {
        var narrator = Narrator(scene.picture)
        for event in story.earlier { narrator.note(event) }
        let depth = scene.view.explain.depth
        let brief = depth == .wire ? depth : .short
        var before: [[Line]] = []
        for event in story.before.suffix(height + 16) {
            before.append(self.lines(event, narrator.tell(event, brief).prefix(1), width))
        }
        var current: [Line] = []
        if let event = story.current {
            current = self.lines(event, narrator.tell(event, depth)[...], width)
            for index in current.indices { current[index].isCurrent = true }
            current[0].role = .title
        }
        var after: [Line] = []
        for event in story.after.prefix(height) {
            var lines = self.lines(event, narrator.tell(event, brief).prefix(1), width)
            for index in lines.indices { lines[index].role = .hint }
            after += lines
        }
        // A third is for what comes, as far as it needs it; the rest for what was, in whole sentences.
        var room = max(0, height - current.count)
        let reserved = min(after.count, room / 3)
        var past: [Line] = []
        room -= reserved
        while let last = before.popLast(), last.count <= room {
            past = last + past
            room -= last.count
        }
        return Array((past + current + after).prefix(height))
    }

    private static func lines(
        _ event: ClusterEvent,
        _ paragraphs: ArraySlice<String>,
        _ width: Int
    ) -> [Line] {
        var lines = paragraphs.flatMap { paragraph in
            paragraph.wrappedWords(to: width).map { Line(text: $0, role: role(event.kind)) }
        }
        if lines.isEmpty { lines = [Line(text: "")] }
        lines[0].event = event
        return lines
    }

    private static func role(_ kind: EventKind) -> Role {
        switch kind {
        case .hashFailed, .writeBackFailed, .replicationFailed: .down
        case .banConnection, .requestExpired, .connectionRejected, .fault, .announceFailed: .warning
        case .torrentComplete: .complete
        case .sendPiece, .requestWithdrawn: .hint
        default: .text
        }
    }
}

extension String {
    /// The text in lines of at most `width` columns, broken at blanks; longer words are broken anywhere.
    func wrappedWords(to width: Int) -> [String] {
        guard width > 0 else { return [] }
        var lines: [String] = []
        var line = String.UnicodeScalarView()
        for word in unicodeScalars.split(separator: " ", omittingEmptySubsequences: true) {
            var word = word[...]
            if !line.isEmpty, line.count + 1 + word.count > width {
                lines.append(String(line))
                line = String.UnicodeScalarView()
            }
            if !line.isEmpty { line.append(" ") }
            while word.count > width {
                lines.append(String(String.UnicodeScalarView(word.prefix(width))))
                word = word.dropFirst(width)
            }
            line.append(contentsOf: word)
        }
        if !line.isEmpty { lines.append(String(line)) }
        return lines
    }
}
