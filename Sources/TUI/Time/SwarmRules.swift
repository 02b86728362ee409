// SPDX-License-Identifier: Apache-2.0

/// The rules of swarms that explanations quote; the defaults are those of Herd's policy.
package struct SwarmRules: Hashable, Codable, Sendable {
    /// Which piece is asked for first, as the configuration spells it.
    package var requestOrder = "rarest_first"
    /// Pieces asked of one agent, or one origin, at a time, at most.
    package var requestsPerAgent = 3
    /// The most requests under way at an origin.
    package var requestsPerOrigin = 5
    /// Pieces asked of all agents together at a time; nil without a bound.
    package var requestsOfAgents: Int? = 6
    /// Whether fewer requests wait at an agent the more peers there are.
    package var spreadsRequests = true
    /// Whether a waiting request moves to another holder.
    package var movesRequests = true
    /// Whether origins are asked only for what no agent holds.
    package var sparesOrigins = true
    /// The time a peer has to answer a request: at least so long, and so long for each MiB.
    package var requestSeconds: Double = 4
    /// Seconds for each mebibyte until a request expires.
    package var requestSecondsPerMebibyte: Double = 4
    /// Time-outs in a row after which a peer is closed.
    package var expiriesMax = 3
    /// Missing pieces from which on a piece may be asked of two peers, and how old the first request must be by then.
    package var endgamePieces = 3
    /// Seconds that a piece may have been asked for before the endgame asks again.
    package var endgameSeconds: Double = 1
    /// Connections of one swarm, and how many of them a peer fills by dialling.
    package var connectionsMax = 10
    /// How many times as many there are on slow links.
    package var slowLinkFactor = 2
    /// Seconds from the request to the last byte of a piece, for each MiB of it, from which on links count as slow; nil: never.
    package var slowMebibyteSeconds: Double? = 0.06
    /// Connections that a swarm dials by itself.
    package var connectionsDialled = 6
    /// When a connection is closed on which nothing moves; in a full swarm that is complete, when another needs its slot.
    package var idleSeconds: Double = 30
    /// Seconds of idleness after which a connection gives way where slots are short.
    package var crowdedIdleSeconds: Double = 3
    /// The first ban, and the longest.
    package var banSeconds: Double = 30
    /// The longest ban, in seconds.
    package var banSecondsMax: Double = 600
    /// The time between announces.
    package var announceSeconds: Double = 3
    /// When a complete swarm that nobody reads leaves memory, and when one that gains nothing gives up.
    package var seederIdleSeconds: Double = 300
    /// Seconds without progress after which a download ends.
    package var leecherIdleSeconds: Double = 300
    /// The rules as Herd ships them.
    package init() {}

    /// How long a peer has to send a piece of so many bytes.
    package func requestTimeout(bytes: Int) -> Double {
        max(requestSeconds, requestSecondsPerMebibyte * Double(max(0, bytes)) / 1_048_576)
    }
}
