// SPDX-License-Identifier: Apache-2.0

/// Graphs of samples over time: two samples in a cell, four levels in a row, the latest sample at the right edge.
package enum Graph {
    /// The least scale at or above `peak`, in steps of 1, 2 and 5.
    ///
    /// - Parameter current: the scale in use; it is kept while the peak stays above 40 % of it, so that a graph does not
    ///   jump about a step.
    package static func scale(for peak: Double, current: Double = 0) -> Double {
        guard peak.isFinite, peak > 0 else { return max(1, current) }
        if current >= peak, peak * 2.5 >= current { return current }
        var step = 1.0
        while step < peak, step < 1e18 {
            if step * 2 >= peak { return step * 2 }
            if step * 5 >= peak { return step * 5 }
            step *= 10
        }
        return step
    }

    /// Draws the end of `samples` into `area`, up from its bottom, or down from its top when `isInverted`.
    ///
    /// Samples are paired by their number since the beginning, of which `lastIndex` is the latest one's, so that the graph
    /// moves by whole cells and never shimmers. With `span` the width stands for so many samples, or more: neighbours share a
    /// dot, as their mean, and always the same ones do.
    package static func draw(
        _ samples: [Double],
        lastIndex: Int,
        span: Int? = nil,
        scale: Double,
        into frame: inout Frame,
        area: Rect,
        role: Role,
        isInverted: Bool = false
    ) {
        guard !area.isEmpty, !samples.isEmpty, scale > 0, scale.isFinite else { return }
        let levels = area.height * 4
        let dots = 2 * area.width
        let shared = span.map { max(1, ($0 + dots - 1) / dots) } ?? 1
        // The cell at the right edge holds the pair with the latest sample.
        let lastPair = lastIndex / shared / 2
        for column in 0..<area.width {
            let pair = lastPair - (area.width - 1 - column)
            var heights = [0, 0]
            for half in 0..<2 {
                let first = samples.count - 1 - (lastIndex - (pair * 2 + half) * shared)
                let part = samples.indices.clamped(to: first..<first + shared)
                guard !part.isEmpty else { continue }
                heights[half] = level(mean(samples[part]), scale, levels)
            }
            drawColumn(heights, area.x + column, into: &frame, area, role, isInverted)
        }
    }

    private static func mean(_ samples: ArraySlice<Double>) -> Double {
        guard samples.count > 1 else { return samples.first ?? 0 }
        return samples.reduce(0) { $1.isFinite ? $0 + $1 : $0 } / Double(samples.count)
    }

    private static func level(_ sample: Double, _ scale: Double, _ levels: Int) -> Int {
        guard sample.isFinite, sample > 0 else { return 0 }
        return min(levels, max(1, Int((sample / scale * Double(levels)).rounded())))
    }

    private static func drawColumn(
        _ heights: [Int],
        _ x: Int,
        into frame: inout Frame,
        _ area: Rect,
        _ role: Role,
        _ isInverted: Bool
    ) {
        for row in 0..<area.height {
            var dots: UInt8 = 0
            for half in 0..<2 {
                for dot in 0..<4 where row * 4 + dot < heights[half] {
                    dots |= Braille.bit(x: half, y: isInverted ? dot : 3 - dot)
                }
            }
            let y = isInverted ? area.y + row : area.bottom - 1 - row
            if dots != 0 { frame[x, y] = Cell(Braille.scalar(dots), role) }
        }
    }

    /// The eight heights of a bar in one row.
    package static let eighths: [Unicode.Scalar] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]

    /// A bar of the height `share` (0 … 1) in one cell; a blank for nothing.
    package static func bar(_ share: Double) -> Unicode.Scalar {
        guard share.isFinite, share > 0 else { return " " }
        return eighths[min(7, max(0, Int((share * 8).rounded(.up)) - 1))]
    }

    /// A horizontal bar of `width` cells filled to `share`, in eighths of a cell.
    package static func horizontal(_ share: Double, width: Int) -> String {
        guard width > 0, share.isFinite else { return "" }
        let eighthCount = Int((min(max(0, share), 1) * Double(width * 8)).rounded())
        let parts: [Character] = ["▏", "▎", "▍", "▌", "▋", "▊", "▉"]
        var text = String(repeating: "█", count: eighthCount / 8)
        if eighthCount % 8 > 0 { text.append(parts[eighthCount % 8 - 1]) }
        return text
    }
}
