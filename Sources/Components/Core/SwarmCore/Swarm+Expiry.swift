// SPDX-License-Identifier: Apache-2.0

import Content
import OrderedCollections
import Primitives

/// Requests that end otherwise than by their piece: given up, taken back, answered by an error.
extension Swarm {
    /// The peer at `slot` no longer owes `piece`.
    mutating func release(_ piece: PieceIndex, of slot: Int) {
        requests.remove(piece, of: peers.values[slot].connection)
        peers.values[slot].asked.removeAll { $0 == piece }
        wantAgain(piece)
    }

    /// Lets `piece` be asked for, unless it is held, under way or being received.
    mutating func wantAgain(_ piece: PieceIndex) {
        guard !held.contains(piece), receivers[piece] == nil, !requests.contains(piece) else {
            return
        }
        picker.want(piece)
    }

    // MARK: - Taking back

    /// `piece` is here: nobody else needs to send it.
    mutating func takeBack(
        _ piece: PieceIndex,
        except connection: ConnectionID,
        _ context: inout SwarmContext
    ) {
        while let request = requests.request(for: piece, except: connection) {
            withdraw(request, .received, &context)
            requestMore(from: request.connection, &context)
        }
        cancelLate(piece, except: connection, &context)
    }

    /// `piece` comes, or will come, from `connection`: those who are late with it need not send it any more.
    ///
    /// Kraken ignores the message, and the late original crosses the network for nothing (p2p §10.3).
    mutating func cancelLate(
        _ piece: PieceIndex,
        except connection: ConnectionID,
        _ context: inout SwarmContext
    ) {
        guard overdue.remove(piece) != nil else { return }
        for slot in 0..<peers.count where peers.values[slot].late[piece]?.isCancelled == false {
            let late = peers.values[slot].connection
            guard late != connection else {
                overdue.insert(piece)
                continue
            }
            peers.values[slot].late[piece]?.isCancelled = true
            emitCancel(piece, to: slot, .late, &context)
        }
    }

    /// What waits at an origin is taken back once it is another agent's to fetch, or an agent has it and the request is not new:
    /// the queue is long then, and what others wait for behind it nobody has.
    mutating func spareOrigins(_ context: inout SwarmContext) {
        guard context.policy.sparesOrigins, requests.originCount > 0 else { return }
        for request in requests.live where request.isOfOrigin {
            guard receivers[request.piece] == nil, isNeedless(request, context) else { continue }
            withdraw(request, .originSpared, &context)
        }
    }

    /// The agent at `slot` came to hold `piece`: if it is waited for at another agent, perhaps this one is asked instead.
    ///
    /// Who gets a piece first would otherwise have to send it to everybody, one after the other, while those who have it from
    /// there have nothing to do. It is, if it delivers no later of late than who was asked; if it does, each of k holders is to
    /// have the same share of those who wait, so the k-th takes over one in k of them.
    mutating func reroute(_ piece: PieceIndex, to slot: Int, _ context: inout SwarmContext) {
        guard context.policy.reroutes, receivers[piece] == nil,
            peers.values[slot].hasFreeSlot(context.policy, among: peers.count),
            let request = requests.request(for: piece, except: peers.values[slot].connection),
            !request.isOfOrigin,
            isPrompter(slot, than: request, context.policy)
                || generator.below(max(1, picker.agentCount(of: piece))) == 0
        else { return }
        withdraw(request, .moved, &context)
        let pick = PiecePicker.Pick(piece: piece, reason: picker.reason(for: piece))
        ask(pick, of: slot, &context)
        requestMore(from: request.connection, &context)
    }

    /// Whether the peer at `slot` delivers no later than the one that `request` waits at.
    private func isPrompter(
        _ slot: Int,
        than request: PieceRequests.Request,
        _ policy: SwarmPolicy
    ) -> Bool {
        guard policy.asksPromptFirst, let other = peers.index(forKey: request.connection) else {
            return false
        }
        return peers.values[slot].takes <= peers.values[other].takes
    }

    private func isNeedless(_ request: PieceRequests.Request, _ context: SwarmContext) -> Bool {
        if picker.agentCount(of: request.piece) > 0 {
            let age = request.askedAt.duration(to: context.now)
            return age >= context.policy.originPatience
        }
        return request.isDuty && !picker.isDue(request.piece)
    }

    /// The peer need no longer answer `request`; what it sends all the same is taken.
    private mutating func withdraw(
        _ request: PieceRequests.Request,
        _ reason: WithdrawReason,
        _ context: inout SwarmContext
    ) {
        guard let slot = peers.index(forKey: request.connection) else {
            requests.remove(request.piece, of: request.connection)
            return
        }
        release(request.piece, of: slot)
        peers.values[slot].addLate(request.piece, isCancelled: true)
        emitCancel(request.piece, to: slot, reason, &context)
    }

    private func emitCancel(
        _ piece: PieceIndex,
        to slot: Int,
        _ reason: WithdrawReason,
        _ context: inout SwarmContext
    ) {
        let connection = peers.values[slot].connection
        let note = SwarmNote.requestWithdrawn(infoHash, peers.values[slot].peerID, piece, reason)
        context.emit(.note(note))
        context.emit(.send(connection, .cancelPiece(Int32(clamping: piece.value))))
    }

    // MARK: - Time-outs

    /// Requests whose time is over: others may be asked, and a peer that never answers is dropped.
    ///
    /// A late request is taken back when somebody else is asked. If nobody else can be, it keeps its place in the peer's
    /// queue: a peer whose queue is longer than the time-out would otherwise never serve us.
    mutating func expireRequests(_ context: inout SwarmContext) {
        var isAnyOver = false
        while let request = requests.popExpired(at: context.now) {
            isAnyOver = true
            guard let slot = peers.index(forKey: request.connection) else { continue }
            // A payload that is arriving is late, not lost.
            let isArriving = peers.values[slot].receiving == request.piece
            peers.values[slot].asked.removeAll { $0 == request.piece }
            peers.values[slot].isSlow = true
            if !isArriving {
                peers.values[slot].addLate(request.piece, isCancelled: false)
                overdue.insert(request.piece)
                peers.values[slot].countSilence(of: request, at: context.now)
            }
            let peerID = peers.values[slot].peerID
            context.emit(.note(.requestExpired(infoHash, peerID, request.piece)))
            wantAgain(request.piece)
        }
        guard isAnyOver else { return }
        for peer in peers.values where peer.silences >= context.policy.expiriesMax {
            drop(peer.connection, .unanswered, &context)
        }
        // Others first: the peer that was late may be asked again only for what is left.
        for isSlow in [false, true] {
            for peer in peers.values where peer.isSlow == isSlow {
                requestMore(from: peer.connection, &context)
            }
        }
        makeUpForLoss(&context)
    }

    /// When the oldest payload that is arriving takes too long; nil when none is.
    ///
    /// A slow payload has twice the time of a request from its head on: asking anew would only slow it further.
    var nextStall: Instant? {
        guard !receivers.isEmpty else { return nil }
        var since = Instant.distantFuture
        // By position: a closure would copy each peer, here and in other places that every event comes by.
        for slot in 0..<peers.count where peers.values[slot].receiving != nil {
            since = min(since, peers.values[slot].receivingSince)
        }
        return since == .distantFuture ? nil : since.advanced(by: requests.timeout * 2)
    }

    /// Drops peers whose payload began and does not end; their silence may be a death nobody noticed.
    mutating func dropStalled(_ context: inout SwarmContext) {
        guard let stall = nextStall, stall <= context.now else { return }
        for peer in peers.values where peer.receiving != nil {
            guard peer.receivingSince.advanced(by: requests.timeout * 2) <= context.now else {
                continue
            }
            drop(peer.connection, .unanswered, &context)
        }
        makeUpForLoss(&context)
    }

    // MARK: - Errors

    /// The peer cannot serve a request: whatever it said, it does not hold the piece now. It is asked again later, since it
    /// may be the only one that ever will (p2p §10.2-5).
    mutating func failed(
        _ index: Int32,
        at connection: ConnectionID,
        _ context: inout SwarmContext
    ) {
        let piece = PieceIndex(Int(index))
        guard let slot = peers.index(forKey: connection) else { return }
        guard peers.values[slot].asked.contains(piece) else {
            // The answer to a request that was given up, at most.
            _ = peers.values[slot].settleLate(piece)
            return
        }
        if peers.values[slot].bits.remove(piece) { count(piece, as: .lost, of: slot) }
        release(piece, of: slot)
        let again = peers.values[slot].fail(piece, context.policy, at: context.now)
        nextSecondChance = min(nextSecondChance ?? .distantFuture, again)
        let peerID = peers.values[slot].peerID
        context.emit(.note(.requestFailed(infoHash, peerID, piece)))
        if peers.values[slot].failures >= context.policy.failuresBanMax {
            drop(connection, .brokenPromises, &context)
        }
        makeUpForLoss(&context)
    }

    /// Takes peers at their first word again.
    mutating func giveSecondChances(_ context: SwarmContext) {
        guard let next = nextSecondChance, next <= context.now else { return }
        for slot in 0..<peers.count {
            guard let until = peers.values[slot].failedUntil, until <= context.now else { continue }
            let failed = peers.values[slot].failed
            (peers.values[slot].failed, peers.values[slot].failedUntil) = ([], nil)
            for piece in failed where peers.values[slot].bits.insert(piece) {
                count(piece, as: .gained, of: slot)
            }
        }
        nextSecondChance = peers.values.lazy.compactMap(\.failedUntil).min()
    }
}

extension SwarmPeer {
    /// `request` timed out; counts as a silence unless an earlier one of the same silence did, or anything came meanwhile.
    mutating func countSilence(of request: PieceRequests.Request, at now: Instant) {
        guard receiving == nil, answeredAt <= request.askedAt, silentAt <= request.askedAt else {
            return
        }
        silences += 1
        silentAt = now
    }

    /// It answered the request for `piece` by an error; answers when it may be asked again.
    mutating func fail(_ piece: PieceIndex, _ policy: SwarmPolicy, at now: Instant) -> Instant {
        failures += 1
        failed.append(piece)
        let pause = policy.failureRetry.doubled(failures - 1, atMost: policy.banDuration)
        let again = now.advanced(by: pause)
        failedUntil = again
        return again
    }
}
