// SPDX-License-Identifier: Apache-2.0

/// What a cell means. Themes give roles their colours; screens never name a colour.
package enum Role: UInt16, CaseIterable, Codable, Sendable {
    /// Ordinary text.
    case text
    /// Headings and the names of panes.
    case title
    /// Frames of panes.
    case border
    /// Stale, missing or merely helpful.
    case hint
    /// Origins and what flows from them.
    case origin
    /// Complete.
    case complete
    /// What flows between agents.
    case agentEdge
    /// Something to look at.
    case warning
    /// Down, failed, bad.
    case down
    /// Held in part: nine steps from nothing to nearly all.
    case part1, part2, part3, part4, part5, part6, part7, part8, part9

    /// The steps of ``part(_:)``.
    package static let partCount = 9

    /// The role of something of which `share` (0 … 1) is held; ``complete`` from 1 up.
    package static func part(_ share: Double) -> Role {
        guard share.isFinite, share > 0 else { return .part1 }
        guard share < 1 else { return .complete }
        return ramp(min(partCount - 1, Int(share * Double(partCount))))
    }

    /// Step `index` (0 … 8) of the ramp.
    package static func ramp(_ index: Int) -> Role {
        let step = UInt16(min(max(0, index), partCount - 1))
        return Role(rawValue: Role.part1.rawValue + step) ?? .part1
    }

    /// One letter that stands for the role in golden frames.
    package var letter: Character {
        switch self {
        case .text: "."
        case .title: "T"
        case .border: "b"
        case .hint: "h"
        case .origin: "O"
        case .complete: "C"
        case .agentEdge: "e"
        case .warning: "W"
        case .down: "D"
        default: Character("\(rawValue - Role.part1.rawValue + 1)")
        }
    }
}
