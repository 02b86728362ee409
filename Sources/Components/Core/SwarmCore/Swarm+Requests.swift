// SPDX-License-Identifier: Apache-2.0

import Content
import OrderedCollections
import Primitives

/// Asking for pieces. Requests that end otherwise than by their piece: `Swarm+Expiry.swift`.
extension Swarm {
    /// Fills the free request slots of one peer.
    mutating func requestMore(from connection: ConnectionID, _ context: inout SwarmContext) {
        guard phase == .leeching, let slot = peers.index(forKey: connection) else { return }
        while isDiskReady, let pick = choose(for: slot, context) {
            ask(pick, of: slot, &context)
        }
    }

    mutating func ask(
        _ pick: PiecePicker.Pick,
        of slot: Int,
        _ context: inout SwarmContext
    ) {
        let (piece, peer) = (pick.piece, peers.values[slot])
        let scene = RequestScene(
            offered: picker.availability.offered(by: peer.bits),
            holders: picker.availability.count(of: piece),
            connections: peers.count,
            slot: peer.asked.count + 1,
            slots: peer.slots(context.policy, among: peers.count)
        )
        picker.unwant(piece)
        requests.add(
            piece,
            of: peer.connection,
            isOfOrigin: peer.isOrigin,
            isDuty: peer.isOrigin && picker.isDue(piece),
            at: context.now
        )
        peers.values[slot].asked.append(piece)
        let note = SwarmNote.requestPiece(infoHash, peer.peerID, piece, pick.reason, scene)
        context.emit(.note(note))
        context.emit(.send(peer.connection, .pieceRequest(PieceSpan(piece, in: layout))))
        cancelLate(piece, except: peer.connection, &context)
    }

    /// Requests under way below which origins are asked for what agents hold, too.
    static let idleRequests = 2

    /// Fills the free request slots of every peer.
    mutating func requestFromAll(_ context: inout SwarmContext) {
        guard phase == .leeching else { return }
        guard context.policy.asksPromptFirst else {
            for connection in peers.keys { requestMore(from: connection, &context) }
            return
        }
        for turn in promptFirst() { requestMore(from: turn.connection, &context) }
    }

    /// A peer among those that are to be asked.
    private struct Turn: Comparable {
        let owed: Int
        let takes: Duration
        let connection: ConnectionID

        static func < (left: Self, right: Self) -> Bool {
            (left.owed, left.takes, left.connection) < (right.owed, right.takes, right.connection)
        }
    }

    /// All peers: who owes us least first, of these who delivered soonest of late.
    ///
    /// The rarest pieces are with few, and these have a queue; whoever just delivered is often one of them. The others have
    /// commoner pieces and nothing to do.
    private func promptFirst() -> [Turn] {
        var turns: [Turn] = []
        turns.reserveCapacity(peers.count)
        // By position: a closure would copy each peer.
        for slot in 0..<peers.count {
            let (owed, takes) = (peers.values[slot].asked.count, peers.values[slot].takes)
            turns.append(Turn(owed: owed, takes: takes, connection: peers.keys[slot]))
        }
        turns.sort()
        return turns
    }

    /// The piece to ask the peer at `slot` for; nil when its slots are taken, or it has nothing to ask for.
    private mutating func choose(for slot: Int, _ context: SwarmContext) -> PiecePicker.Pick? {
        guard peers.values[slot].hasFreeSlot(context.policy, among: peers.count) else { return nil }
        guard peers.values[slot].isOrigin || !isWary else { return nil }
        let bits = peers.values[slot].bits
        if !peers.values[slot].isOrigin, fullSince(context.policy, at: context.now) != nil {
            return endgamePick(for: slot, context)
        }
        if peers.values[slot].isOrigin,
            let budget = context.policy.originRequestsMax(
                for: layout,
                isShared: picker.isDutyShared
            )
        {
            // Whom we dial may hold the pieces, or fetch them, too: that is known in a moment.
            guard !isDiallingAgents || dialPatienceEnd(context.policy) <= context.now else {
                return endgamePick(for: slot, context)
            }
            if requests.originCount < budget,
                let pick = picker.originPick(from: bits, originTerms(context))
            {
                return pick
            }
            // What agents hold, or are to fetch, comes from agents, unless they keep us waiting.
            guard requests.count < Self.idleRequests,
                agentPatienceEnd(context.policy) <= context.now
            else { return endgamePick(for: slot, context) }
        }
        if let pick = picker.pick(from: bits, using: &generator) { return pick }
        return endgamePick(for: slot, context)
    }

    // MARK: - Enough

    /// When the oldest requests were made that count, if agents are asked for as much as is of use at a time; nil when there is
    /// room. Those that have waited for twice as long as usual do not count: whoever does not answer shall not keep us from
    /// asking others.
    private func fullSince(_ policy: SwarmPolicy, at now: Instant) -> Instant? {
        guard let limit = policy.requestsOfAgentsMax, requests.count >= limit else { return nil }
        let since = now.advanced(by: .zero - usualWait(policy))
        return requests.agentCount(after: since) >= limit ? since : nil
    }

    private func usualWait(_ policy: SwarmPolicy) -> Duration {
        max(policy.originPatience(for: layout), agentsTake * 2)
    }

    /// When a request at an agent no longer counts, so that another may be made; nil when there is room anyway.
    func nextRoom(_ policy: SwarmPolicy, at now: Instant) -> Instant? {
        guard isDiskReady, let since = fullSince(policy, at: now) else { return nil }
        return requests.oldestAgentRequest(after: since)?.advanced(by: usualWait(policy))
    }

    // MARK: - Patience

    /// Readers wait for other pieces.
    mutating func moveReaders(to windows: [Range<Int>], _ context: inout SwarmContext) {
        let before = picker.readerPiece
        picker.setWindows(windows)
        if picker.readerPiece != before { readerSince = context.now }
        requestFromAll(&context)
    }

    /// How long agents are waited for: at least as long as the policy says, and twice as long as origins take, since for who
    /// has to fetch the pieces from them they take as long.
    private func patience(_ policy: SwarmPolicy) -> Duration {
        max(policy.originPatience(for: layout), originsTake * 2)
    }

    private func originTerms(_ context: SwarmContext) -> PiecePicker.OriginTerms {
        PiecePicker.OriginTerms(
            takesOver: requests.originCount == 0
                && originPatienceEnd(context.policy) <= context.now,
            isReaderImpatient: readerPatienceEnd(context.policy) <= context.now
        )
    }

    /// Not longer: an origin sends first what it never sent, and what agents come to have meanwhile is taken back.
    private func originPatienceEnd(_ policy: SwarmPolicy) -> Instant {
        originsGaveAt.advanced(by: policy.originPatience(for: layout))
    }

    private func dialPatienceEnd(_ policy: SwarmPolicy) -> Instant {
        agentsDialledAt.advanced(by: policy.originPatience(for: layout))
    }

    private func agentPatienceEnd(_ policy: SwarmPolicy) -> Instant {
        agentsGaveAt.advanced(by: patience(policy))
    }

    private func readerPatienceEnd(_ policy: SwarmPolicy) -> Instant {
        readerSince.advanced(by: patience(policy))
    }

    /// When an origin may be asked for what agents were waited for; nil when that would change nothing.
    func nextImpatience(_ policy: SwarmPolicy, after now: Instant) -> Instant? {
        guard policy.sparesOrigins, isDiskReady else { return nil }
        var next = Instant.distantFuture
        func consider(_ end: Instant) { if end > now { next = min(next, end) } }
        if requests.originCount == 0, picker.isAnyUnshared { consider(originPatienceEnd(policy)) }
        if isDiallingAgents { consider(dialPatienceEnd(policy)) }
        if requests.count < Self.idleRequests { consider(agentPatienceEnd(policy)) }
        if let piece = picker.readerPiece, picker.availability.wanted.contains(piece) {
            consider(readerPatienceEnd(policy))
        }
        guard next != .distantFuture, peers.values.contains(where: \.isOrigin) else { return nil }
        return next
    }

    // MARK: - Endgame

    /// When few pieces are missing, the one that another peer has owed for longest, unless it is young.
    ///
    /// Mutating, and a loop: otherwise the swarm is copied, on the way of every announced piece.
    private mutating func endgamePick(
        for slot: Int,
        _ context: SwarmContext
    ) -> PiecePicker.Pick? {
        guard isEndgame(context.policy) else { return nil }
        let peer = peers.values[slot]
        for request in requests.live where isDoubtful(request) && canServe(request, peer) {
            let end = request.askedAt.advanced(by: context.policy.endgameDelay)
            guard end <= context.now else { return nil }
            return PiecePicker.Pick(piece: request.piece, reason: .endgame)
        }
        return nil
    }

    func isEndgame(_ policy: SwarmPolicy) -> Bool {
        phase == .leeching && !policy.isEndgameDisabled && held.missingCount <= policy.endgamePieces
    }

    /// Whether a second peer may be asked for the piece of `request`: not when one is already, nor while it is arriving,
    /// since a second payload would be thrown away.
    private func isDoubtful(_ request: PieceRequests.Request) -> Bool {
        receivers[request.piece] == nil && requests.isSole(request)
    }

    private func canServe(_ request: PieceRequests.Request, _ peer: SwarmPeer) -> Bool {
        peer.connection != request.connection && peer.bits.contains(request.piece)
    }

    /// When endgame may ask a second peer; nil when it is not near.
    func nextEndgame(_ policy: SwarmPolicy) -> Instant? {
        guard isEndgame(policy), isDiskReady, peers.count > 1 else { return nil }
        let request = requests.live.first { request in
            isDoubtful(request)
                && peers.values.contains { peer in
                    canServe(request, peer) && peer.hasFreeSlot(policy, among: peers.count)
                }
        }
        return request?.askedAt.advanced(by: policy.endgameDelay)
    }
}
