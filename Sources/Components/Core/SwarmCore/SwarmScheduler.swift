// SPDX-License-Identifier: Apache-2.0

package import Content
import HeapModule
import OrderedCollections
package import Primitives

/// All swarms of one host: events in, effects out.
///
/// Sans-IO: it is given time, messages and completions and answers with effects, in order. It never awaits, locks, reads
/// a clock or draws a random number that its seed does not determine, so the same events give the same effects.
package struct SwarmScheduler: Sendable {
    /// Who this host is to its peers.
    package let localPeer: PeerID
    /// Whether it downloads or only seeds.
    package let role: Role
    /// Its rules.
    package var policy: SwarmPolicy { rules.policy }

    private let rules: SwarmRules
    var limits: Limits { rules.limits }
    private var generator: Generator
    var swarms: OrderedDictionary<InfoHash, Swarm> = [:]
    /// The swarm of each dialled or active connection.
    var connections: [ConnectionID: InfoHash] = [:]
    /// Incoming connections whose blob the host looks for, first come first.
    var lookUps: OrderedDictionary<ConnectionID, PeerHandshake> = [:]
    var announces: AnnounceQueue
    private var nextConnection: UInt64 = 1
    /// When each swarm may have something to do; entries may be stale, which costs a look, never a miss.
    private var alarms: Heap<Alarm> = []
    /// The earliest entry of ``alarms`` for each swarm.
    var armed: [InfoHash: Instant] = [:]
    private var isStopping = false
    /// What this host's link carries, where that is less than usual.
    private var pace: ByteRate?

    private struct Alarm: Comparable, Sendable {
        let at: Instant
        let infoHash: InfoHash
        static func < (left: Alarm, right: Alarm) -> Bool {
            (left.at, left.infoHash) < (right.at, right.infoHash)
        }
    }

    /// A host without swarms; `seed` determines every random choice it will make.
    package init(localPeer: PeerID, role: Role, policy: SwarmPolicy, limits: Limits, seed: UInt64) {
        (self.localPeer, self.role) = (localPeer, role)
        rules = SwarmRules(policy: policy, limits: limits)
        generator = Generator(seed: seed)
        announces = AnnounceQueue(underWayMax: limits.announcesInFlightMax)
    }

    /// The next instant at which `.timePassed` can change anything; nil when idle. May be early, never late.
    package var nextDeadline: Instant? { alarms.min?.at }

    /// Handles one event and appends what the driver must do, in order, to `effects`.
    package mutating func handle(_ event: Event, at now: Instant, into effects: inout [Effect]) {
        var context = SwarmContext(
            now: now,
            rules: rules,
            localPeer: localPeer,
            role: role,
            nextConnection: nextConnection,
            effects: []
        )
        swap(&context.effects, &effects)
        dispatch(event, &context)
        nextConnection = context.nextConnection
        swap(&context.effects, &effects)
    }

    private mutating func dispatch(_ event: Event, _ context: inout SwarmContext) {
        switch event {
        case .opened(let description): open(description, &context)
        case .removed(let hash): forget(hash, .removed, &context)
        case .readersMoved, .readLocally, .pieceStored, .pieceRejected, .committed, .commitFailed:
            handleLocal(event, &context)
        case .announceAnswered, .announceFailed: handleAnnounce(event, &context)
        case .handshakeReceived(let connection, let handshake):
            letIn(connection, handshake, &context)
        case .swarmUnavailable(let connection):
            guard lookUps.removeValue(forKey: connection) != nil else { return }
            context.emit(.close(connection, .unknownSwarm))
        case .dialSucceeded(let connection, let handshake):
            guard
                with(connection, &context, { $0.dialSucceeded(connection, handshake, &$1) })
            else { return context.emit(.close(connection, .swarmForgotten)) }
        case .dialFailed(let connection, let fault):
            with(connection, &context) { $0.dialFailed(connection, fault, &$1) }
        case .received(let connection, let message):
            guard with(connection, &context, { $0.received(message, from: connection, &$1) })
            else { return context.emit(.close(connection, .swarmForgotten)) }
        case .pieceSent(let connection, let piece, let bytes):
            with(connection, &context) { $0.pieceSent(piece, to: connection, bytes: bytes, &$1) }
        case .sendFailed(let connection, let piece):
            with(connection, &context) { $0.sendFailed(piece, to: connection, &$1) }
        case .closed(let connection, let reason):
            lookUps[connection] = nil
            with(connection, &context) { $0.closed(connection, reason: reason, &$1) }
        case .misbehaved(let connection, let reason):
            lookUps[connection] = nil
            with(connection, &context) { $0.misbehaved(connection, reason: reason, &$1) }
        case .timePassed: passTime(&context)
        case .paced(let rate): setPace(rate, &context)
        case .stopping:
            isStopping = true
            for connection in lookUps.keys { context.emit(.close(connection, .stopping)) }
            lookUps.removeAll()
            for hash in swarms.keys { forget(hash, .stopped, &context) }
        }
    }

    private mutating func handleLocal(_ event: Event, _ context: inout SwarmContext) {
        switch event {
        case .readersMoved(let hash, let windows):
            with(hash, &context) { swarm, context in
                swarm.moveReaders(to: windows, &context)
            }
        case .readLocally(let hash):
            with(hash, &context) { swarm, context in swarm.lastRead = context.now }
        case .pieceStored(let hash, let piece, let connection):
            with(hash, &context) { $0.pieceStored(piece, from: connection, &$1) }
        case .pieceRejected(let hash, let piece, let connection, let fault):
            with(hash, &context) { $0.pieceRejected(piece, from: connection, fault, &$1) }
        case .committed(let hash):
            with(hash, &context) { $0.committed(&$1) }
        case .commitFailed(let hash, let fault):
            var reason: ForgetReason?
            with(hash, &context) { reason = $0.commitFailed(fault, &$1) }
            if let reason { forget(hash, reason, &context) }
        default: break
        }
    }

    private mutating func setPace(_ rate: ByteRate?, _ context: inout SwarmContext) {
        pace = rate
        for hash in swarms.keys {
            with(hash, &context) { $0.setPace(rate, $1.policy) }
        }
    }

    // MARK: - Swarms

    private mutating func open(_ description: SwarmDescription, _ context: inout SwarmContext) {
        let hash = description.metaInfo.infoHash
        guard !isStopping else { return context.emit(.forgotten(hash, .stopped)) }
        if let known = swarms[hash], known.phase == .seeding, !description.isCommitted {
            // The file was evicted behind our back: start over with what is on disk now.
            forget(hash, .removed, &context)
        }
        if swarms.index(forKey: hash) == nil {
            guard makeRoom(&context) else { return turnAway(description, &context) }
            swarms[hash] = Swarm(description, generator: generator.fork(), context: context)
            with(hash, &context) { [pace] swarm, context in
                swarm.setPace(pace, context.policy)
                swarm.begin(&context)
            }
        } else if description.isLocalRequest {
            with(hash, &context) { swarm, context in
                swarm.lastRead = context.now
                swarm.lastWrite = max(swarm.lastWrite, context.now)
                if swarm.phase == .leeching { swarm.announcing.demand(at: context.now) }
            }
        }
        let digest = description.metaInfo.digest
        for (connection, handshake) in lookUps where handshake.digest == digest {
            lookUps[connection] = nil
            admit(connection, handshake, to: hash, &context)
        }
    }

    /// There is no room for a swarm, nor for those who asked for it.
    private mutating func turnAway(
        _ description: SwarmDescription,
        _ context: inout SwarmContext
    ) {
        context.emit(.forgotten(description.metaInfo.infoHash, .crowdedOut))
        let digest = description.metaInfo.digest
        for (connection, handshake) in lookUps where handshake.digest == digest {
            lookUps[connection] = nil
            context.emit(.close(connection, .noSlot))
        }
    }

    /// Drops the longest idle seeding swarm when there are too many; answers whether there is room.
    private mutating func makeRoom(_ context: inout SwarmContext) -> Bool {
        guard swarms.count >= limits.swarmsMax else { return true }
        let idle = swarms.values.filter { $0.phase == .seeding && $0.peers.isEmpty }
        guard let oldest = idle.min(by: { $0.lastRead < $1.lastRead }) else { return false }
        forget(oldest.infoHash, .crowdedOut, &context)
        return true
    }

    private mutating func forget(
        _ hash: InfoHash,
        _ reason: ForgetReason,
        _ context: inout SwarmContext
    ) {
        guard with(hash, &context, { $0.end(reason, &$1) }) else { return }
        swarms[hash] = nil
        armed[hash] = nil
        if let next = announces.eject(hash) { announce(next, &context) }
    }

    /// Runs `body` on a swarm and books what it did to connections and deadlines; answers whether there is one.
    @discardableResult private mutating func with(
        _ hash: InfoHash,
        _ context: inout SwarmContext,
        _ body: (inout Swarm, inout SwarmContext) -> Void
    ) -> Bool {
        guard let index = swarms.index(forKey: hash) else { return false }
        let firstEffect = context.effects.count
        // Always in place: a copy of a swarm would retain, or duplicate, everything in it.
        swarms.values[index].isDeadlineKept = false
        body(&swarms.values[index], &context)
        if swarms.values[index].takeAnnounceTurn(&context) {
            swarms.values[index].isDeadlineKept = false
            if announces.begin(hash) { announce(hash, &context) }
        }
        for position in firstEffect..<context.effects.count {
            switch context.effects[position] {
            case .dial(let connection, _, _), .accept(let connection, _):
                connections[connection] = hash
            case .close(let connection, _): connections[connection] = nil
            default: break
            }
        }
        if !swarms.values[index].isDeadlineKept {
            arm(hash, Self.nextDeadline(of: &swarms.values[index], context))
        }
        return true
    }

    private static func nextDeadline(of swarm: inout Swarm, _ context: SwarmContext) -> Instant? {
        swarm.nextDeadline(context.policy, at: context.now)
    }

    @discardableResult private mutating func with(
        _ connection: ConnectionID,
        _ context: inout SwarmContext,
        _ body: (inout Swarm, inout SwarmContext) -> Void
    ) -> Bool {
        guard let hash = connections[connection] else { return false }
        // A connection that the swarm no longer has a use for is forgotten with the event that ended it.
        var isOver = false
        let isThere = with(hash, &context) { swarm, context in
            body(&swarm, &context)
            isOver = swarm.peers.index(forKey: connection) == nil && swarm.dials[connection] == nil
        }
        if isOver { connections[connection] = nil }
        return isThere
    }

    // MARK: - Incoming connections

    private mutating func letIn(
        _ connection: ConnectionID,
        _ handshake: PeerHandshake,
        _ context: inout SwarmContext
    ) {
        guard !isStopping else { return context.emit(.close(connection, .stopping)) }
        guard handshake.peerID != localPeer else {
            return context.emit(.close(connection, .ownPeerID))
        }
        if swarms.index(forKey: handshake.infoHash) != nil {
            return admit(connection, handshake, to: handshake.infoHash, &context)
        }
        guard lookUps.count < limits.handshakesPendingMax else {
            return context.emit(.close(connection, .noSlot))
        }
        lookUps[connection] = handshake
        context.emit(.lookUp(connection, handshake))
    }

    private mutating func admit(
        _ connection: ConnectionID,
        _ handshake: PeerHandshake,
        to hash: InfoHash,
        _ context: inout SwarmContext
    ) {
        guard with(hash, &context, { $0.admit(connection, handshake, &$1) }) else {
            return context.emit(.close(connection, .unknownSwarm))
        }
    }

    // MARK: - Announces

    private mutating func handleAnnounce(_ event: Event, _ context: inout SwarmContext) {
        let hash: InfoHash
        switch event {
        case .announceAnswered(let infoHash, let peers, let interval):
            hash = infoHash
            finishAnnounce(hash, &context)
            with(hash, &context) { $0.handout(peers, interval: interval, &$1) }
        case .announceFailed(let infoHash):
            hash = infoHash
            finishAnnounce(hash, &context)
            with(hash, &context) { $0.announceFailed(&$1) }
        default: return
        }
    }

    private mutating func finishAnnounce(_ hash: InfoHash, _ context: inout SwarmContext) {
        swarms[hash]?.announcing.end()
        if let next = announces.finish(hash) { announce(next, &context) }
    }

    private mutating func announce(_ hash: InfoHash, _ context: inout SwarmContext) {
        guard let swarm = swarms[hash] else { return }
        guard swarm.phase != .seeding else {
            // It completed while it waited its turn, and has said so.
            return finishAnnounce(hash, &context)
        }
        let giveUp = context.now.advanced(by: context.policy.announceTimeout)
        swarms[hash]?.announcing.sent(answerDue: giveUp)
        arm(hash, giveUp)
        context.emit(.announce(hash, swarm.metaInfo.digest, isComplete: false))
    }

    // MARK: - Time

    private mutating func arm(_ hash: InfoHash, _ deadline: Instant?) {
        guard let deadline else { return }
        if let earlier = armed[hash], earlier <= deadline { return }
        armed[hash] = deadline
        alarms.insert(Alarm(at: deadline, infoHash: hash))
    }

    private mutating func passTime(_ context: inout SwarmContext) {
        var due: [InfoHash] = []
        while let alarm = alarms.min, alarm.at <= context.now {
            alarms.removeMin()
            guard armed[alarm.infoHash] == alarm.at else { continue }
            armed[alarm.infoHash] = nil
            due.append(alarm.infoHash)
        }
        for hash in due {
            var reason: ForgetReason?
            with(hash, &context) { reason = $0.timePassed(&$1) }
            if let reason { forget(hash, reason, &context) }
            guard swarms[hash]?.announcing.isOverdue(at: context.now) == true else { continue }
            handleAnnounce(.announceFailed(hash), &context)
        }
    }
}

// MARK: - Looking in

extension SwarmScheduler {
    /// The info hashes of the swarms in memory, in the order in which they were opened.
    package var infoHashes: [InfoHash] { Array(swarms.keys) }

    /// The state of one swarm; nil when it is not in memory.
    package func snapshot(of hash: InfoHash, at now: Instant) -> SwarmSnapshot? {
        swarms[hash].map { SwarmSnapshot($0, policy, at: now) }
    }

    /// Whether the peer at the other end of an active connection was handed out as an origin.
    package func isOrigin(_ connection: ConnectionID, in hash: InfoHash) -> Bool {
        swarms[hash]?.peers[connection]?.isOrigin ?? false
    }

    /// Connections on their way or open, of all swarms.
    package var connectionCount: Int { swarms.values.reduce(0) { $0 + $1.connectionCount } }
}
