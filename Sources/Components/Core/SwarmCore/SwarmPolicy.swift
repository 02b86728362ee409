// SPDX-License-Identifier: Apache-2.0

package import Content
package import Primitives

/// The rules of a swarm that an operator may set; the defaults are Kraken's unless a comment says otherwise.
/// - Source: uber/kraken lib/torrent/scheduler/config.go, dispatch/config.go, connstate/config.go.
package struct SwarmPolicy: Sendable, Hashable {
    /// Which piece is asked for when several could be.
    package enum RequestOrder: String, Sendable, Hashable {
        /// The piece that the fewest connected peers hold. Kraken's shipped configuration.
        case rarestFirst = "rarest_first"
        /// Any piece. Kraken's `default`.
        case random = "default"
    }

    /// How a choice among equally good pieces is made.
    package enum TieBreak: Sendable, Hashable {
        /// By the seeded generator, so that peers of one source do not all ask for the same piece.
        case random
        /// The lowest index; for tests.
        case lowestIndex
    }

    /// A whole set of rules, by the name that configurations and options give it.
    package enum Preset: String, Sendable, Hashable, CaseIterable {
        /// Kraken's with the repairs of `docs/decisions`.
        case herd
        /// Kraken's own.
        case kraken

        /// Its rules.
        package var policy: SwarmPolicy { self == .kraken ? .kraken : SwarmPolicy() }
    }

    /// The rules that these began as, before single ones were changed: told by those that have no setting of their own.
    package var preset: Preset { reroutes ? .herd : .kraken }

    /// Which piece is asked for first.
    package var requestOrder = RequestOrder.rarestFirst
    /// How equals are told apart.
    package var tieBreak = TieBreak.random
    /// Pieces asked of one agent at a time, at most.
    package var requestsPerAgent = 3
    /// Pieces asked of all peers at a time as far as that leaves each one; nil means no bound. Not Kraken's.
    ///
    /// Requests that wait at a busy peer are pieces that an idle one can't be asked for.
    package var requestsSpread: Int? = 8
    /// Pieces asked of all agents together at a time; nil means no bound. Not Kraken's.
    ///
    /// What is asked for early waits in the queue of a peer that has it, while others come to have it that have nothing to do.
    /// Enough to keep a link busy while some of it waits.
    package var requestsOfAgentsMax: Int? = 6
    /// Whether requests that wait at a peer move to others as these come to hold the piece. Kraken: no.
    package var reroutes = true
    /// Whether those peers are asked first that owe least and deliver soonest, not the one that just delivered. Kraken: no.
    package var asksPromptFirst = true
    /// Pieces asked of one origin at a time.
    package var requestsPerOrigin = 5
    /// Whether agents ask origins only for what no agent holds, and for few pieces at a time. Kraken: no.
    package var sparesOrigins = true
    /// How long agents are waited for before an origin is asked for what they are to fetch or hold: by a host to which no
    /// origin sends, by one to which hardly anybody does, and by a reader. Not Kraken's.
    package var originPatience = Duration.milliseconds(40)
    /// As much more for each MiB of a piece.
    package var originPatiencePerMebibyte = Duration.milliseconds(10)
    /// Missing pieces from which on a piece may be asked of several peers.
    package var endgamePieces = 3
    /// Whether a piece is never asked of several peers.
    package var isEndgameDisabled = false
    /// How old a request must be before endgame asks another peer for the same piece. Kraken: at once, which costs
    /// small blobs up to ten times their size.
    package var endgameDelay = Duration.seconds(1)
    /// The least time a peer has to answer a request.
    package var requestTimeoutMin = Duration.seconds(4)
    /// The time a peer has for each MiB of a piece.
    package var requestTimeoutPerMebibyte = Duration.seconds(4)
    /// Open and pending connections of one swarm.
    package var connectionsMax = 10
    /// How long each MiB of a piece takes from the request to the last byte where links are slow; a swarm there has twice
    /// ``connectionsMax`` slots. nil: never. Not Kraken's.
    ///
    /// Where uplinks are the bound, the more neighbours choose from whom to fetch, the fewer uplinks idle. On fast links more
    /// neighbours are more messages and no gain.
    package var slowMebibyteTime: Duration? = .milliseconds(60)
    /// Whether two fifths of these are left for those who dial us, late joiners among them. Kraken: no.
    package var leavesSlots = true
    /// Neighbours in common from which on an incoming connection is refused; nil means never.
    package var mutualConnectionsMax: Int?
    /// The time a connection has to open and to shake hands, each.
    package var handshakeTimeout = Duration.seconds(5)
    /// Without a piece in either direction for this long, a connection is closed.
    package var connectionIdleMax = Duration.seconds(30)
    /// The age at which an idle connection is closed.
    package var connectionAgeMax = Duration.hours(1)
    /// How often idle connections and swarms are looked for.
    package var reapInterval = Duration.seconds(30)
    /// A seeding swarm that nobody reads for this long leaves memory.
    package var seederIdleMax = Duration.minutes(5)
    /// A leeching swarm that gains no piece for this long gives up; its partial data stays.
    package var leecherIdleMax = Duration.minutes(5)
    /// How long a peer is not dialled after a failure; doubles with each further one.
    package var banDuration = Duration.seconds(30)
    /// The longest ban. Kraken has no growth.
    package var banDurationMax = Duration.minutes(10)
    /// Whether nobody is ever banned; for tests.
    package var isBanningDisabled = false
    /// When a peer that refused us for want of a slot is tried again, times 1 to 2. Kraken: 30 s.
    package var refusalRetry = Duration.milliseconds(200)
    /// The time between announces until a tracker says otherwise.
    package var announceInterval = Duration.seconds(3)
    /// The first wait of a swarm without any source before it announces again; doubles up to the interval.
    package var starvedAnnounceDelay = Duration.milliseconds(100)
    /// How long a tracker has to answer; after that the announce counts as failed.
    package var announceTimeout = Duration.minutes(1)
    /// Time-outs in a row without a payload in between after which a peer is closed; requests made together count once.
    package var expiriesMax = 3
    /// When a peer that answered a request by an error is asked again; doubles with each further one, up to
    /// ``banDuration``. Kraken: never on its own.
    package var failureRetry = Duration.seconds(1)
    /// Errors in a row after which a peer is asked for nothing until then.
    package var failuresMax = 3
    /// Errors in a row without a piece in between after which a peer is closed, and not dialled for a while. Kraken: never.
    package var failuresBanMax = 6
    /// Refusals and closings in a row without a piece in between after which a peer is tried again twice as late each time,
    /// up to ``banDuration``. Kraken: no growth.
    package var refusalsFree = 16
    /// How long a leecher waits for a piece before it takes slots from peers that never gave it one, to dial others. Kraken: no.
    package var barrenPatience = Duration.seconds(15)
    /// The least a payload under way advances, over ``paceWindow``; a peer that sends or takes less is closed. Kraken: none.
    package var paceMin = ByteRate(bytesPerSecond: 16 << 10)
    /// Over which time the pace of a payload is measured.
    package var paceWindow = Duration.seconds(5)
    /// How long nothing is fetched, or committed, after the disk refused it; doubles each time.
    package var diskRetry = Duration.seconds(1)
    /// The longest of these pauses.
    package var diskRetryMax = Duration.minutes(1)
    /// How long a peer must be idle before a complete swarm without a free slot gives its slot to another.
    package var crowdedIdleMax = Duration.seconds(3)
    /// Request time-outs without a piece taken after which a peer that we send to counts as idle.
    package var sendTimeouts = 4

    /// Kraken's rules with the repairs of `docs/decisions`.
    package init() {}

    /// Kraken's rules without them, as far as they are rules and no accidents.
    package static let kraken: SwarmPolicy = {
        var policy = SwarmPolicy()
        (policy.sparesOrigins, policy.leavesSlots, policy.requestsSpread) = (false, false, nil)
        (policy.reroutes, policy.requestsOfAgentsMax) = (false, nil)
        (policy.asksPromptFirst, policy.slowMebibyteTime) = (false, nil)
        policy.endgameDelay = .zero
        policy.refusalRetry = .seconds(30)
        policy.starvedAnnounceDelay = policy.announceInterval
        return policy
    }()

    /// Open and pending connections of one swarm whose pieces, cut by `layout`, take `pieceTime` of late.
    func connectionsMax(pieceTime: Duration, for layout: PieceLayout) -> Int {
        guard let slowMebibyteTime else { return connectionsMax }
        // What a tiny piece takes says nothing of the link.
        let slowPieceTime = max(slowMebibyteTime, scaled(slowMebibyteTime, by: layout))
        return pieceTime >= slowPieceTime ? slowConnectionsMax : connectionsMax
    }

    /// Open and pending connections of any swarm at most.
    package var slowConnectionsMax: Int {
        slowMebibyteTime == nil ? connectionsMax : Self.slowLinkFactor * connectionsMax
    }

    /// How many times as many slots a swarm has on slow links.
    package static let slowLinkFactor = 2

    /// Of `slots` connections, open and pending, those below which more peers are dialled.
    package func connectionsSought(of slots: Int) -> Int {
        leavesSlots ? max(1, (3 * slots + 4) / 5) : slots
    }

    /// Pieces asked of one agent at a time while there are `peerCount` peers.
    func requestsPerAgent(among peerCount: Int) -> Int {
        guard let requestsSpread else { return requestsPerAgent }
        return min(requestsPerAgent, max(1, requestsSpread / max(1, peerCount)))
    }

    /// Pieces asked of all origins together at a time; nil when only ``requestsPerOrigin`` bounds them.
    ///
    /// Next to nothing when other agents fetch, too: what they all have asked for waits in the origins' queues, and the longer
    /// these are, the less can anybody know what is under way. A lone host asks for an eighth of a blob, so that those who
    /// begin a little later find something to fetch.
    package func originRequestsMax(for layout: PieceLayout, isShared: Bool) -> Int? {
        guard sparesOrigins else { return nil }
        guard !isShared else { return min(requestsPerOrigin, Self.originRequestsMin) }
        return min(requestsPerOrigin, max(Self.originRequestsMin, layout.pieceCount / 8))
    }

    /// Enough to keep a connection busy while an answer is on its way.
    private static let originRequestsMin = 2

    /// The terms of bans.
    var banTerms: BanList.Terms { BanList.Terms(first: banDuration, longest: banDurationMax) }

    /// How long to leave the disk alone after it failed `count` times in a row.
    func diskPause(after count: Int) -> Duration {
        diskRetry.doubled(count - 1, atMost: diskRetryMax)
    }

    /// How long agents are waited for with a piece of `layout`.
    func originPatience(for layout: PieceLayout) -> Duration {
        originPatience + scaled(originPatiencePerMebibyte, by: layout)
    }

    private func scaled(_ perMebibyte: Duration, by layout: PieceLayout) -> Duration {
        let bytes = layout.bytes(of: PieceIndex(0))
        return .nanoseconds(perMebibyte.nanoseconds / 1024 * Int64(bytes >> 10))
    }

    /// How long a peer has to answer a request of a blob cut by `layout`.
    /// - Source: kraken lib/torrent/scheduler/dispatch/config.go, `calcPieceRequestTimeout`.
    package func requestTimeout(for layout: PieceLayout) -> Duration {
        max(requestTimeoutMin, scaled(requestTimeoutPerMebibyte, by: layout))
    }

    /// How long a peer has to answer on a link that carries `pace`: twice what everything takes that may be asked for at a time.
    func requestTimeout(for layout: PieceLayout, pace: ByteRate?) -> Duration {
        let usual = requestTimeout(for: layout)
        guard let pace, pace.bytesPerSecond > 0 else { return usual }
        let pieces = max(requestsPerOrigin, requestsSpread ?? requestsPerAgent * connectionsMax)
        let seconds = 2 * pieces * layout.bytes(of: PieceIndex(0)) / pace.bytesPerSecond
        return max(usual, min(.seconds(seconds), leecherIdleMax))
    }
}

extension Duration {
    /// The duration doubled `times` times, at most `longest`.
    func doubled(_ times: Int, atMost longest: Duration) -> Duration {
        Swift.min(longest, self * (1 << Swift.min(Swift.max(0, times), 16)))
    }
}
