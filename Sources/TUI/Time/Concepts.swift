// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// An idea to be explained, on a card.
package struct Concept: Equatable, Sendable, Identifiable {
    /// Its name in commands: `:concept endgame`.
    package let id: String
    /// What it is about.
    package let title: String
    /// The idea in half a sentence, without a capital.
    package let gist: String
    /// Sentences in lines of at most ``lineColumns`` columns.
    package let lines: [String]

    /// What fits into the narrowest dialog of an ordinary screen.
    package static let lineColumns = 66
}

/// The ideas behind a swarm and a registry, as Herd has them.
package enum Concepts {
    /// Every card, in the order in which one needs them.
    package static let all: [Concept] = swarm + cluster

    /// The card that goes with `event`; nil where none does.
    static func concept(for event: ClusterEvent) -> Concept? {
        id(for: event).flatMap { id in all.first { $0.id == id } }
    }

    private static func id(for event: ClusterEvent) -> String? {
        switch event.kind {
        case .addTorrent, .hashFailed: "metainfo"
        case .announce, .announceFailed, .leave: "handout"
        case .requestPiece:
            switch event.reason {
            case "endgame": "endgame"
            case let reason? where reason.hasPrefix("rarest") || reason == "onlySource": "rarest"
            default: "pipeline"
            }
        case .requestExpired, .requestWithdrawn, .sendPiece: "pipeline"
        case .receivePiece, .torrentComplete: "piece"
        case .duplicatePiece: "endgame"
        case .banConnection: "blacklist"
        case .addActiveConnection, .connectionRejected: "capacity"
        case .dropActiveConnection: "preemption"
        case .membership: "ring"
        case .replicationQueued, .replicationDone, .replicationFailed, .blobRefreshed: "replication"
        case .writeBackQueued, .writeBackDone, .writeBackFailed, .push: "write-back"
        default: nil
        }
    }

    private static let swarm = [
        Concept(
            id: "piece",
            title: "Piece",
            gist:
                "a piece can be passed on as soon as it is checked, long before the blob is whole.",
            lines: [
                "A blob is cut into pieces of one length; the last may be shorter.",
                "A piece is what is asked for, sent, checked and passed on.",
                "Small pieces spread sooner, large ones cost fewer messages: an",
                "origin takes 4 MiB unless its configuration says otherwise.",
                "A piece goes out again as soon as it is checked: nobody waits for",
                "the whole blob before sharing it.",
            ]
        ),
        Concept(
            id: "metainfo",
            title: "Metainfo",
            gist:
                "the metainfo says what each piece must add up to, so a lie is found out at once.",
            lines: [
                "It says how long a blob and its pieces are, and what each piece",
                "must add up to (CRC-32). An origin makes it, the tracker passes it",
                "on. Its SHA-1 is the info hash, which names the swarm.",
                "Herd's origins add where the blob's SHA-256 stands after each",
                "piece: with that a single piece proves itself against the digest,",
                "and the whole need not be hashed again. Kraken skips it.",
            ]
        ),
        Concept(
            id: "handout",
            title: "Tracker handout",
            gist: "the tracker only introduces peers; it never touches the bytes.",
            lines: [
                "An agent tells the tracker what it wants: it announces.",
                "The answer names agents that announced the same blob lately, and",
                "the origins that own it. Agents dial from the front of that list.",
                "Ordered by completeness, finished agents come first, then origins,",
                "then the others: that spares the origins.",
                "A tracker sends no pieces, and forgets who stays silent.",
            ]
        ),
        Concept(
            id: "rarest",
            title: "Rarest first",
            gist: "asking for the rarest piece first keeps every piece alive when a peer leaves.",
            lines: [
                "Of the pieces a peer offers, ask for the one that the fewest of",
                "your connections hold; among equals, any.",
                "So no piece depends on one peer that may leave, and everybody",
                "soon has something that others lack.",
                "Pieces that a reader waits for go before it.",
                "An origin is asked for what no connected agent holds, each agent",
                "for its own share: a piece leaves the origins about once.",
            ]
        ),
        Concept(
            id: "pipeline",
            title: "Pipeline",
            gist:
                "a few requests wait at each peer, so that its link never idles between two answers.",
            lines: [
                "Several requests wait at a peer, so that its link never idles",
                "between two answers: at most 3 at an agent and 5 at an origin.",
                "Herd asks for less: the more peers, the fewer of each, and five of",
                "all agents together. What waits at a busy peer is not asked of an",
                "idle one; so a waiting request may move to somebody who comes to",
                "hold the piece. The first is told to forget it (CANCEL_PIECE).",
            ]
        ),
        Concept(
            id: "endgame",
            title: "Endgame",
            gist:
                "the last pieces may be asked of two peers, so that one slow peer holds up nobody.",
            lines: [
                "The last pieces of a blob may hang on one slow peer.",
                "With three pieces or fewer missing, one that has been owed for a",
                "second or more is asked of a second peer, too.",
                "Whoever delivers first wins; the other is told to stop.",
                "The price: a piece may come twice. Kraken asks at once, and small",
                "blobs, which are all endgame, then come many times over.",
            ]
        ),
        Concept(
            id: "blacklist",
            title: "Blacklist",
            gist: "who fails or lies is left alone for a while, twice as long each time.",
            lines: [
                "A peer that does not answer a dial, breaks the protocol or sends",
                "wrong bytes is banned: left alone for 30 s.",
                "Each further ban lasts twice as long, up to 10 min.",
                "A delivered piece forgets failures, but never wrong bytes.",
                "Who has no free slot is not banned: it is tried again soon.",
                "Bans count for one swarm only, and no one else hears of them.",
            ]
        ),
        Concept(
            id: "capacity",
            title: "Capacity",
            gist: "a swarm has few connections, and some are left for those who come late.",
            lines: [
                "A swarm has ten connections at each peer.",
                "A peer dials until it has six; four are left for those who dial",
                "it, late joiners among them. (Kraken dials until all are taken.)",
                "Who knocks at a full swarm is turned away, and tries again after",
                "0.2 to 0.4 s.",
                "Without the spare slots, early peers close up among themselves and",
                "late ones find every door shut.",
            ]
        ),
        Concept(
            id: "preemption",
            title: "Preemption",
            gist: "slots are scarce, so idle connections make room for others.",
            lines: [
                "Slots are scarce, so idle connections make room.",
                "Every 30 s those are closed on which nothing moved for 30 s, and",
                "idle ones that are an hour old.",
                "A complete peer without a free slot gives up the one that was idle",
                "for longest, from 3 s on, when somebody knocks.",
                "A starved peer whose slots are full drops up to three neighbours",
                "that hold nothing it wants.",
            ]
        ),
    ]

    private static let cluster = [
        Concept(
            id: "ring",
            title: "Hash ring",
            gist: "which origins keep a blob follows from its digest alone.",
            lines: [
                "Which origins keep a blob follows from its digest alone.",
                "Each origin has a score for each key (rendezvous hashing); the key",
                "is the first four digits of the digest, the best scores own it.",
                "Every component computes the same, so nobody keeps a list.",
                "When an origin goes, only what it owned moves.",
                "Ownership is scattered: there is no circle with arcs.",
            ]
        ),
        Concept(
            id: "replication",
            title: "Replication",
            gist: "each blob is kept by several origins, so that one of them can fail.",
            lines: [
                "A blob is kept by up to three origins, its owners on the ring.",
                "The one that took the upload copies it to the others.",
                "An origin that misses a blob fetches it from its backend.",
                "Tags are copied to other clusters by the build-index: these are",
                "tasks on disk that are tried until they are done.",
                "When owners are down the healthy ones among them serve alone.",
            ]
        ),
        Concept(
            id: "write-back",
            title: "Write-back",
            gist: "a push ends before the backend has the blob; a task on disk sees to it.",
            lines: [
                "A push ends when origins have the blob; the backend gets it later.",
                "The task is on disk and survives a restart.",
                "A failure is tried again after 1 s, then 2, 4 … up to 60 s.",
                "Until it is done, the blob is not removed from the cache.",
                "The other owners write it back, too, half an hour later and more,",
                "in case the first is gone; who finds it there does nothing.",
            ]
        ),
    ]
}
