// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry

/// What the picture and the current event say about the two peers that take part in it.
struct ExplainFacts {
    /// `#37 4 MiB`, or what happened.
    let label: String
    /// What the line between the two is made of.
    let stroke: Character
    let role: Role
    /// Whether bytes go along the line, or are asked for.
    let isFlow: Bool
    /// Names and values, the most important first.
    private(set) var short: [(String, String)] = []
    /// `■■□ 2/3`; nil when it is not known.
    private(set) var slots: String?
    private(set) var timeout: String?
    private(set) var endgame = ""
    /// Whether the peer told of is in endgame.
    private(set) var isEndgame = false

    init(
        _ scene: Scene,
        _ story: ExplainStory,
        _ swarm: SwarmPicture,
        _ cast: ExplainStory.Cast
    ) {
        let kind = story.current?.kind
        let layout = PieceLayout(blobBytes: swarm.blobBytes, pieceBytes: swarm.pieceBytes)
        let bytes = cast.piece.map { layout?.bytes(of: PieceIndex($0)) ?? 0 } ?? 0
        let size = bytes > 0 ? " \(Words.size(bytes))" : ""
        let words = kind.map(Self.words) ?? ""
        label = cast.piece.map { "#\($0)\(size)" } ?? words
        isFlow = cast.piece != nil && kind != .requestExpired && kind != .requestWithdrawn
        let isTrouble =
            kind == .banConnection || kind == .dropActiveConnection || kind == .hashFailed
        stroke = isFlow ? "━" : isTrouble ? "✕" : "─"
        let isOfOrigin =
            swarm.peers[cast.own].isOrigin || cast.other.map { swarm.peers[$0].isOrigin } == true
        role = isTrouble ? .down : !isFlow ? .hint : isOfOrigin ? .origin : .agentEdge
        takeSlots(story, swarm, cast)
        if bytes > 0 { timeout = Words.seconds(scene.picture.rules.requestTimeout(bytes: bytes)) }
        takeEndgame(scene.picture.rules, swarm.peers[cast.own])
        if let slots { short.append(("slots", slots)) }
        if let timeout { short.append(("timeout", timeout)) }
        short.append(("endgame", isEndgame ? "yes" : "no"))
    }

    /// As the request saw it, or as it is now.
    private mutating func takeSlots(
        _ story: ExplainStory,
        _ swarm: SwarmPicture,
        _ cast: ExplainStory.Cast
    ) {
        guard let other = cast.other, !cast.isSending else { return }
        var (used, all) = (Int?.none, Int?.none)
        if let current = story.current, current.kind == .requestPiece {
            used = current.detail?["slot"].flatMap { Int($0) }
            all = current.detail?["slots"].flatMap { Int($0) }
        }
        if used == nil || all == nil, let asked = swarm.asked(of: other, by: cast.own) {
            (used, all) = (asked.pieces.count, asked.slots)
        }
        guard let used, let all, used >= 0, all > 0, all <= 16 else { return }
        let boxes =
            String(repeating: "■", count: min(used, all))
            + String(repeating: "□", count: max(0, all - used))
        slots = "\(boxes) \(used)/\(all)"
    }

    private mutating func takeEndgame(_ rules: SwarmRules, _ own: PeerRow) {
        let missing = own.bits.missingCount
        isEndgame = missing > 0 && missing <= rules.endgamePieces
        endgame =
            missing == 0
            ? "over: it has everything"
            : isEndgame
                ? "yes: \(missing) to go" : "no: \(missing) to go, starts at \(rules.endgamePieces)"
    }

    private static func words(_ kind: EventKind) -> String {
        switch kind {
        case .addTorrent: "joined"
        case .addActiveConnection: "connected"
        case .dropActiveConnection: "closed"
        case .connectionRejected: "turned away"
        case .banConnection: "banned"
        case .torrentComplete: "complete"
        case .torrentCancelled: "gave up"
        default: kind.rawValue.split(separator: "_").joined(separator: " ")
        }
    }

    // MARK: - Peers

    static func glyph(_ peer: PeerRow) -> Unicode.Scalar {
        peer.isDown ? "✕" : peer.isOrigin ? "◆" : Glyph.part(peer.done)
    }

    static func role(_ peer: PeerRow) -> Role {
        if peer.isDown { return .down }
        return peer.isOrigin ? .origin : peer.isComplete ? .complete : .part(peer.done)
    }

    /// Peers in a row: who holds the piece, or whom the one told of is connected to.
    struct List {
        var title: String
        var names: [String]
        var countName: String
    }

    static func list(_ swarm: SwarmPicture, _ cast: ExplainStory.Cast) -> List {
        if let piece = cast.piece {
            let holders = swarm.peers.filter { $0.bits.contains(PieceIndex(piece)) }
            return List(title: "holders #\(piece)", names: holders.map(\.name), countName: "copies")
        }
        let peers = swarm.connections.compactMap { row -> String? in
            let other =
                row.first == cast.own ? row.second : row.second == cast.own ? row.first : nil
            return other.flatMap { swarm.peers.indices.contains($0) ? swarm.peers[$0].name : nil }
        }
        return List(title: "connected", names: peers, countName: "conns")
    }

    /// As many names as fit into `width`, and how many more there are.
    static func fitted(_ names: [String], width: Int) -> String {
        guard !names.isEmpty else { return "nobody" }
        var text = ""
        for (index, name) in names.enumerated() {
            let rest = names.count - index
            let next = text.isEmpty ? name : text + " " + name
            let room = rest > 1 ? width - " +\(rest - 1)".count : width
            guard next.unicodeScalars.count <= room else {
                return text.isEmpty ? "\(rest) peers".fitted(to: max(0, width)) : text + " +\(rest)"
            }
            text = next
        }
        return text
    }
}
