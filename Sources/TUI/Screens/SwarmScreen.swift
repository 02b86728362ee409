// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry

/// The screen Swarm: the peers of one blob around the origins, and what flows between them.
package enum SwarmScreen: ScreenContent {
    package static func draw(_ scene: Scene, into frame: inout Frame, area: Rect) {
        guard !area.isEmpty else { return }
        guard let swarm = scene.picture.swarm else {
            drawEmpty(scene, into: &frame, area: area)
            return
        }
        let parts = Parts(area: area, screenWidth: scene.view.size.width)
        let style = style(of: swarm, parts.canvas, scene.view.swarm.mode)
        guard style != .matrix, !parts.canvas.isEmpty else {
            PiecesScreen.draw(scene, into: &frame, area: area)
            return
        }
        let hasLabels = style == .labels
        let layout = layout(of: swarm, parts.canvas, hasLabels, scene)
        let drawing = SwarmDrawing(scene, swarm, layout, parts)
        drawing.draw(into: &frame)
    }

    package static func crumbs(_ scene: Scene) -> [String] {
        guard let swarm = scene.picture.swarm else { return ["swarm"] }
        let name = "sha256:\(Scene.short(swarm.digest, 10))…"
        return swarm.label.isEmpty ? [name] : [swarm.label.oneColumnPerScalar, name]
    }

    package static func summary(_ scene: Scene) -> [String] {
        guard let swarm = scene.picture.swarm else { return [] }
        let facts = SwarmFacts(swarm, scene.picture)
        var parts = ["\(facts.agentCount) agent\(facts.agentCount == 1 ? "" : "s")"]
        parts.append(Units.percent(facts.done))
        parts.append("↓\(Units.rate(facts.rate))")
        if let left = facts.secondsLeft { parts.append("\(Units.duration(left)) left") }
        return parts
    }

    /// Says what would fill the screen, and by which key.
    static func drawEmpty(_ scene: Scene, into frame: inout Frame, area: Rect) {
        let text =
            if scene.picture.isEmpty {
                "Waiting for the first picture of the cluster."
            } else if let blob = scene.picture.blobs.first(where: { $0.digest == scene.view.blob })
            {
                "Waiting for the swarm of \(Scene.short(blob.digest))…"
            } else if scene.picture.canControl {
                "No swarm yet. p pushes a demo image, P pulls it."
            } else {
                "No swarm yet. One shows up when a blob is pulled."
            }
        let y = area.y + area.height / 2
        frame.write(text, x: area.x, y: y, width: area.width, in: area, .hint, align: .centre)
    }
}

// MARK: - Places

extension SwarmScreen {
    /// The parts of the screen.
    struct Parts: Equatable, Sendable {
        /// The frame around the canvas; nil where there is no room for one.
        var box: Rect?
        /// Where the peers stand.
        var canvas: Rect
        /// The panes at the right.
        var side: Rect?
        /// The lines below the canvas.
        var status: Rect?

        /// - Parameter area: the rows between the chrome's.
        init(area: Rect, screenWidth: Int) {
            if screenWidth >= Scene.Width.wide.rawValue, area.height >= 8 {
                let isWidest = screenWidth >= Scene.Width.widest.rawValue
                let (left, right) = area.splitRight(isWidest ? 40 : 32)
                (box, canvas, side) = (left, left.inset(), right)
            } else {
                let lines = area.height >= 8 ? 2 : area.height >= 4 ? 1 : 0
                let (rest, below) = area.splitBottom(lines)
                canvas = rest
                status = below
            }
        }
    }

    /// Where the peers stand on a screen of `size`, chrome included; empty when it is too small for a swarm.
    package static func canvas(screen size: Size) -> Rect {
        guard size.width >= Size.least.width, size.height >= Size.least.height else {
            return Rect(x: 0, y: 0, width: 0, height: 0)
        }
        let bounds = Frame.bounds(of: size)
        let area = bounds.splitTop(Chrome.topRows).rest.splitBottom(Chrome.bottomRows).rest
        return Parts(area: area, screenWidth: size.width).canvas
    }

    /// How the peers of `swarm` are shown on `canvas`.
    static func style(
        of swarm: SwarmPicture,
        _ canvas: Rect,
        _ mode: SwarmState.Mode
    ) -> RadialLayout.Style {
        RadialLayout.style(
            agentCount: swarm.peers.count { !$0.isOrigin },
            canvas: Size(width: canvas.width, height: canvas.height),
            mode: mode
        )
    }

    /// The layout that ``settle(_:_:)`` keeps, or one made anew where there is none yet.
    private static func layout(
        of swarm: SwarmPicture,
        _ canvas: Rect,
        _ hasLabels: Bool,
        _ scene: Scene
    ) -> RadialLayout {
        let size = Size(width: canvas.width, height: canvas.height)
        let key = LayoutKey(digest: swarm.digest, canvas: size, hasLabels: hasLabels)
        if let kept = scene.view.swarm.layouts[key] { return kept }
        var layout = RadialLayout()
        layout.update(with: swarm, at: scene.picture.takenAt, canvas: size, hasLabels: hasLabels)
        return layout
    }

    /// Gives the peers of the swarm in `picture` their places on the screen of `view`.
    ///
    /// At most ``SwarmState/layoutsMax`` layouts are kept, those used last.
    package static func settle(_ view: inout ViewState, _ picture: ClusterPicture) {
        guard let swarm = picture.swarm else { return }
        let canvas = canvas(screen: Frame.clamped(view.size))
        let style = style(of: swarm, canvas, view.swarm.mode)
        guard !canvas.isEmpty, style != .matrix else { return }
        let key = LayoutKey(
            digest: swarm.digest,
            canvas: Size(width: canvas.width, height: canvas.height),
            hasLabels: style == .labels
        )
        view.swarm.layouts[key, default: RadialLayout()].update(
            with: swarm,
            at: picture.takenAt,
            canvas: key.canvas,
            hasLabels: key.hasLabels
        )
        while view.swarm.layouts.count > SwarmState.layoutsMax {
            let oldest = view.swarm.layouts.filter { $0.key != key }
                .min { $0.value.order($0.key) < $1.value.order($1.key) }
            guard let oldest else { return }
            view.swarm.layouts[oldest.key] = nil
        }
    }
}

extension RadialLayout {
    /// What is dropped first: the longest unused; the rest only makes it the same one each time.
    fileprivate func order(_ key: LayoutKey) -> (Int64, Digest, Int, Int, Int) {
        let size = key.canvas
        return (updatedAt.unixNanoseconds, key.digest, size.width, size.height, hasLabels ? 1 : 0)
    }
}

extension Frame {
    /// The size that a frame for `size` has.
    fileprivate static func clamped(_ size: Size) -> Size {
        Size(
            width: min(max(0, size.width), Size.most.width),
            height: min(max(0, size.height), Size.most.height)
        )
    }

    fileprivate static func bounds(of size: Size) -> Rect {
        Rect(x: 0, y: 0, width: size.width, height: size.height)
    }
}
