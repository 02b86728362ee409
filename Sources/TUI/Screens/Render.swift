// SPDX-License-Identifier: Apache-2.0

/// Draws the whole screen: a function of its arguments and nothing else.
package func render(_ picture: ClusterPicture, _ view: ViewState) -> Frame {
    var frame = Frame(size: view.size)
    let scene = Scene(picture, view)
    if view.size.width < Size.least.width || view.size.height < Size.least.height {
        drawTooSmall(into: &frame)
    } else {
        Chrome.draw(scene, into: &frame)
        let area = frame.bounds.splitTop(Chrome.topRows).rest.splitBottom(Chrome.bottomRows).rest
        view.screen.content.draw(scene, into: &frame, area: area)
        DialogDrawing.draw(scene, into: &frame)
    }
    frame.degrade(to: view.glyphs)
    return frame
}

private func drawTooSmall(into frame: inout Frame) {
    let size = frame.size
    let long =
        "herd needs \(Size.least.width)x\(Size.least.height) (now \(size.width)x\(size.height))"
    let text = size.width < 2 ? "!" : long
    frame.write(
        text,
        x: 0,
        y: size.height / 2,
        width: size.width,
        in: frame.bounds,
        .warning,
        align: .centre
    )
}

extension Screen {
    /// What draws the screen.
    var content: any ScreenContent.Type {
        switch self {
        case .overview: OverviewScreen.self
        case .swarm: SwarmScreen.self
        case .pieces: PiecesScreen.self
        case .queues: QueuesScreen.self
        case .components: ComponentsScreen.self
        case .events: EventsScreen.self
        case .explain: ExplainScreen.self
        }
    }

    /// Its name on wide and on narrow screens.
    var title: (long: String, short: String) {
        switch self {
        case .overview: ("Overview", "Over")
        case .swarm: ("Swarm", "Swarm")
        case .pieces: ("Pieces", "Piece")
        case .queues: ("Queues", "Queue")
        case .components: ("Components", "Comp")
        case .events: ("Events", "Event")
        case .explain: ("Explain", "Why")
        }
    }

    /// The digit of its key.
    package var number: Int { (Screen.allCases.firstIndex(of: self) ?? 0) + 1 }
}
