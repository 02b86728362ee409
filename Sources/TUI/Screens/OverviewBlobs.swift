// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// The Overview's table of blobs.
enum OverviewBlobs {
    static func draw(_ scene: Scene, into frame: inout Frame, area: Rect) {
        let rows = BlobList.rows(scene)
        let all = scene.picture.blobs.count
        let active = scene.picture.blobs.count(where: \.isActive)
        let sorting = scene.view.overview.sorting
        let arrow = sorting.isDescending ? "▼" : "▲"
        let inside = frame.box(
            area,
            title: active > 0 ? "Active blobs (\(active)/\(all))" : "Blobs (\(all))",
            trailing: "sort: \(sorting.column) \(arrow)",
            bottom: scene.width >= .wide ? "/ filter" : "",
            bottomTrailing: scene.width >= .wide ? "↑↓ select  ↵ swarm" : "",
            isFocused: scene.view.overview.pane == .blobs
        )
        guard !rows.isEmpty else { return drawEmpty(scene, into: &frame, area: inside) }
        let selected = rows.firstIndex { $0.digest == scene.view.blob } ?? 0
        let idle = BlobList.idle(scene, besides: rows)
        let hasIdleLine = !idle.isEmpty && inside.height > rows.count + 2
        let columns = columns(scene)
        let table = Table(columns: columns.map(\.column))
        table.draw(
            into: &frame,
            area: inside,
            count: rows.count,
            selected: selected,
            isFocused: scene.view.overview.pane == .blobs,
            row: { index in columns.map { $0.cell(rows[index]) } },
            select: { .select(.blob(rows[$0].digest)) }
        )
        drawShares(rows, table, scene, selected: selected, into: &frame, area: inside)
        drawImage(of: rows[selected], scene, into: &frame, area: inside, under: rows.count)
        guard hasIdleLine else { return }
        let names = idle.prefix(8).map { Scene.short($0.digest, 4) + "…" }.joined(separator: " ")
        frame.write(
            "idle \(idle.count): \(names)   (i shows idle blobs)",
            x: inside.x + 1,
            y: inside.y + rows.count + 2,
            width: inside.width - 2,
            in: inside,
            .hint
        )
    }

    /// The image that the selected blob is a part of, in the last line where that is free.
    private static func drawImage(
        of blob: BlobRow,
        _ scene: Scene,
        into frame: inout Frame,
        area: Rect,
        under rowCount: Int
    ) {
        // The titles, the rows, the idle blobs with a line before them, and a line of space.
        guard area.height >= rowCount + 5,
            let image = scene.picture.images.last(where: { $0.contains(blob.digest) })
        else { return }
        let content = image.content
        let layers = Set(content.layers)
        let known = scene.picture.blobs.filter { layers.contains($0.digest) }
        var parts = [
            "image \(content.reference)", "manifest \(Scene.short(content.manifest, 4))…",
            "layers \(content.layers.count)",
        ]
        if known.count == layers.count {
            parts.append(Units.bytes(Double(known.reduce(0) { $0 &+ $1.blobBytes })))
        }
        if let at = image.pushedAt {
            let clock = String(scene.clock(at).prefix(8))
            parts.append("pushed \(clock)" + (image.pushedBy.map { " via \($0)" } ?? ""))
        }
        let pulling = known.map(\.leecherCount).max() ?? 0
        if pulling > 0 { parts.append("\(pulling) agents pulling") }
        frame.write(
            parts.joined(separator: "  ").fitted(to: area.width - 2),
            x: area.x + 1,
            y: area.bottom - 1,
            in: area,
            .hint
        )
    }

    private static func drawEmpty(_ scene: Scene, into frame: inout Frame, area: Rect) {
        let text =
            !scene.view.filter.isEmpty
            ? "No blob matches /\(scene.view.filter). esc clears the filter."
            : emptyText(scene)
        frame.write(
            text,
            x: area.x,
            y: area.y + area.height / 2,
            width: area.width,
            in: area,
            .hint,
            align: .centre
        )
    }

    /// What would fill the list, and how.
    private static func emptyText(_ scene: Scene) -> String {
        guard scene.picture.canControl else {
            return "No blobs yet. They show up when somebody pulls an image."
        }
        if let tag = scene.picture.tags.first?.tag {
            return "\(tag) is pushed, and nobody has pulled it. P pulls it."
        }
        return "No blobs yet. p pushes a demo image, P pulls it."
    }

    // MARK: - Columns

    private static let sharesTitle = "PIECES OVER SWARM"

    /// A column and how its cells are made.
    private struct BlobColumn: Sendable {
        var column: TableColumn
        var cell: @Sendable (BlobRow) -> TableCell
    }

    /// The columns of the screen's width.
    private static func columns(_ scene: Scene) -> [BlobColumn] {
        let isWide = scene.width >= .wide
        let digits = Scene.digitsTelling(
            scene.picture.blobs.map(\.digest),
            least: isWide ? 10 : 8
        )
        let label = isWide ? 26 : 18
        var columns = [
            BlobColumn(column: TableColumn("DIGEST", width: digits + (isWide ? 1 : 0), priority: 3))
            {
                TableCell(Scene.short($0.digest, digits) + (isWide ? "…" : ""))
            },
            BlobColumn(column: TableColumn("IMAGE · LAYER", width: label)) {
                let text = $0.label.isEmpty ? Units.unknown : $0.label
                return TableCell(text.fittedInMiddle(to: label))
            },
            BlobColumn(column: TableColumn("SIZE", width: 5, align: .trailing, priority: 4)) {
                TableCell(Units.short(Double($0.blobBytes)))
            },
        ]
        if isWide { columns += wideColumns }
        columns += [
            BlobColumn(column: TableColumn(sharesTitle, width: 0, priority: 2)) { _ in TableCell("")
            },
            BlobColumn(column: TableColumn("DONE", width: 4, align: .trailing)) {
                TableCell(Units.percent($0.done), .part($0.done))
            },
            BlobColumn(column: TableColumn("RATE", width: 6, align: .trailing, priority: 1)) {
                TableCell(Units.short($0.rate))
            },
            BlobColumn(
                column: TableColumn("ETA", width: 5, align: .trailing, priority: 4),
                cell: { timeLeft($0) }
            ),
        ]
        if isWide {
            columns.append(
                BlobColumn(column: TableColumn("COPIES", width: 6, align: .trailing, priority: 5)) {
                    TableCell(Units.decimal($0.copies, $0.copies < 10 ? 2 : 1))
                }
            )
        }
        return columns
    }

    private static let wideColumns = [
        BlobColumn(column: TableColumn("PIECES", width: 9, align: .trailing, priority: 5)) {
            TableCell("\($0.pieceCount)×\(Units.short(Double($0.pieceBytes)))")
        },
        BlobColumn(column: TableColumn("SEED/LEECH", width: 10, align: .trailing, priority: 6)) {
            TableCell("\($0.seederCount)/\($0.leecherCount)")
        },
    ]

    private static func timeLeft(_ blob: BlobRow) -> TableCell {
        guard let seconds = blob.secondsLeft else { return TableCell(Units.unknown, .hint) }
        let text = seconds < 9.95 ? "\(Int(seconds.rounded(.up)))s" : Units.duration(seconds)
        return TableCell(text)
    }

    /// One cell is a run of pieces, its height the mean share of peers that hold it.
    private static func drawShares(
        _ rows: [BlobRow],
        _ table: Table,
        _ scene: Scene,
        selected: Int,
        into frame: inout Frame,
        area: Rect
    ) {
        guard let column = table.columns.firstIndex(where: { $0.title == sharesTitle }),
            let place = table.layout(width: area.width).first(where: { $0.index == column })
        else { return }
        let body = area.splitTop(area.height > 1 ? 1 : 0).rest
        let window = Table.window(count: rows.count, selected: selected, height: body.height)
        for (line, index) in window.enumerated() {
            let shares = rows[index].shares
            guard !shares.isEmpty else { continue }
            for x in 0..<place.width {
                let share = Double(shares[min(shares.count - 1, x * shares.count / place.width)])
                let flags = frame[area.x + place.x + x, body.y + line].flags
                frame[area.x + place.x + x, body.y + line] = Cell(
                    Graph.bar(share),
                    .part(share),
                    flags
                )
            }
        }
    }
}
