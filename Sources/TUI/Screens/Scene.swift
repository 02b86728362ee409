// SPDX-License-Identifier: Apache-2.0

package import Content
package import Telemetry

/// What a screen is drawn from.
package struct Scene: Sendable {
    /// The cluster.
    package let picture: ClusterPicture
    /// How it is looked at.
    package let view: ViewState
    /// `picture` as `view` looks at it.
    package init(_ picture: ClusterPicture, _ view: ViewState) {
        (self.picture, self.view) = (picture, view)
    }

    /// How much room a screen has; the wider class adds columns or a pane, never another meaning.
    package enum Width: Int, Comparable, Sendable {
        case narrow = 40, ordinary = 80, wide = 120, widest = 160
        package static func < (left: Width, right: Width) -> Bool { left.rawValue < right.rawValue }
    }

    /// The class of the screen's width.
    package var width: Width {
        [.widest, .wide, .ordinary].first { view.size.width >= $0.rawValue } ?? .narrow
    }

    /// Whether two pieces of a row may share a cell as foreground and background.
    package var hasManyColors: Bool { view.colors >= .indexed256 && view.theme != .mono }

    /// The time of day of an event or sample; short leaves out the hours.
    package func clock(_ time: Timestamp, isShort: Bool = false) -> String {
        let text = Clock.timeWithMilliseconds(
            time.unixNanoseconds,
            offsetSeconds: view.zoneOffsetSeconds
        )
        return isShort ? String(text.dropFirst(3).dropLast(2)) : text
    }

    /// The first eight digits of a digest.
    package static func short(_ digest: Digest, _ count: Int = 8) -> String {
        String(digest.hex.prefix(count))
    }

    /// How many first digits tell all of `digests`, in order, apart: eight, and more only where these are not enough.
    package static func digitsTelling(_ digests: [Digest], least: Int = 8) -> Int {
        zip(digests, digests.dropFirst()).reduce(least) { digits, pair in
            pair.0 == pair.1 ? digits : max(digits, pair.0.commonDigits(with: pair.1) + 1)
        }
    }
}

extension Role {
    /// The role of a component's light.
    package init(_ light: ComponentRow.Light) {
        self =
            switch light {
            case .ok: .complete
            case .starting: .hint
            case .warning: .warning
            case .down: .down
            }
    }
}

/// The glyphs of nodes and lights.
package enum Glyph {
    /// The sign of a light.
    package static func light(_ light: ComponentRow.Light) -> Unicode.Scalar {
        switch light {
        case .ok: "●"
        case .starting: "○"
        case .warning: "▲"
        case .down: "✕"
        }
    }

    /// A peer that holds `share` of the pieces, in quarters; only what is whole is full.
    package static func part(_ share: Double) -> Unicode.Scalar {
        guard share.isFinite else { return "○" }
        if share >= 1 { return "●" }
        return share >= 0.75 ? "◕" : share >= 0.5 ? "◑" : share >= 0.25 ? "◔" : "○"
    }
}
