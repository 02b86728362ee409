// SPDX-License-Identifier: Apache-2.0

/// The menu of faults.
enum FaultDialog {
    static func draw(
        _ targets: [String],
        choice: Int,
        _ scene: Scene,
        into frame: inout Frame
    ) {
        let names = targets.map { scene.picture.component($0)?.shortName ?? $0 }
        var rows = FaultRequest.Kind.allCases.map { kind in
            DialogRow([(String(kind.key), .title), (name(kind), .text), (kind.effect, .hint)])
        }
        let count = scene.picture.faults.count
        let undo =
            count == 0
            ? "No fault is on." : "Ends \(count == 1 ? "the fault" : "all \(count) faults") now."
        rows.append(
            DialogRow([("u", .title), ("undo all", count > 0 ? .text : .hint), (undo, .hint)])
        )
        let notes =
            scene.picture.canInjectFaults
            ? ["Each asks first, says what it will do, and can be undone."]
            : ["The components run elsewhere: nothing can be done to them from here."]
        DialogWindow.menu(
            "Fault" + (names.isEmpty ? "" : " on " + shortened(names)),
            notes: notes,
            rows,
            choice: choice,
            into: &frame
        )
    }

    private static func shortened(_ names: [String]) -> String {
        let shown = names.prefix(4).joined(separator: ", ").oneColumnPerScalar
        return names.count > 4 ? "\(shown) and \(names.count - 4) more" : shown
    }

    /// What a fault is called in the menu; dots say that more is asked.
    private static func name(_ kind: FaultRequest.Kind) -> String {
        switch kind {
        case .kill: "kill"
        case .restart: "restart"
        case .throttle: "throttle…"
        case .partition: "partition…"
        case .corrupt: "corrupt piece"
        case .wipe: "wipe disk"
        case .outage: "outage"
        }
    }
}

/// The question before something that hurts.
enum ConfirmDialog {
    static func draw(_ confirmation: Confirmation, into frame: inout Frame) {
        let title = confirmation.title.oneColumnPerScalar
        let texts = confirmation.lines.map(\.oneColumnPerScalar)
        let proof = confirmation.demanded.map { "Type \($0.oneColumnPerScalar) to go ahead:" }
        let longest =
            (texts + [title + "    ", proof ?? ""]).map(\.unicodeScalars.count).max() ?? 0
        let width = DialogWindow.width(min(max(longest, 34), 70), in: frame)
        let lines = texts.flatMap { PaneParts.wrapped($0, width: width - 4) }
        let proofRows = proof == nil ? 0 : 2
        let inner = DialogWindow.open(
            title,
            columns: width,
            rows: lines.count + proofRows + 3,
            into: &frame
        )
        // The buttons stay at the bottom, whatever else has room.
        let (rest, bottom) = inner.splitBottom(1)
        var y = rest.y + (rest.height > lines.count + proofRows ? 1 : 0)
        for line in lines where y < rest.bottom - min(proofRows, 1) {
            frame.write(line, x: rest.x + 1, y: y, in: rest)
            y += 1
        }
        if let proof {
            y = min(y + 1, rest.bottom - 1)
            typed(confirmation, proof, y: y, in: rest, into: &frame)
        }
        buttons(confirmation, in: bottom, into: &frame)
    }

    private static func typed(
        _ confirmation: Confirmation,
        _ proof: String,
        y: Int,
        in area: Rect,
        into frame: inout Frame
    ) {
        let isProved = confirmation.typed == confirmation.demanded
        let text = confirmation.typed.oneColumnPerScalar
        let x = frame.write(proof + " ", x: area.x + 1, y: y, in: area, .hint)
        let end = frame.write(text, x: x, y: y, in: area, isProved ? .complete : .title, .underline)
        frame.write("_", x: end, y: y, in: area, .hint)
        if end < area.right, y >= area.y { frame.cursor = Point(x: end, y: y) }
    }

    private static func buttons(
        _ confirmation: Confirmation,
        in area: Rect,
        into frame: inout Frame
    ) {
        let isAllowed = confirmation.demanded == nil || confirmation.typed == confirmation.demanded
        let end = DialogWindow.button(
            "Cancel",
            .cancel,
            isChosen: !confirmation.isAccepted,
            x: area.x + 1,
            y: area.y,
            in: area,
            into: &frame
        )
        _ = DialogWindow.button(
            "Do it",
            .confirm,
            isChosen: confirmation.isAccepted,
            x: end + 2,
            y: area.y,
            in: area,
            isAllowed ? .warning : .hint,
            into: &frame
        )
    }
}
