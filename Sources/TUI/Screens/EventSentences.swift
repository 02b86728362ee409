// SPDX-License-Identifier: Apache-2.0

package import Telemetry

/// What an event says in one sentence, with a sign before it when it ends well, goes wrong or wants a look.
package struct EventSentence: Equatable, Sendable {
    /// `got piece 31 from a03  4 MiB in 38 ms`.
    package var text: String
    /// The look of it.
    package var role: Role
    /// A sentence.
    package init(_ text: String, _ role: Role) { (self.text, self.role) = (text, role) }
}

extension EventWords {
    /// The event as a sentence whose subject is ``who(_:_:)``.
    package static func sentence(_ event: ClusterEvent, _ scene: Scene) -> EventSentence {
        let role = role(event.kind)
        let sign =
            switch role {
            case .complete: "✓ "
            case .down: "✕ "
            case .warning: "▲ "
            default: ""
            }
        let text = swarm(event, scene) ?? storage(event, scene) ?? fallback(event, scene)
        return EventSentence(sign + text, role)
    }

    private static func swarm(_ event: ClusterEvent, _ scene: Scene) -> String? {
        let peer = peer(event, scene) ?? Units.unknown
        let piece = "piece " + (event.piece.map { "\($0)" } ?? Units.unknown)
        switch event.kind {
        case .receivePiece: return "got \(piece) from \(peer)" + amount(event)
        case .sendPiece: return "sent \(piece) to \(peer)" + amount(event)
        case .duplicatePiece: return "got \(piece) from \(peer) twice" + amount(event)
        case .requestPiece: return "ask \(peer) for \(piece): " + shortRequest(event)
        case .requestExpired: return "\(piece) did not come from \(peer)  " + detail(event, scene)
        case .requestWithdrawn: return "take \(piece) back from \(peer): " + detail(event, scene)
        case .hashFailed: return "\(piece) from \(peer) is wrong; asked again"
        case .torrentComplete: return join("complete", blob(event, scene)) + "  " + amounts(event)
        case .torrentCancelled:
            return join("gave up", blob(event, scene)) + "  " + detail(event, scene)
        case .addTorrent: return join("join", detail(event, scene))
        case .banConnection: return ban(event, peer)
        case .addActiveConnection:
            let way = event.text("direction") == "incoming" ? "from" : "to"
            return "conn \(way) \(peer) active" + parenthesis(conns(event))
        case .dropActiveConnection: return "conn to \(peer) ended  " + detail(event, scene)
        case .connectionRejected: return "no conn to \(peer)  " + detail(event, scene)
        case .announce where event.number("peers") != nil:
            let handout = handout(event, separator: ", ")
            return "announce \(peer) → \(event.number("peers") ?? 0) peers" + parenthesis(handout)
        case .announce, .leave:
            let subject = event.peer == nil ? "" : "\(peer) "
            return (event.kind == .leave ? "leave " : "announce ") + subject + detail(event, scene)
        case .announceFailed: return "announce failed: " + detail(event, scene)
        default: return nil
        }
    }

    private static func storage(_ event: ClusterEvent, _ scene: Scene) -> String? {
        let name = event.text("tag") ?? blob(event, scene) ?? Units.unknown
        let what = event.text("change") == "deletion" ? "deletion of \(name)" : name
        let attempt = parenthesis(event.text("attempt") ?? event.text("failures"))
        let why = ": " + (event.reason ?? event.text("error") ?? "reason not recorded")
        let to = target(event, scene).map { " \($0)" } ?? ""
        switch event.kind {
        case .writeBackQueued: return "write-back \(what) queued"
        case .writeBackDone: return "write-back \(what) done" + amount(event)
        case .writeBackFailed: return "write-back \(what) failed" + attempt + why
        case .replicationQueued: return "replicate \(what)\(to) queued"
        case .replicationDone: return "replicate \(what)\(to) done" + amount(event)
        case .replicationFailed: return "replicate \(what)\(to) failed" + attempt + why
        case .blobCommitted: return "stored \(what)" + amount(event)
        case .blobEvicted: return "evicted \(what)" + amount(event)
        case .blobRefreshed: return "fetched \(what) from its backend" + amount(event)
        case .push: return "push " + detail(event, scene)
        case .pull: return "pull " + detail(event, scene)
        case .tagPut: return "tag " + detail(event, scene)
        default: return nil
        }
    }

    private static func fallback(_ event: ClusterEvent, _ scene: Scene) -> String {
        let words = event.kind.rawValue.split(separator: "_").joined(separator: " ")
        let peer = peer(event, scene)
        return join(words, peer, event.piece.map { "#\($0)" }, detail(event, scene))
    }

    // MARK: - Requests

    /// Why a piece was asked for: `rarest of 11 on offer: 5 of 10 conns; slot 2/3`.
    static func request(_ event: ClusterEvent) -> String {
        let offered = event.number("offered").map { " of \($0) on offer" } ?? ""
        let holders = holders(event).map { "\($0) conns" }
        let why =
            switch ReasonWords.request(event.reason) {
            case .rarest: [Optional("rarest\(offered)"), holders]
            case .random: [Optional("any\(offered)"), holders]
            case .reader: [Optional("a reader waits for it"), holders]
            case .onlySource: [Optional("no other conn has it")]
            case .endgame: [Optional("endgame, asked of others too"), holders]
            case .other(let text): [text ?? "reason not recorded", holders]
            }
        let text = why.compactMap(\.self).joined(separator: ": ")
        guard let slot = event.text("slot"), let slots = event.text("slots") else { return text }
        return "\(text); slot \(slot)/\(slots)"
    }

    private static func shortRequest(_ event: ClusterEvent) -> String {
        switch ReasonWords.request(event.reason) {
        case .rarest: "rarest it offers" + parenthesis(holders(event))
        case .random: "any it offers"
        case .reader: "a reader waits for it"
        case .onlySource: "no other conn has it"
        case .endgame: "endgame, asked of others too"
        case .other(let text): text ?? "reason not recorded"
        }
    }

    /// `5 of 10`: the connections that hold the piece.
    private static func holders(_ event: ClusterEvent) -> String? {
        var count = event.number("holders")
        if case .rarest(let availability?) = ReasonWords.request(event.reason) {
            count = availability
        }
        guard let count else { return nil }
        return event.number("conns").map { "\(count) of \($0)" } ?? "\(count)"
    }

    // MARK: - Parts

    private static func ban(_ event: ClusterEvent, _ peer: String) -> String {
        let time = event.durationMilliseconds.map { Units.duration(Double($0) / 1000) }
        let why = event.reason.map { "  " + ReasonWords.plain($0) } ?? ""
        return join("blacklist", peer, time) + why
    }

    private static func amount(_ event: ClusterEvent) -> String {
        let text = amounts(event)
        return text.isEmpty ? "" : "  " + text
    }

    private static func amounts(_ event: ClusterEvent) -> String {
        join(size(event), took(event).map { "in \($0)" })
    }

    private static func conns(_ event: ClusterEvent) -> String? {
        guard let count = event.number("conns") else { return nil }
        return event.number("conns_max").map { "\(count) of \($0)" } ?? "\(count)"
    }

    private static func parenthesis(_ text: String?) -> String { text.map { " (\($0))" } ?? "" }
}
