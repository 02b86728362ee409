// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry

/// Swarms: who joins, connects, leaves, is refused or banned, announces.
extension Narrator {
    func swarmSentence(_ event: ClusterEvent) -> String? {
        let (own, other) = (who(event), other(event))
        switch event.kind {
        case .addTorrent: return joined(event)
        case .addActiveConnection:
            switch event.detail?["direction"] {
            case "outgoing": return "\(own) dialled \(other) and is connected."
            case "incoming": return "\(other) dialled \(own) and is connected."
            default: return "\(own) and \(other) are connected."
            }
        case .dropActiveConnection:
            guard let reason = event.reason else {
                return "\(own)’s connection to \(other) ended; \(Words.noReason)."
            }
            return "\(own)’s connection to \(other) ended: \(closing(reason))."
        case .connectionRejected:
            guard let reason = event.reason else {
                return "\(own) turned \(other) away; \(Words.noReason)."
            }
            return "\(own) turned \(other) away: \(closing(reason))."
        case .banConnection:
            let time = event.durationMilliseconds.map { " for \(Words.milliseconds($0))" }
            return "\(own) bans \(other)\(time ?? "")."
        case .torrentComplete: return completed(event)
        case .torrentCancelled: return cancelled(event)
        case .announce, .announceFailed, .leave: return announced(event)
        default: return nil
        }
    }

    private func joined(_ event: ClusterEvent) -> String {
        let text = "\(who(event)) opened the swarm of \(blob(event))"
        guard let held = number(event, "held"), let pieces = number(event, "pieces") else {
            return text + "."
        }
        return "\(text), holding \(held) of \(Words.counted(pieces, "piece"))."
    }

    private func completed(_ event: ClusterEvent) -> String {
        var text = "\(who(event)) has all of \(blob(event))"
        guard let bytes = event.bytes else { return text + "." }
        text += ": \(Words.size(bytes))"
        if let took = event.tookMilliseconds { text += " in \(Words.milliseconds(took))" }
        if let shared = number(event, "bytes_from_agents"), bytes > 0 {
            text += ", \(Units.percent(Double(shared) / Double(bytes))) of it from other agents"
        }
        return text + "."
    }

    private func cancelled(_ event: ClusterEvent) -> String {
        let text = "\(who(event)) gave up \(blob(event))"
        return switch event.reason {
        case nil: "\(text); \(Words.noReason)."
        case "leecherTimedOut":
            "\(text): it gained no piece for \(Words.seconds(rules.leecherIdleSeconds))."
        case "removed": "\(text): it was removed on this host."
        case "stopped": "\(text): it stops."
        case "crowdedOut": "\(text): there are too many swarms, and it was idle for longest."
        case "unverifiable": "\(text): the pieces are right and the whole is not, again and again."
        case let reason?: "\(text): \(reason)."
        }
    }

    // MARK: - Announces

    private func announced(_ event: ClusterEvent) -> String {
        let blob = blob(event)
        // Told by the peer itself.
        if event.localPeer != nil {
            let own = who(event)
            if event.kind == .announceFailed {
                return
                    "\(own) could not reach a tracker for \(blob): \(event.reason ?? Words.noReason)."
            }
            return event.reason == "complete"
                ? "\(own) told the tracker that it has all of \(blob)."
                : "\(own) asked the tracker who has \(blob)."
        }
        let (tracker, peer) = (who(event), other(event))
        if event.kind == .leave {
            return "\(tracker) noted that \(peer) left the swarm of \(blob)."
        }
        if event.detail?["complete"] == "true" {
            return "\(tracker) noted that \(peer) has all of \(blob)."
        }
        guard let count = number(event, "peers") else {
            return "\(peer) announced \(blob) to \(tracker)."
        }
        return "\(tracker) told \(peer) of \(Words.counted(count, "peer"))\(kinds(event, count))."
    }

    /// “: 3 origins, 2 seeders, 21 leechers”.
    private func kinds(_ event: ClusterEvent, _ count: Int) -> String {
        guard let origins = number(event, "origins"), let seeders = number(event, "seeders"),
            count > 0
        else { return "" }
        let leechers = max(0, count.subtractingReportingOverflow(origins).partialValue)
            .subtractingReportingOverflow(seeders).partialValue
        let parts = [(origins, "origin"), (seeders, "seeder"), (max(0, leechers), "leecher")]
        let named = parts.filter { $0.0 > 0 }.map { Words.counted($0.0, $0.1) }
        return named.isEmpty ? "" : ": " + named.joined(separator: ", ")
    }

    // MARK: - Why connections end

    /// What a reason for closing means.
    private func closing(_ reason: String) -> String {
        switch reason {
        case "noSlot": "all \(rules.connectionsMax) connections of the swarm are taken"
        case "duplicate": "they are connected already"
        case "ownPeerID": "it reached itself"
        case "banned": "it is banned for a while"
        case "unknownSwarm": "the blob is not here"
        case "wrongInfoHash": "the other side means another blob"
        case "wrongPeerID": "the other side is not who the tracker said"
        case "malformedBitfield": "its bitfield is not of this blob"
        case "tooManyRequests": "too many requests at a time"
        case "badPiece": "it sent a wrong piece"
        case "unreachable": "it did not answer when it was dialled"
        case "misbehaved": "it answered the dial wrongly, or too late"
        case "unanswered": "it answered nothing for too long"
        case "idle": "nothing moved on it for a while"
        case "aged": "it was idle, and old"
        case "bothComplete": "both have the whole blob"
        case "simultaneousOpen": "both dialled at once, and the other connection stays"
        case "swarmForgotten": "the swarm left memory"
        case "stopping": "the peer stops"
        case "tooManyNeighboursInCommon": "they have too many neighbours in common"
        case "useless": "it held nothing that was wanted while all slots were taken"
        default: ReasonWords.plain(reason)
        }
    }

    func swarmReasons(_ event: ClusterEvent) -> [String]? {
        switch event.kind {
        case .addTorrent:
            [
                "It asks the tracker for peers, dials some and fetches what is missing, piece by piece."
            ]
        case .addActiveConnection: connectionReasons(event)
        case .dropActiveConnection: dropReasons(event)
        case .connectionRejected: rejectionReasons(event)
        case .banConnection: banReasons(event)
        case .torrentComplete:
            [
                "It is what its digest says, proved piece by piece or hashed as a whole. \(who(event)) "
                    + "serves it until nobody has read it for \(Words.seconds(rules.seederIdleSeconds))."
            ]
        case .torrentCancelled:
            ["leecherTimedOut", "stopped", "crowdedOut"].contains(event.reason)
                ? ["The pieces it has stay on its disk for the next try."] : []
        case .announce, .announceFailed, .leave: announceReasons(event)
        default: nil
        }
    }

    private func connectionReasons(_ event: ClusterEvent) -> [String] {
        var reasons = ["They exchanged bitfields: each knows now what the other holds."]
        if let swarm = picture.swarm, swarm.concerns(event), let peer = event.peer,
            let own = swarm.peers.first(where: { $0.componentID == event.component }),
            let other = swarm.peers.first(where: { $0.peerID == peer }),
            own.bits.pieceCount == other.bits.pieceCount
        {
            let both = own.bits.intersection(other.bits).heldCount
            reasons[0] +=
                " By the moment shown \(other.name) has \(other.bits.heldCount) of "
                + "\(Words.counted(other.bits.pieceCount, "piece")), \(other.bits.heldCount - both) of "
                + "them new to \(own.name)."
        }
        reasons.append(
            "A swarm has at most \(rules.connectionsMax) connections\(slowSlots). Agents dial for "
                + (rules.connectionsDialled < rules.connectionsMax
                    ? "\(rules.connectionsDialled) and leave the rest to those who dial them; "
                    : "all of them; ")
                + "origins dial nobody."
        )
        return reasons
    }

    /// More of them where links are slow.
    private var slowSlots: String {
        guard let seconds = rules.slowMebibyteSeconds else { return "" }
        return ", \(rules.connectionsMax * rules.slowLinkFactor) where a piece takes longer than "
            + "\(Words.seconds(seconds)) a MiB"
    }

    private func dropReasons(_ event: ClusterEvent) -> [String] {
        switch event.reason {
        case "idle":
            [
                "Connections without a piece either way for \(Words.seconds(rules.idleSeconds)) are "
                    + "closed; a complete peer without a free slot gives up one that was idle for "
                    + "\(Words.seconds(rules.crowdedIdleSeconds)) when somebody else knocks."
            ]
        case "bothComplete": ["Nothing is left to give or to take."]
        default: ["What was asked of \(other(event)) may be asked of others."]
        }
    }

    private func rejectionReasons(_ event: ClusterEvent) -> [String] {
        event.reason == "noSlot"
            ? ["\(other(event)) is not banned for it: it tries again, or asks others."] : []
    }

    private func banReasons(_ event: ClusterEvent) -> [String] {
        let length =
            "Each further ban lasts twice as long, from \(Words.seconds(rules.banSeconds)) up to "
            + "\(Words.seconds(rules.banSecondsMax)); until it ends \(other(event)) is left alone."
        if let reason = event.reason {
            return ["Why? \(closing(reason).capitalizedFirst).", length]
        }
        guard let fault = memory.fault(before: event) else {
            return [
                "Why? \(Words.noReason.capitalizedFirst). Bans follow a dial that failed, a broken "
                    + "protocol, or wrong bytes.",
                length,
            ]
        }
        let cause =
            switch fault.kind {
            case .hashFailed: "piece \(piece(fault)) from it was wrong"
            default: fault.reason.map(closing) ?? Words.noReason
            }
        return ["Why? Recorded just before: \(cause).", length]
    }

    private func announceReasons(_ event: ClusterEvent) -> [String] {
        switch event.kind {
        case .announceFailed: ["It goes on with the peers it has, and announces again."]
        case .leave: []
        default:
            if event.localPeer != nil, event.reason != "complete" {
                [
                    "The tracker remembers who announced lately, and answers with some of them. The next "
                        + "announce comes after \(Words.seconds(rules.announceSeconds)), or when the tracker says."
                ]
            } else if let policy = event.detail?["policy"] {
                [
                    "Order of the handout: \(policy). \(other(event)) dials those it wants in that order."
                ]
            } else {
                []
            }
        }
    }
}

extension String {
    /// The text with a capital letter first.
    fileprivate var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}
