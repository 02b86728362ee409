// SPDX-License-Identifier: Apache-2.0

import Content
import OrderedCollections
import Primitives

/// One blob as one peer sees it: its connections, pieces and requests.
///
/// Connections: `Swarm+Connections.swift`. Messages: `Swarm+Messages.swift`. Choosing what to ask for:
/// `Swarm+Requests.swift` and ``PiecePicker``. Time: `Swarm+Time.swift`.
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
            tieBreak: policy.tieBreak
        )
        requests = PieceRequests(timeout: policy.requestTimeout(for: description.metaInfo.layout))
        bans = BanList(countMax: context.limits.bansPerSwarmMax)
        announcing = AnnounceState(policy: policy)
        self.generator = generator
        (lastWrite, lastRead) = (context.now, context.now)
        nextReap = context.now.advanced(by: policy.reapInterval)
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

    /// Starts work: what is complete is committed, what is not is announced at once.
    mutating func begin(_ context: inout SwarmContext) {
        context.emit(.note(.addTorrent(infoHash, held: held)))
        if phase == .leeching, held.isComplete { beginCommit(&context) }
        if phase == .leeching { announcing.due = context.now }
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
        announcing.fed(policy: context.policy)
        picker.unwant(piece)
        let bytes = layout.bytes(of: piece)
        if var peer = peers[connection] {
            let asked = requests.request(for: piece, at: connection)?.askedAt ?? context.now
            forget(piece, of: &peer)
            peer.progressAt = context.now
            peer.bytesReceived += bytes
            peer.expiries = 0
            peers[connection] = peer
            bans.forgive(peer.peerID)
            let took = asked.duration(to: context.now)
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
        cancelOthers(asking: piece, except: connection, &context)
        context.emit(.pieceAvailable(infoHash, piece))
        for peer in peers.values where !peer.bits.contains(piece) && peer.connection != connection {
            context.emit(.send(peer.connection, .announcePiece(Int32(clamping: piece.value))))
        }
        if held.isComplete {
            beginCommit(&context)
        } else {
            requestMore(from: connection, &context)
            requestWhenIdle(&context)
        }
    }

    /// A received piece does not count.
    mutating func pieceRejected(
        _ piece: PieceIndex,
        from connection: ConnectionID,
        _ fault: PieceFault,
        _ context: inout SwarmContext
    ) {
        endReceiving(piece, connection)
        guard var peer = peers[connection] else { return }
        forget(piece, of: &peer)
        peers[connection] = peer
        switch fault {
        case .checksum:
            context.emit(.note(.badPiece(infoHash, peer.peerID, piece)))
            drop(connection, .badPiece, &context)
        case .disk:
            // Not the peer's fault; its bytes are gone, so the piece is asked for again, by whoever has a slot.
            if !held.contains(piece) { wantAgain(piece) }
        }
        requestFromAll(&context)
    }

    private mutating func endReceiving(_ piece: PieceIndex, _ connection: ConnectionID) {
        if receivers[piece] == connection { receivers[piece] = nil }
        if peers[connection]?.receiving == piece { peers[connection]?.receiving = nil }
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
        if context.role == .agent {
            context.emit(.announce(infoHash, metaInfo.digest, isComplete: true))
        }
    }

    /// The blob could not be committed; answers whether the swarm must be given up.
    mutating func commitFailed(_ fault: CommitFault, _ context: inout SwarmContext) -> Bool {
        guard phase == .committing else { return false }
        switch fault {
        case .disk:
            commitRetry = context.now.advanced(by: context.policy.requestTimeoutMin)
        case .digestMismatch:
            mismatches += 1
            if mismatches >= Self.mismatchesMax { return true }
            for connection in peers.keys { drop(connection, .swarmForgotten, &context) }
            held = Bitfield(pieceCount: layout.pieceCount)
            let policy = context.policy
            picker = PiecePicker(held: held, order: policy.requestOrder, tieBreak: policy.tieBreak)
            phase = .leeching
            announcing.due = context.now
        }
        return false
    }
}
