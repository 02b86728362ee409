// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore

/// Connections and what is said on them.
extension Simulation {
    /// The end that the scheduler of `host` calls `connection`.
    func end(_ connection: ConnectionID, _ host: Int) -> Int32 {
        let number = Int(connection.value >> 1)
        // Odd ones are numbered by the scheduler, one after the other; even ones by the position of the link.
        return connection.value & 1 == 1
            ? hosts[host].dialled[number] : Int32(truncatingIfNeeded: number * 2 - 1)
    }

    func latency(_ host: Int, _ other: Int) -> Int64 {
        hosts[host].zone == hosts[other].zone ? nearLatency : farLatency
    }

    /// Whether nothing gets from one host to the other now.
    func isCut(_ host: Int, _ other: Int) -> Bool {
        isTroubled && hosts[host].isCutOff != hosts[other].isCutOff
    }

    // MARK: - Dialling

    mutating func dial(
        _ connection: ConnectionID,
        _ peer: PeerInfo,
        _ handshake: PeerHandshake,
        by host: Int
    ) {
        guard let target = hostOf[peer.peerID], let blob = blob(of: handshake.infoHash) else {
            auditor.report(.withinLimits, "host \(host) dials nobody")
            return
        }
        tally.dials += 1
        let opener = Int32(ends.count)
        let number = UInt64(ends.count / 2 + 1) * 2
        var end = End(
            host: Int32(host),
            blob: Int32(blob),
            connection: connection,
            phase: .dialling
        )
        end.handshake = handshakes.insert(claim(handshake, of: host))
        ends.append(end)
        ends.append(
            End(
                host: target,
                blob: Int32(blob),
                connection: ConnectionID(number),
                phase: .unreached
            )
        )
        useful.append(0)
        useful.append(0)
        hosts[host].dialled.append(opener)
        hosts[host].ends.append(opener)
        countControl(blobs[blob].sizes.handshake(neighbours: handshake.neighbours.count))
        // A round trip to connect, then the handshake.
        let latency = latency(host, Int(target))
        queue.push(.dialled, at: now + 3 * latency, host: Int(target), argument: opener)
        if plan.faults.isSilencing {
            let at = now + plan.policy.handshakeTimeout.nanoseconds
            queue.push(.dialTimeout, at: at, host: host, argument: opener)
        }
    }

    mutating func dialArrived(_ opener: Int32) {
        let position = ends[Int(opener)].handshake
        let handshake = handshakes[position]
        handshakes.remove(position)
        ends[Int(opener)].handshake = none
        let acceptor = Int(opener ^ 1)
        let (host, target) = (Int(ends[Int(opener)].host), Int(ends[acceptor].host))
        guard ends[Int(opener)].phase == .dialling, ends[acceptor].phase == .unreached else {
            return
        }
        if isCut(host, target) || !hosts[target].isAlive && hosts[target].isSilent { return }
        guard hosts[target].isAlive else { return failDial(opener, .unreachable) }
        ends[acceptor].phase = .deciding
        hosts[target].ends.append(opener ^ 1)
        deliver(.handshakeReceived(ends[acceptor].connection, handshake), to: target)
    }

    mutating func dialTimedOut(_ opener: Int32) {
        guard ends[Int(opener)].phase == .dialling else { return }
        let host = Int(ends[Int(opener)].host)
        let connection = ends[Int(opener)].connection
        close(opener)
        flush(host)
        tally.dialsFailed += 1
        deliver(.dialFailed(connection, .unreachable), to: host)
    }

    private mutating func failDial(_ opener: Int32, _ fault: DialFault) {
        let end = ends[Int(opener)]
        forget(opener)
        ends[Int(opener ^ 1)].phase = .gone
        tally.dialsFailed += 1
        deliver(.dialFailed(end.connection, fault), to: Int(end.host))
    }

    mutating func accept(_ connection: ConnectionID, _ handshake: PeerHandshake, at host: Int) {
        let end = end(connection, host)
        guard ends[Int(end)].phase == .deciding else { return }
        ends[Int(end)].phase = .active
        let sizes = blobs[Int(ends[Int(end)].blob)].sizes
        let bytes = sizes.handshake(neighbours: handshake.neighbours.count)
        guard ends[Int(end ^ 1)].phase == .dialling else { return countControl(bytes) }
        post(.answer, from: end, handshakes.insert(claim(handshake, of: host)), bytes: bytes)
    }

    /// What `host` says of itself: a liar has all but one piece. With all of them those who are done would have no use for it.
    private func claim(_ handshake: PeerHandshake, of host: Int) -> PeerHandshake {
        guard hosts[host].malice == .liar, let blob = blob(of: handshake.infoHash) else {
            return handshake
        }
        var claimed = Bitfield.full(pieceCount: blobs[blob].pieceCount)
        claimed.remove(PieceIndex(blobs[blob].pieceCount - 1))
        var handshake = handshake
        handshake.bitfieldBytes = claimed.wireBytes
        return handshake
    }

    private mutating func answered(_ opener: Int32, _ position: Int32) {
        let handshake = handshakes[position]
        handshakes.remove(position)
        guard ends[Int(opener)].phase == .dialling else { return }
        ends[Int(opener)].phase = .active
        if ends[Int(opener ^ 1)].phase == .active { join(opener) }
        let end = ends[Int(opener)]
        deliver(.dialSucceeded(end.connection, handshake), to: Int(end.host))
    }

    // MARK: - Closing

    /// A host closes its end; the other one hears of it.
    mutating func close(_ end: Int32) {
        guard ends[Int(end)].phase != .gone else { return }
        forget(end)
        let other = Int(end ^ 1)
        if ends[other].phase == .unreached {
            ends[other].phase = .gone
        } else {
            post(.close, from: end, 0, bytes: 0)
        }
    }

    /// An end is no more.
    mutating func forget(_ end: Int32) {
        separate(end)
        let index = Int(end)
        ends[index].phase = .gone
        ends[index].arrival = none
        while sends.takeFirst(of: &ends[index]) != nil {}
        let host = Int(ends[index].host)
        // What was under way on it does not come any more.
        if ends[index].reserved > 0 {
            hosts[host].downlinkFree = max(now, hosts[host].downlinkFree - ends[index].reserved)
            ends[index].reserved = 0
        }
        if let position = hosts[host].ends.firstIndex(of: end) {
            hosts[host].ends.swapAt(position, hosts[host].ends.count - 1)
            hosts[host].ends.removeLast()
        }
    }

    private mutating func closed(_ end: Int32) {
        let phase = ends[Int(end)].phase
        let (host, connection) = (Int(ends[Int(end)].host), ends[Int(end)].connection)
        switch phase {
        case .gone: return
        case .unreached: ends[Int(end)].phase = .gone
        case .dialling:
            forget(end)
            tally.dialsFailed += 1
            deliver(.dialFailed(connection, .refused), to: host)
        case .deciding, .active:
            forget(end)
            deliver(.closed(connection, reason: "closed by the peer"), to: host)
        }
    }

    // MARK: - Who has what the other lacks

    /// Both ends are active now.
    private mutating func join(_ opener: Int32) {
        for end in [opener, opener ^ 1] {
            let (mine, other) = (ends[Int(end)], ends[Int(end ^ 1)])
            let blob = Int(mine.blob)
            let theirs = words(Int(other.host), blob).lowerBound
            var useful = 0
            for (index, position) in words(Int(mine.host), blob).enumerated() {
                useful += (bits[position] & ~bits[theirs + index]).nonzeroBitCount
            }
            ends[Int(end)].isMutual = true
            self.useful[Int(end)] = Int32(useful)
            hosts[Int(mine.host)].neighbours.append(
                Neighbour(end: end, host: other.host, blob: mine.blob)
            )
            hosts[Int(mine.host)].activeCount += 1
            if useful > 0 { hosts[Int(mine.host)].usefulCount += 1 }
            refresh(Int(mine.host))
        }
    }

    private mutating func separate(_ end: Int32) {
        guard ends[Int(end)].isMutual else { return }
        for end in [end, end ^ 1] {
            let host = Int(ends[Int(end)].host)
            hosts[host].activeCount -= 1
            if useful[Int(end)] > 0 { hosts[host].usefulCount -= 1 }
            (ends[Int(end)].isMutual, useful[Int(end)]) = (false, 0)
            if let position = hosts[host].neighbours.firstIndex(where: { $0.end == end }) {
                hosts[host].neighbours.swapAt(position, hosts[host].neighbours.count - 1)
                hosts[host].neighbours.removeLast()
            }
            refresh(host)
        }
    }

    /// `host` has a piece more: it may be of use to its peers, and theirs no longer to it.
    mutating func gained(_ piece: Int, of blob: Int, at host: Int) {
        for neighbour in hosts[host].neighbours where neighbour.blob == blob {
            let (end, other) = (Int(neighbour.end), Int(neighbour.host))
            if hasBit(other, blob, piece) {
                useful[end ^ 1] -= 1
                if useful[end ^ 1] == 0 {
                    hosts[other].usefulCount -= 1
                    refresh(other)
                }
            } else {
                useful[end] += 1
                if useful[end] == 1 { hosts[host].usefulCount += 1 }
            }
        }
        refresh(host)
    }

    // MARK: - Messages

    private mutating func countControl(_ bytes: Int) {
        tally.controlMessages += 1
        tally.controlBytes += bytes
    }

    /// Sends a message from `end`; it goes out with the others of this moment.
    mutating func post(
        _ kind: MessagePool.Kind,
        from end: Int32,
        _ argument: Int32,
        bytes: Int
    ) {
        if kind != .close { countControl(bytes) }
        let target = end ^ 1
        guard ends[Int(target)].phase != .gone else { return }
        let (host, other) = (Int(ends[Int(end)].host), Int(ends[Int(target)].host))
        var at = departure(host, isNear: hosts[host].zone == hosts[other].zone)
        if isTroubled { at = held(at, end, isCut(host, other)) }
        let position = messages.make(kind, to: target, argument)
        for index in outbox.indices where outbox[index].at == at {
            messages.chain(outbox[index].last, position)
            outbox[index].last = position
            return
        }
        outbox.append((at, position, position))
    }

    /// When what `host` says now arrives: all its words of one moment take the same time, and none overtakes another.
    private mutating func departure(_ host: Int, isNear: Bool) -> Int64 {
        let known = isNear ? laneNow.near : laneNow.far
        if known >= 0 { return known }
        let base = isNear ? nearLatency : farLatency
        let at = now + base + (jitter > 0 ? Int64(network.below(jitter)) : 0)
        if isNear {
            laneNow.near = max(at, hosts[host].lanes.near)
            hosts[host].lanes.near = laneNow.near
            return laneNow.near
        }
        laneNow.far = max(at, hosts[host].lanes.far)
        hosts[host].lanes.far = laneNow.far
        return laneNow.far
    }

    /// When a message arrives on a link that may hold it up: behind those before it, and after it was sent again.
    mutating func held(_ at: Int64, _ end: Int32, _ isCut: Bool) -> Int64 {
        var arrival = max(at, ends[Int(end)].blockedUntil)
        if isCut { arrival = max(arrival, healsAt + Self.retransmission) }
        if plan.faults.loss.numerator > 0, luck.chance(plan.faults.loss) {
            arrival += Self.retransmission
        }
        ends[Int(end)].blockedUntil = arrival
        return arrival
    }

    /// The time after which TCP sends again what was lost.
    static let retransmission: Int64 = 200_000_000

    /// Sends off what a host has said in this moment.
    mutating func flush(_ host: Int) {
        for batch in outbox {
            queue.push(.messages, at: batch.at, host: host, argument: batch.first)
        }
        outbox.removeAll(keepingCapacity: true)
        laneNow = (-1, -1)
    }

    mutating func arrive(chain first: Int32) {
        var position = first
        while position != none {
            let message = messages.take(position)
            position = message.next
            arrive(message)
        }
    }

    private mutating func arrive(_ message: MessagePool.Message) {
        let end = Int(message.end)
        switch message.kind {
        case .answer: return answered(message.end, message.argument)
        case .close: return closed(message.end)
        default: break
        }
        guard ends[end].phase == .active else { return }
        let piece = message.argument
        let content: PeerMessage
        switch message.kind {
        case .request where hosts[Int(ends[end].host)].malice == .silent: return
        case .request where hosts[Int(ends[end].host)].malice == .liar:
            let size = blobs[Int(ends[end].blob)].sizes.error
            post(.error, from: message.end, piece, bytes: size)
            return flush(Int(ends[end].host))
        case .request:
            let layout = blobs[Int(ends[end].blob)].layout
            content = .pieceRequest(PieceSpan(PieceIndex(Int(piece)), in: layout))
        case .announce: content = .announcePiece(piece)
        case .cancel: content = .cancelPiece(piece)
        case .error:
            content = .error(index: piece, code: PeerMessage.pieceRequestFailed, text: "")
        case .complete, .answer, .close: content = .complete
        }
        deliver(.received(ends[end].connection, content), to: Int(ends[end].host))
    }
}
