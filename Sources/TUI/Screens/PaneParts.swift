// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// What the panes of several screens are put together from.
enum PaneParts {
    /// How high a pane of a column would like to be.
    struct Wish {
        /// With fewer rows it is left out.
        var least: Int
        /// All its rows, nothing more.
        var plain: Int
        /// With everything it could show.
        var full: Int
        /// Panes of low numbers are left out last, and grow first.
        var priority: Int
    }

    /// Heights for panes in a column of `total` rows; 0 for those left out. The rest goes to the last pane shown.
    static func heights(_ wishes: [Wish], total: Int) -> [Int] {
        var heights = Array(repeating: 0, count: wishes.count)
        let order = wishes.indices.sorted { wishes[$0].priority < wishes[$1].priority }
        var left = max(0, total)
        for index in order where left >= wishes[index].least || index == order.first {
            heights[index] = min(left, wishes[index].least)
            left -= heights[index]
        }
        for keyPath in [\Wish.plain, \Wish.full] {
            for index in order where heights[index] > 0 {
                let more = min(left, max(0, wishes[index][keyPath: keyPath] - heights[index]))
                heights[index] += more
                left -= more
            }
        }
        if let last = heights.lastIndex(where: { $0 > 0 }) { heights[last] += left }
        return heights
    }

    /// `text` in lines of at most `width` columns, broken between words where it can be.
    static func wrapped(_ text: String, width: Int, linesMax: Int = 500) -> [String] {
        guard width > 0, linesMax > 0 else { return [] }
        var (lines, line, length): ([String], String, Int) = ([], "", 0)
        for word in text.split(separator: " ", omittingEmptySubsequences: false) {
            var rest = Substring(word)
            var count = rest.unicodeScalars.count
            if length + (length > 0 ? 1 : 0) + count > width, length > 0 {
                lines.append(line)
                (line, length) = ("", 0)
            }
            while count > width, lines.count < linesMax {
                let scalars = rest.unicodeScalars
                let end = scalars.index(scalars.startIndex, offsetBy: width)
                lines.append(String(rest[..<end]))
                rest = rest[end...]
                count -= width
            }
            line += (length > 0 ? " " : "") + rest
            length += (length > 0 ? 1 : 0) + count
            if lines.count >= linesMax { break }
        }
        if !line.isEmpty || lines.isEmpty { lines.append(line) }
        return Array(lines.prefix(linesMax))
    }

    /// Writes a remark into the middle of an empty pane.
    static func remark(
        _ text: String,
        into frame: inout Frame,
        area: Rect,
        _ role: Role = .hint
    ) {
        let lines = wrapped(text, width: area.width - 2)
        var y = area.y + max(0, (area.height - lines.count) / 2)
        for line in lines where y < area.bottom {
            frame.write(line, x: area.x, y: y, width: area.width, in: area, role, align: .centre)
            y += 1
        }
    }

    /// A graph of one sample a second in one row: label, curve, the highest value.
    static func history(
        _ label: String,
        labelWidth: Int,
        _ samples: [Double],
        unit: String = "",
        _ scene: Scene,
        into frame: inout Frame,
        line: Rect,
        _ role: Role
    ) {
        frame.write(label.fitted(to: labelWidth - 1), x: line.x, y: line.y, in: line, .hint)
        let most = samples.filter(\.isFinite).max() ?? 0
        let tail = "max \(Units.decimal(most, 0))\(unit)"
        let width = min(30, line.width - labelWidth - tail.unicodeScalars.count - 2)
        guard width > 3 else { return }
        let area = Rect(x: line.x + labelWidth, y: line.y, width: width, height: 1)
        Graph.draw(
            samples,
            lastIndex: second(scene),
            scale: max(1, most),
            into: &frame,
            area: area,
            role: role
        )
        frame.write(tail, x: area.right + 1, y: line.y, in: line, .hint)
    }

    /// The sum of `values`, at its limits when it is beyond them: numbers from elsewhere may be anything.
    static func sum(_ values: some Sequence<Int>) -> Int {
        values.reduce(0) { sum, value in
            let (result, overflow) = sum.addingReportingOverflow(value)
            return overflow ? (value > 0 ? .max : .min) : result
        }
    }

    /// The number of the second of the picture, by which samples of one a second are paired.
    static func second(_ scene: Scene) -> Int {
        Int(clamping: scene.picture.takenAt.unixNanoseconds / 1_000_000_000)
    }

    /// What a list says that has no rows: why, and what to do about it.
    static func emptiness(_ scene: Scene, _ text: String) -> String {
        if scene.picture.isEmpty { return "waiting for the first snapshot" }
        return scene.view.filter.isEmpty ? text : "nothing matches /\(scene.view.filter)"
    }
}
