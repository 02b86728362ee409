// SPDX-License-Identifier: Apache-2.0

/// Reasons, which the cores write as their own names, in words.
package enum ReasonWords {
    /// Why a piece was asked of a peer.
    package enum Request: Equatable, Sendable {
        /// So many connected peers hold it, the fewest; nil when it was not said how many.
        case rarest(Int?)
        case random, reader, onlySource, endgame
        /// Something else, in its own words; nil when nothing was recorded.
        case other(String?)
    }

    /// Reads the reason of a request: `rarest(availability: 5)`, `endgame`.
    package static func request(_ reason: String?) -> Request {
        switch reason {
        case nil: return .other(nil)
        case "random": return .random
        case "reader": return .reader
        case "onlySource": return .onlySource
        case "endgame": return .endgame
        case let reason?:
            guard reason.hasPrefix("rarest") else { return .other(plain(reason)) }
            let digits = reason.drop { !$0.isNumber }.prefix { $0.isNumber }
            return .rarest(Int(digits))
        }
    }

    /// Why a request was taken back.
    package static func withdrawal(_ reason: String) -> String {
        switch reason {
        case "received": "it came from another peer"
        case "late": "late, another peer is asked"
        case "moved": "another holder is asked instead"
        case "originSpared": "an agent has it or is to fetch it"
        default: plain(reason)
        }
    }

    /// The words for `reason`: known names have their own, others are taken apart: `badPiece` is “bad piece”. What is
    /// more than a name stays as it is.
    package static func plain(_ reason: String) -> String {
        if let known = table[reason] { return known }
        guard !reason.isEmpty, reason.utf8.allSatisfy(isLetter) else { return argument(reason) }
        var words = ""
        for scalar in reason.unicodeScalars {
            let isCapital = scalar.properties.isUppercase
            if isCapital, !words.isEmpty { words += " " }
            words += isCapital ? scalar.properties.lowercaseMapping : String(scalar)
        }
        return words
    }

    /// `protocolViolation("too short")`: “protocol violation: too short”.
    private static func argument(_ reason: String) -> String {
        guard reason.hasSuffix("\")"), let opening = reason.firstIndex(of: "(") else {
            return reason
        }
        let name = reason[..<opening]
        guard !name.isEmpty, name.utf8.allSatisfy(isLetter) else { return reason }
        return plain(String(name)) + ": " + reason[opening...].dropFirst(2).dropLast(2)
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }

    private static let table = [
        "noSlot": "torrent at capacity",
        "duplicate": "already connected",
        "ownPeerID": "that is itself",
        "banned": "blacklisted",
        "unknownSwarm": "swarm unknown there",
        "wrongInfoHash": "speaks of another swarm",
        "wrongPeerID": "is another peer than expected",
        "malformedBitfield": "bitfield malformed",
        "badPiece": "sent a wrong piece",
        "unanswered": "did not answer",
        "unreachable": "dial failed",
        "misbehaved": "answered the dial wrongly",
        "tooManyRequests": "too many requests at a time",
        "idle": "idle (conn_tti)",
        "aged": "open long enough (conn_ttl)",
        "bothComplete": "both are complete",
        "simultaneousOpen": "both dialled at once",
        "tooManyNeighboursInCommon": "too many neighbours in common",
        "useless": "neither needs the other",
        "idleSeeder": "complete, and nobody asked for a while",
        "leecherTimedOut": "nothing came for a while",
        "crowdedOut": "too many swarms",
        "unverifiable": "the whole does not match its digest",
    ]
}
