// SPDX-License-Identifier: Apache-2.0

/// The Overview's graph: what flows into agents above, what origins send below, on one line of zero.
enum OverviewThroughput {
    /// Columns for the numbers beside the graph.
    private static let legendWidth = 18

    static func draw(_ scene: Scene, into frame: inout Frame, area: Rect) {
        let totals = scene.picture.totals
        let inside = frame.box(area, title: "Throughput", trailing: "60 s · auto scale")
        let (graphs, notes) = inside.splitBottom(3)
        let (plot, legend) = graphs.splitRight(legendWidth)
        let (up, down) = plot.splitTop(plot.height * 2 / 3)
        let (line, origins) = down.splitTop(1)
        let series = scene.picture.series
        let scale = Graph.scale(for: max(peak(series.download), 1))
        drawGraph(series.download, series.lastIndex, scale, into: &frame, up, .agentEdge)
        for x in line.x + 1..<max(line.x + 1, line.right) { frame[x, line.y] = Cell("─", .border) }
        Graph.draw(
            series.originUpload,
            lastIndex: series.lastIndex,
            span: RateSeries.samplesMax,
            scale: Graph.scale(for: max(peak(series.originUpload), 1)),
            into: &frame,
            area: origins,
            role: .origin,
            isInverted: true
        )
        let lines: [(Int, String, String, Role)] = [
            (up.y, "↓ agents", "", .agentEdge),
            (up.y + 1, trend(series.download), Units.rate(totals.downloadRate), .title),
            (up.y + 2, "peak", Units.rate(totals.peakDownloadRate), .text),
            (up.y + 3, "total", Units.bytes(Double(totals.downloadedBytes)), .text),
            (line.y, "↑ origins", "", .origin),
            (line.y + 1, trend(series.originUpload), Units.rate(totals.originUploadRate), .title),
            (line.y + 2, "P2P share", totals.agentShare.map(Units.percent) ?? Units.unknown, .text),
        ]
        for (y, name, value, role) in lines where y < legend.bottom {
            frame.write(
                name,
                x: legend.x + 1,
                y: y,
                in: legend,
                name.hasPrefix("↓") || name.hasPrefix("↑") ? role : .hint
            )
            frame.write(
                value,
                x: legend.x + 1,
                y: y,
                width: legend.width - 2,
                in: legend,
                role == .agentEdge || role == .origin ? .text : role,
                align: .trailing
            )
        }
        drawNotes(scene, into: &frame, area: notes.splitTop(1).rest)
    }

    private static func drawGraph(
        _ samples: [Double],
        _ lastIndex: Int,
        _ scale: Double,
        into frame: inout Frame,
        _ area: Rect,
        _ role: Role
    ) {
        Graph.draw(
            samples,
            lastIndex: lastIndex,
            span: RateSeries.samplesMax,
            scale: scale,
            into: &frame,
            area: area,
            role: role
        )
    }

    /// `▴` or `▾` for a second after a rate has changed by more than a fifth.
    private static func trend(_ samples: [Double]) -> String {
        RateSeries.trend(samples)?.rawValue ?? ""
    }

    private static func peak(_ samples: [Double]) -> Double {
        samples.reduce(0) { $1.isFinite ? max($0, $1) : $0 }
    }

    private static func drawNotes(_ scene: Scene, into frame: inout Frame, area: Rect) {
        let totals = scene.picture.totals
        let connections =
            "conns \(totals.connectionCount)" + (totals.connectionsMax.map { "/\($0)" } ?? "")
        let first = [
            connections, "announce \(Int(totals.announceRate.rounded()))/s",
            "pieces \(Int(totals.pieceRate.rounded()))/s",
        ].joined(separator: " · ")
        let end = frame.write(first + " · ", x: area.x + 1, y: area.y, in: area)
        frame.write(
            "bad hash \(totals.badPieces)",
            x: end,
            y: area.y,
            in: area,
            totals.badPieces > 0 ? .down : .text
        )
        let names = ["p50", "p95", "p99"]
        let pulls = zip(names, totals.pullSeconds).map { "\($0) \(Units.duration($1))" }
        let text = pulls.isEmpty ? "no pull yet" : "pull " + pulls.joined(separator: "  ")
        frame.write(text, x: area.x + 1, y: area.y + 1, in: area, pulls.isEmpty ? .hint : .text)
        if totals.banCount > 0 {
            frame.write(
                "banned pairs \(totals.banCount)",
                x: area.right - 18,
                y: area.y + 1,
                in: area,
                .warning
            )
        }
    }

    /// The graph of downloads alone, its numbers in the frame.
    static func drawNarrow(_ scene: Scene, into frame: inout Frame, area: Rect) {
        let totals = scene.picture.totals
        let share = totals.agentShare.map { " · P2P \(Units.percent($0))" } ?? ""
        let inside = frame.box(
            area,
            title: "↓ agents \(Units.rate(totals.downloadRate))",
            trailing: "peak \(Units.short(totals.peakDownloadRate))\(share)"
        )
        let series = scene.picture.series
        drawGraph(
            series.download,
            series.lastIndex,
            Graph.scale(for: max(peak(series.download), 1)),
            into: &frame,
            inside,
            .agentEdge
        )
    }
}
