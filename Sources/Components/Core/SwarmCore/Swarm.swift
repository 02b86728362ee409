// SPDX-License-Identifier: Apache-2.0

import Content
import OrderedCollections
import Primitives

/// One blob as one peer sees it: its connections, pieces and requests.
///
/// Slots: `Swarm+Connections.swift`; who is let in: `Swarm+Admission.swift`. Messages: `Swarm+Messages.swift`. Choosing what
/// to ask for: `Swarm+Requests.swift` and ``PiecePicker``; what becomes of it otherwise: `Swarm+Expiry.swift`. Giving:
/// `Swarm+Serving.swift`. Time: `Swarm+Time.swift`. What must hold between events: `SwarmScheduler+Invariants.swift`.
package struct Swarm: Sendable {
    /// Where the download stands.
    package enum Phase: Hashable, Sendable {
        /// Pieces are missing.
        case leeching
        /// All pieces are here; the host checks the whole blob.
        case committing
        /// The blob is in the cache.
        case seeding
    }

    let metaInfo: MetaInfo
    let namespace: String
    var phase: Phase
    var held: Bitfield
    var picker: PiecePicker
    var requests: PieceRequests
    /// Who is writing a piece into the file; at most one each.
    var receivers: [PieceIndex: ConnectionID] = [:]
    var peers: OrderedDictionary<ConnectionID, SwarmPeer> = [:]
    /// Pieces that somebody may be late with who was not told that they are no longer wanted.
    var overdue: Set<PieceIndex> = []
    /// Of an origin: the order in which it serves.
    var firstCopies: FirstCopies
    /// Outgoing connections that are not open yet.
    var dials: OrderedDictionary<ConnectionID, PeerInfo> = [:]
    /// The peers of the last handout.
    var candidates: [PeerInfo] = []
    var bans: BanList
    var announcing: AnnounceState
    var generator: Generator
    /// The last instant at which a piece was stored.
    var lastWrite: Instant
    /// The last instant at which a piece was read, here or by a peer.
    var lastRead: Instant
    var nextReap: Instant
    /// When no piece will have come for so long that slots are taken from those who never gave one.
    var nextRescue: Instant
    /// Whether no piece has come for that long.
    var isBarren = false
    /// The last instant at which an agent gave us a piece, or came to have one to give.
    var agentsGaveAt: Instant
    /// When the first of the agents was dialled that are not connected yet.
    var agentsDialledAt: Instant
    /// Until when one source for each missing piece of a small blob is enough: for a while from the first dial on, or until
    /// somebody has no slot for us or is not there; nil before that dial.
    var soleSourceUntil: Instant?
    /// Agents whose duty pieces of a small blob are, as far as a tracker knows.
    var fetching: Set<PeerID> = []
    /// The last instant at which an origin gave us a piece.
    var originsGaveAt: Instant
    /// How long origins took of late from a request to its piece; zero before the first.
    var originsTake = Duration.zero
    /// The same of agents.
    var agentsTake = Duration.zero
    /// Since when the most urgent reader waits for the piece it waits for.
    var readerSince: Instant
    /// Whether the event at hand cannot have brought a deadline forward, so that it need not be worked out again: most events
    /// are pieces that peers announce, and most of these lead to nothing.
    var isDeadlineKept = false
    /// When the next peer is asked again for what it failed at; may be early.
    var nextSecondChance: Instant?
    /// Pieces in a row that could not be written.
    var diskFaults = 0
    /// Until when nothing is asked for, because the disk took nothing.
    var diskPause: Instant?
    /// Commits in a row that the disk refused.
    var commitFaults = 0
    /// When a failed commit is tried again.
    var commitRetry: Instant?
    /// Commits that ended with a wrong digest.
    var mismatches = 0

    /// Kraken lets a swarm start over for ever; after this many wrong digests the meta info itself must be wrong.
    static let mismatchesMax = 3

    init(_ description: SwarmDescription, generator: Generator, context: SwarmContext) {
        let policy = context.policy
        metaInfo = description.metaInfo
        namespace = description.namespace
        held = description.held
        phase = description.isCommitted ? .seeding : .leeching
        picker = PiecePicker(
            held: description.held,
            order: policy.requestOrder,
            tieBreak: policy.tieBreak,
            localPeer: context.localPeer
        )
        requests = PieceRequests(timeout: policy.requestTimeout(for: description.metaInfo.layout))
        firstCopies = FirstCopies(pieceCount: description.metaInfo.layout.pieceCount)
        bans = BanList(countMax: context.limits.bansPerSwarmMax)
        announcing = AnnounceState(policy: policy, isSilent: context.role == .origin)
        self.generator = generator
        (lastWrite, lastRead) = (context.now, context.now)
        (agentsGaveAt, originsGaveAt, readerSince) = (context.now, context.now, context.now)
        agentsDialledAt = context.now
        nextReap = context.now.advanced(by: policy.reapInterval)
        nextRescue = context.now.advanced(by: policy.barrenPatience)
    }

    var infoHash: InfoHash { metaInfo.infoHash }
    var layout: PieceLayout { metaInfo.layout }
    /// Slots taken: active connections and those on their way.
    var connectionCount: Int { peers.count + dials.count }

    /// What this peer says of itself when a connection opens.
    func handshake(context: SwarmContext, isAnswer: Bool) -> PeerHandshake {
        PeerHandshake(
            peerID: context.localPeer,
            infoHash: infoHash,
            digest: metaInfo.digest,
            // The answer's namespace is empty in Kraken, too.
            namespace: isAnswer ? "" : namespace,
            bitfieldBytes: held.wireBytes,
            neighbours: peers.values.map(\.peerID)
        )
    }

    /// Starts work: what is complete is committed or announced, what is not is announced at once.
    mutating func begin(_ context: inout SwarmContext) {
        context.emit(.note(.addTorrent(infoHash, held: held)))
        if phase == .seeding { return announceComplete(&context) }
        if held.isComplete { beginCommit(&context) } else { announcing.demand(at: context.now) }
    }

    /// Tells the tracker that the blob is complete here; nobody waits for the answer, only a failure comes back.
    func announceComplete(_ context: inout SwarmContext) {
        guard context.role == .agent else { return }
        context.emit(.announce(infoHash, metaInfo.digest, isComplete: true))
    }

    // MARK: - Pieces

    /// A received piece is in the file, checked.
    mutating func pieceStored(
        _ piece: PieceIndex,
        from connection: ConnectionID,
        _ context: inout SwarmContext
    ) {
        endReceiving(piece, connection)
        guard phase == .leeching, held.insert(piece) else { return }
        lastWrite = context.now
        (nextRescue, isBarren) = (context.now.advanced(by: context.policy.barrenPatience), false)
        announcing.fed(policy: context.policy)
        picker.unwant(piece)
        let isDiskBack = diskFaults > 0
        (diskFaults, diskPause) = (0, nil)
        book(piece, from: connection, &context)
        takeBack(piece, except: connection, &context)
        context.emit(.pieceAvailable(infoHash, piece))
        for slot in 0..<peers.count where !peers.values[slot].bits.contains(piece) {
            let other = peers.values[slot].connection
            guard other != connection else { continue }
            context.emit(.send(other, .announcePiece(Int32(clamping: piece.value))))
        }
        if held.isComplete { return beginCommit(&context) }
        // Who delivered has others to serve, too: it is asked first only where nobody is preferred.
        if !context.policy.asksPromptFirst { requestMore(from: connection, &context) }
        // Others may have what the sender has not; origins are asked for more when little is under way; and everybody is when
        // one piece at a time was the rule.
        if isDiskBack || requests.count < context.policy.requestsOfAgentsMax ?? Self.idleRequests {
            requestFromAll(&context)
        }
    }

    /// Credits the peer that sent `piece`.
    private mutating func book(
        _ piece: PieceIndex,
        from connection: ConnectionID,
        _ context: inout SwarmContext
    ) {
        let request = requests.remove(piece, of: connection)
        guard let slot = peers.index(forKey: connection) else { return }
        let bytes = layout.bytes(of: piece)
        peers.values[slot].credit(piece, bytes: bytes, isInTime: request != nil, at: context.now)
        let peer = peers.values[slot]
        let took = (request?.askedAt ?? peer.receivingSince).duration(to: context.now)
        if peer.isOrigin {
            originsGaveAt = context.now
            originsTake.smooth(took)
        } else {
            agentsGaveAt = context.now
            agentsTake.smooth(took)
            peers.values[slot].takes.smooth(took)
        }
        // Whoever connects may use any id: only one that was dialled has earned it.
        if peer.isOutgoing { bans.forgive(peer.peerID) }
        let note = SwarmNote.receivePiece(
            infoHash,
            peer.peerID,
            piece,
            bytes: bytes,
            took: took,
            fromOrigin: peer.isOrigin
        )
        context.emit(.note(note))
    }

    /// A received piece does not count.
    mutating func pieceRejected(
        _ piece: PieceIndex,
        from connection: ConnectionID,
        _ fault: PieceFault,
        _ context: inout SwarmContext
    ) {
        endReceiving(piece, connection)
        guard let slot = peers.index(forKey: connection) else { return }
        release(piece, of: slot)
        switch fault {
        case .checksum:
            context.emit(.note(.badPiece(infoHash, peers.values[slot].peerID, piece)))
            drop(connection, .badPiece, &context)
        case .disk: pauseForDisk(context)
        }
        makeUpForLoss(&context)
    }

    private mutating func endReceiving(_ piece: PieceIndex, _ connection: ConnectionID) {
        if receivers[piece] == connection { receivers[piece] = nil }
        if let slot = peers.index(forKey: connection), peers.values[slot].receiving == piece {
            peers.values[slot].receiving = nil
        }
    }

    // MARK: - The disk

    /// Not the peer's fault: its bytes are gone, and so would the next be. Asks for nothing for a while, each time longer.
    private mutating func pauseForDisk(_ context: SwarmContext) {
        // What was under way when the disk filled up is one failure.
        guard diskPause == nil else { return }
        diskFaults += 1
        let pause = context.policy.diskPause(after: diskFaults)
        diskPause = context.now.advanced(by: pause)
    }

    /// Whether the disk may be given more: after a failure one piece at a time, until it takes one.
    var isDiskReady: Bool {
        diskPause == nil && (diskFaults == 0 || requests.isEmpty && receivers.isEmpty)
    }

    // MARK: - The whole blob

    mutating func beginCommit(_ context: inout SwarmContext) {
        phase = .committing
        commitRetry = nil
        context.emit(.commit(infoHash))
    }

    /// The blob is in the cache: tell everyone, and let go of who needs nothing from us.
    mutating func committed(_ context: inout SwarmContext) {
        guard phase == .committing else { return }
        phase = .seeding
        lastRead = context.now
        bans.removeAll()
        candidates = []
        announcing.rest()
        // Nothing will be picked any more.
        let policy = context.policy
        let nothing = Bitfield(pieceCount: 0)
        picker = PiecePicker(held: nothing, order: policy.requestOrder, tieBreak: policy.tieBreak)
        context.emit(.note(.torrentComplete(infoHash)))
        for dial in dials.keys { context.emit(.close(dial, .bothComplete)) }
        dials.removeAll()
        for peer in peers.values {
            if peer.bits.isComplete {
                drop(peer.connection, .bothComplete, &context)
            } else {
                context.emit(.send(peer.connection, .complete))
            }
        }
        announceComplete(&context)
    }

    /// The blob could not be committed; answers why the swarm must be given up, if it must.
    mutating func commitFailed(_ fault: CommitFault, _ context: inout SwarmContext) -> ForgetReason?
    {
        guard phase == .committing else { return nil }
        switch fault {
        case .disk:
            // Those who wait are told in the end, as when no piece comes; the data stays.
            let patience = lastWrite.advanced(by: context.policy.leecherIdleMax)
            guard context.now < patience else { return .leecherTimedOut }
            commitFaults += 1
            let pause = context.policy.diskPause(after: commitFaults)
            commitRetry = context.now.advanced(by: pause)
        case .digestMismatch:
            mismatches += 1
            if mismatches >= Self.mismatchesMax { return .unverifiable }
            startOver(&context)
        }
        return nil
    }

    /// Forgets every piece: one of them is wrong, and nobody knows which.
    private mutating func startOver(_ context: inout SwarmContext) {
        for connection in peers.keys { drop(connection, .swarmForgotten, &context) }
        held = Bitfield(pieceCount: layout.pieceCount)
        let policy = context.policy
        picker = PiecePicker(
            held: held,
            order: policy.requestOrder,
            tieBreak: policy.tieBreak,
            localPeer: context.localPeer
        )
        for dial in dials.values where isRival(dial) { picker.share(with: dial.peerID) }
        phase = .leeching
        announcing.demand(at: context.now)
    }
}

extension Duration {
    /// Follows the durations that were seen last, as TCP follows its round trips (RFC 6298, section 2).
    fileprivate mutating func smooth(_ latest: Duration) {
        self = self == .zero ? latest : (self * 7 + latest) / 8
    }
}
