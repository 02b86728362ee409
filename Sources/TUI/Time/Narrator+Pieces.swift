// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry

/// Pieces: asked for, delivered, late, wrong, sent.
extension Narrator {
    func pieceSentence(_ event: ClusterEvent) -> String? {
        let (own, other, piece) = (who(event), other(event), piece(event))
        let size = event.bytes.map { ": \(Words.size($0))" } ?? ""
        switch event.kind {
        case .requestPiece: return "\(own) asked \(other) for piece \(piece)."
        case .receivePiece:
            let pace = Words.pace(bytes: event.bytes, milliseconds: event.tookMilliseconds)
            return "\(other) delivered \(piece) to \(own)\(size)\(pace)."
        case .requestExpired:
            if event.reason == "refused" {
                return "\(other) told \(own) that it cannot send \(piece)."
            }
            let since = memory.asked(event).map { event.timestamp.seconds(since: $0) }
            let waited =
                since.map { " \(Words.milliseconds(Int(min(1e9, max(0, $0 * 1000)))))" } ?? ""
            return "\(own) waited\(waited) for \(piece) from \(other) and gave the request up."
        case .requestWithdrawn: return "\(own) took back its request for \(piece) from \(other)."
        case .hashFailed:
            return "\(other) sent \(own) a wrong \(piece): it is not what the metainfo says."
        case .duplicatePiece:
            return "\(other) sent \(own) \(piece), which it did not need any more\(size)."
        case .sendPiece: return "\(own) sent \(piece) to \(other)\(size)."
        default: return nil
        }
    }

    func pieceReasons(_ event: ClusterEvent) -> [String]? {
        switch event.kind {
        case .requestPiece: requestReasons(event)
        case .receivePiece:
            [
                "It is what the metainfo says (proved by the blob’s SHA-256, or by a CRC-32 in Kraken’s "
                    + "way), so it is kept, and \(who(event)) tells the peers that lack it."
            ]
        case .requestExpired: expiryReasons(event)
        case .hashFailed:
            [
                "The metainfo says what each piece must add up to. The bytes are thrown away, the "
                    + "connection is closed, and \(piece(event)) may be asked of somebody else."
            ]
        case .duplicatePiece:
            [
                "It was there already, or arriving from somebody else: that happens in endgame, and "
                    + "when a request is taken back while its bytes are under way."
            ]
        case .requestWithdrawn: withdrawalReasons(event)
        case .sendPiece: []
        default: nil
        }
    }

    // MARK: - Requests

    private func requestReasons(_ event: ClusterEvent) -> [String] {
        [whyThisPeer(event), whyThisPiece(event), whatIf(event)]
    }

    private func whyThisPeer(_ event: ClusterEvent) -> String {
        let other = other(event)
        guard let slot = number(event, "slot"), let slots = number(event, "slots") else {
            return "Why \(other)? It offers the piece; how busy it was is not recorded."
        }
        let limit =
            event.peer.map(isOrigin) == true
            ? "At most \(rules.requestsPerOrigin) requests wait at an origin."
            : "At most \(rules.requestsPerAgent) requests wait at an agent"
                + (rules.spreadsRequests ? ", fewer the more peers there are." : ".")
        if slots == 1 {
            return "Why \(other)? It offers the piece, and its only request slot was free. \(limit)"
        }
        return
            "Why \(other)? It offers the piece, and request slot \(slot) of \(slots) was free. \(limit)"
    }

    private func whyThisPiece(_ event: ClusterEvent) -> String {
        let question = "Why \(piece(event))?"
        guard let reason = event.reason else { return "\(question) Reason not recorded." }
        if let moved = moved(event) { return "\(question) \(moved)" }
        let (own, other) = (who(event), other(event))
        switch reason {
        case "reader":
            return
                "\(question) A reader at \(own) waits for it or for a piece close by: these go first."
        case "random": return "\(question) The policy takes any piece that \(other) offers."
        case "onlySource":
            let among = number(event, "conns").map { " among its \($0)" } ?? ""
            return "\(question) \(other) is \(own)’s only connection\(among) that holds it."
        case "endgame":
            return
                "\(question) Endgame: \(own) lacks \(rules.endgamePieces) pieces or fewer, and "
                + "\(earlier(event)) has owed it\(endgameWait). "
                + "Whoever delivers first wins; the other is told to stop."
        default: return "\(question) \(rarest(event, reason))"
        }
    }

    private var endgameWait: String {
        rules.endgameSeconds > 0 ? " for \(Words.seconds(rules.endgameSeconds)) or more" : ""
    }

    private func earlier(_ event: ClusterEvent) -> String {
        memory.open(event).first.map { picture.name(of: $0.peer) } ?? "another peer"
    }

    private func rarest(_ event: ClusterEvent, _ reason: String) -> String {
        guard reason.hasPrefix("rarest") else { return "Recorded reason: \(reason)." }
        let recorded = reason.drop { !$0.isNumber }.prefix { $0.isNumber }
        let holders = number(event, "holders") ?? Int(recorded)
        let count = number(event, "offered")
        let offered =
            count.map { "Of the \(Words.counted($0, "piece")) it can offer" }
            ?? "Of the pieces it can offer"
        guard let holders else { return "It is the rarest that \(other(event)) can offer." }
        let among = number(event, "conns").map { " of \(who(event))’s \($0) connections" }
        let held = "\(holders)\(among ?? " connected peers") hold it."
        // Nothing to choose from.
        if count == 1 { return "\(other(event)) can offer no other piece that is missing; \(held)" }
        return "\(offered), none is rarer: \(held) Policy: \(rules.requestOrder)."
    }

    /// Said when another peer owes the piece already, and this is not endgame.
    private func moved(_ event: ClusterEvent) -> String? {
        guard event.reason != "endgame" else { return nil }
        if let moved = memory.moved(event) {
            let name = picture.name(of: moved.peer)
            let since = Units.duration(event.timestamp.seconds(since: moved.at))
            return
                "\(who(event)) had waited \(since) for it at \(name). \(other(event)) holds it now, "
                + "too, and holders share those who wait."
        }
        guard let before = memory.open(event).first else { return nil }
        let name = picture.name(of: before.peer)
        let since = Units.duration(event.timestamp.seconds(since: before.at))
        let isRule = isOrigin(before.peer) ? rules.sparesOrigins : rules.movesRequests
        guard isRule else {
            return "\(who(event)) had asked \(name) for it \(since) before; no answer is recorded."
        }
        let rule =
            isOrigin(before.peer)
            ? "What waits at an origin is taken back once an agent has it, or another is to fetch it."
            : "A waiting request may move to another holder, so that holders share those who wait; "
                + "\(name) is told to forget it."
        return
            "\(who(event)) had asked \(name) for it \(since) before; no answer is recorded. \(rule)"
    }

    private func isOrigin(_ peer: PeerID) -> Bool {
        picture.components.contains { $0.peerID == peer && $0.kind == .origin }
            || picture.swarm?.peers.contains { $0.peerID == peer && $0.isOrigin } == true
    }

    private func whatIf(_ event: ClusterEvent) -> String {
        let rate = "\(Words.seconds(rules.requestSecondsPerMebibyte)) per MiB"
        let least = "at least \(Words.seconds(rules.requestSeconds))"
        let end = "the request expires and others may be asked."
        guard let bytes = pieceBytes(event) else {
            return "If nothing arrives in time (\(rate), \(least)), \(end)"
        }
        let timeout = Words.seconds(rules.requestTimeout(bytes: bytes))
        return "If nothing arrives in \(timeout) (\(rate), \(least)), \(end)"
    }

    private func withdrawalReasons(_ event: ClusterEvent) -> [String] {
        let (other, piece) = (other(event), piece(event))
        let why =
            switch event.reason {
            case nil: "Why? Reason not recorded."
            case "received": "Why? Another peer has delivered \(piece) by now."
            case "late":
                "Why? \(other) was late with \(piece), and somebody else is asked for it now."
            case "moved":
                "Why? It waited, and there is one more holder now: holders share those who wait, so that "
                    + "nobody has to send a piece to all."
            case "originSpared":
                "Why? What waits at an origin is taken back once an agent has it, or another is to fetch it: "
                    + "origins are to send what nobody else can."
            case let reason?: "Why? \(ReasonWords.plain(reason))."
            }
        return [
            why,
            "\(other) is told to forget it; if the bytes are under way already, they are taken.",
        ]
    }

    private func expiryReasons(_ event: ClusterEvent) -> [String] {
        if event.reason == "refused" {
            return [
                "\(who(event)) takes it that \(other(event)) does not hold \(piece(event)), asks others, "
                    + "and tries it again later."
            ]
        }
        var limit = "A peer has \(Words.seconds(rules.requestSecondsPerMebibyte)) for each MiB"
        if let bytes = pieceBytes(event) {
            limit += ", here \(Words.seconds(rules.requestTimeout(bytes: bytes)))"
        }
        return [
            "\(limit). The piece may be asked of others now; if it comes late and is still missing, it "
                + "is taken all the same.",
            "After \(rules.expiriesMax) time-outs in a row without a piece the connection is closed.",
        ]
    }
}
