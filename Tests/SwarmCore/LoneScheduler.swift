// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore
import Testing

/// One scheduler in virtual time whose network, disk and tracker are the test.
///
/// Pieces have 1 MiB each, peers are named by small numbers, and the scheduler itself is peer 100.
struct LoneScheduler {
    typealias Event = SwarmScheduler.Event
    typealias Effect = SwarmScheduler.Effect

    private(set) var scheduler: SwarmScheduler
    private(set) var now = Instant.origin
    let metaInfo: MetaInfo
    /// Everything it ever did, in order.
    private(set) var log: [Effect] = []
    /// How often time had to be told that it passed.
    private(set) var wakeUps = 0
    /// Payloads that the scheduler wants received, until they are settled.
    private(set) var arrivals: [(ConnectionID, PieceIndex)] = []
    /// Dials that are neither answered nor given up.
    private(set) var dials: [PeerID: ConnectionID] = [:]
    private var nextIncoming: UInt64 = 2

    /// Choices by the lowest index, so that tests can name pieces.
    static var policy: SwarmPolicy {
        var policy = SwarmPolicy()
        policy.tieBreak = .lowestIndex
        return policy
    }

    static func peer(_ number: Int) -> PeerID {
        guard let id = PeerID(bytes: [UInt8](repeating: UInt8(number), count: 20)) else {
            preconditionFailure("20 bytes make an id")
        }
        return id
    }

    static func metaInfo(pieces: Int, seed: UInt8 = 7) throws -> MetaInfo {
        let layout = try Unwrap.value(PieceLayout(blobBytes: pieces << 20, pieceBytes: 1 << 20))
        let digest = try Unwrap.value(Digest(bytes: [UInt8](repeating: seed, count: 32)))
        return try MetaInfo(
            digest: digest,
            layout: layout,
            pieceSums: (0..<pieces).map { UInt32($0) }
        )
    }

    init(
        pieces: Int = 8,
        role: SwarmScheduler.Role = .agent,
        policy: SwarmPolicy = LoneScheduler.policy,
        limits: Limits = Limits(),
        localPeer: Int = 100,
        seed: UInt64 = 1
    ) throws {
        metaInfo = try Self.metaInfo(pieces: pieces)
        scheduler = SwarmScheduler(
            localPeer: Self.peer(localPeer),
            role: role,
            policy: policy,
            limits: limits,
            seed: seed
        )
    }

    var hash: InfoHash { metaInfo.infoHash }
    var count: Int { metaInfo.layout.pieceCount }
    var snapshot: SwarmSnapshot? { scheduler.snapshot(of: hash, at: now) }
    var isInMemory: Bool { snapshot != nil }

    // MARK: - Events

    @discardableResult mutating func handle(_ event: Event) -> [Effect] {
        var effects: [Effect] = []
        switch event {
        case .pieceStored(_, let piece, let connection),
            .pieceRejected(_, let piece, let connection, _):
            arrivals.removeAll { $0 == (connection, piece) }
        case .closed(let connection, _), .dialFailed(let connection, _),
            .dialSucceeded(let connection, _):
            settle(connection)
        default: break
        }
        scheduler.handle(event, at: now, into: &effects)
        for effect in effects {
            switch effect {
            case .receivePayload(let connection, _, let piece):
                arrivals.append((connection, piece))
            case .dial(let connection, let peer, _): dials[peer.peerID] = connection
            case .close(let connection, _): settle(connection)
            default: break
            }
        }
        let broken = scheduler.checkInvariants(isThorough: true)
        #expect(broken == [], "after \(event)")
        log += effects
        return effects
    }

    private mutating func settle(_ connection: ConnectionID) {
        arrivals.removeAll { $0.0 == connection }
        dials = dials.filter { $0.value != connection }
    }

    /// Lets time pass, waking the scheduler whenever it wants to be woken.
    @discardableResult mutating func wait(_ duration: Duration) -> [Effect] {
        let end = now.advanced(by: duration)
        var (effects, idle) = ([Effect](), 0)
        while let deadline = scheduler.nextDeadline, deadline <= end {
            idle = deadline <= now ? idle + 1 : 0
            guard idle < 10 else {
                Issue.record("the timer spins at \(now)")
                break
            }
            now = max(now, deadline)
            wakeUps += 1
            effects += handle(.timePassed)
        }
        now = end
        return effects
    }

    @discardableResult mutating func open(
        holding held: [Int] = [],
        isCommitted: Bool = false
    ) -> [Effect] {
        handle(
            .opened(
                SwarmDescription(
                    metaInfo: metaInfo,
                    namespace: "ns",
                    held: isCommitted ? .full(pieceCount: count) : bits(held),
                    isCommitted: isCommitted,
                    isLocalRequest: true
                )
            )
        )
    }

    /// The tracker answers with these peers.
    @discardableResult mutating func introduce(
        _ peers: [Int],
        origins: Set<Int> = []
    ) -> [Effect] {
        let handout = peers.map { info($0, isOrigin: origins.contains($0)) }
        return handle(.announceAnswered(hash, handout, interval: .seconds(3)))
    }

    /// Dials `peer` by way of a handout, and the peer answers.
    @discardableResult mutating func connect(
        to peer: Int,
        holding held: [Int]? = nil,
        isOrigin: Bool = false
    ) throws -> ConnectionID {
        let connection = try dial(peer, isOrigin: isOrigin)
        handle(.dialSucceeded(connection, handshake(of: peer, holding: held)))
        return connection
    }

    /// Makes the scheduler dial `peer`; answers the connection that is on its way.
    mutating func dial(_ peer: Int, isOrigin: Bool = false) throws -> ConnectionID {
        introduce([peer], origins: isOrigin ? [peer] : [])
        return try dialled(peer)
    }

    /// The connection to `peer` that is on its way.
    func dialled(_ peer: Int) throws -> ConnectionID {
        try Unwrap.value(dials[Self.peer(peer)])
    }

    /// `peer` connects; answers its connection and what came of it.
    mutating func knock(
        _ peer: Int,
        holding held: [Int]? = nil
    ) -> (connection: ConnectionID, effects: [Effect]) {
        knock(handshake(of: peer, holding: held))
    }

    mutating func knock(
        _ handshake: PeerHandshake
    ) -> (connection: ConnectionID, effects: [Effect]) {
        let connection = ConnectionID(nextIncoming)
        nextIncoming += 2
        return (connection, handle(.handshakeReceived(connection, handshake)))
    }

    @discardableResult mutating func receive(
        _ message: PeerMessage,
        from connection: ConnectionID
    ) -> [Effect] {
        handle(.received(connection, message))
    }

    /// The head of the payload of `piece` comes.
    @discardableResult mutating func begin(
        _ piece: Int,
        from connection: ConnectionID
    ) -> [Effect] {
        receive(.piecePayload(span(piece)), from: connection)
    }

    /// All of `piece` comes, and is right.
    @discardableResult mutating func deliver(
        _ piece: Int,
        from connection: ConnectionID
    ) -> [Effect] {
        let effects = begin(piece, from: connection)
        return effects
            + handle(.pieceStored(hash, PieceIndex(piece), connection))
    }

    /// Delivers what is asked of `connection`, in order, until `count` pieces were asked for; answers those.
    mutating func fetch(_ count: Int, from connection: ConnectionID) -> [Int] {
        var delivered = 0
        while log.requests(to: connection).count < count,
            delivered < log.requests(to: connection).count
        {
            deliver(log.requests(to: connection)[delivered], from: connection)
            delivered += 1
        }
        let asked = log.requests(to: connection)
        #expect(asked.count >= count)
        return asked
    }

    // MARK: - Words

    func info(_ peer: Int, isOrigin: Bool = false) -> PeerInfo {
        PeerInfo(
            peerID: Self.peer(peer),
            ip: "10.0.0.\(peer)",
            port: 1000 + peer,
            isOrigin: isOrigin
        )
    }

    func bits(_ held: [Int]) -> Bitfield {
        var bits = Bitfield(pieceCount: count)
        for piece in held { bits.insert(PieceIndex(piece)) }
        return bits
    }

    /// A handshake of `peer`, which holds everything unless told otherwise.
    func handshake(of peer: Int, holding held: [Int]? = nil) -> PeerHandshake {
        PeerHandshake(
            peerID: Self.peer(peer),
            infoHash: hash,
            digest: metaInfo.digest,
            namespace: "",
            bitfieldBytes: (held.map(bits) ?? .full(pieceCount: count)).wireBytes,
            neighbours: []
        )
    }

    func span(_ piece: Int) -> PieceSpan { PieceSpan(PieceIndex(piece), in: metaInfo.layout) }

    /// Peers that are not dialled, or not let in, now.
    var bans: [PeerID] { snapshot?.bans.map(\.peerID) ?? [] }
}

// MARK: - Reading effects

extension [SwarmScheduler.Effect] {
    /// Pieces asked for, with the connection, in order.
    var requests: [(piece: Int, connection: ConnectionID)] {
        compactMap {
            guard case .send(let connection, .pieceRequest(let span)) = $0 else { return nil }
            return (Int(span.index), connection)
        }
    }

    func requests(to connection: ConnectionID) -> [Int] {
        requests.filter { $0.connection == connection }.map(\.piece)
    }

    func cancels(to connection: ConnectionID) -> [Int] {
        compactMap {
            guard case .send(connection, .cancelPiece(let index)) = $0 else { return nil }
            return Int(index)
        }
    }

    /// Why requests were taken back, in order.
    var withdrawals: [WithdrawReason] {
        compactMap {
            guard case .note(.requestWithdrawn(_, _, _, let reason)) = $0 else { return nil }
            return reason
        }
    }

    func errors(to connection: ConnectionID) -> [Int] {
        compactMap {
            guard case .send(connection, .error(let index, _, _)) = $0 else { return nil }
            return Int(index)
        }
    }

    /// Outgoing connections by whom they go to.
    var dials: [PeerID: ConnectionID] {
        reduce(into: [:]) { dials, effect in
            if case .dial(let connection, let peer, _) = effect { dials[peer.peerID] = connection }
        }
    }

    func closing(_ connection: ConnectionID) -> CloseReason? {
        for case .close(connection, let reason) in self { return reason }
        return nil
    }

    func isAccepted(_ connection: ConnectionID) -> Bool {
        contains {
            if case .accept(connection, _) = $0 { true } else { false }
        }
    }

    /// The announces, each with whether it says that the blob is complete.
    var announces: [Bool] {
        compactMap {
            if case .announce(_, _, let isComplete) = $0 { isComplete } else { nil }
        }
    }

    var commits: Int {
        count {
            if case .commit = $0 { true } else { false }
        }
    }

    var forgetReasons: [ForgetReason] {
        compactMap {
            if case .forgotten(_, let reason) = $0 { reason } else { nil }
        }
    }

    func receives(_ piece: Int, from connection: ConnectionID) -> Bool {
        contains {
            if case .receivePayload(connection, _, PieceIndex(piece)) = $0 { true } else { false }
        }
    }

    func discards(_ piece: Int, from connection: ConnectionID) -> Bool {
        contains {
            if case .discardPayload(connection, PieceIndex(piece), _) = $0 { true } else { false }
        }
    }

    func sends(_ piece: Int, to connection: ConnectionID) -> Bool {
        contains {
            if case .sendPiece(connection, _, PieceIndex(piece)) = $0 { true } else { false }
        }
    }
}
