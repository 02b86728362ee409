// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore

/// What becomes of what schedulers want done, and what hosts do by themselves.
extension Simulation {
    mutating func perform(_ effect: SwarmScheduler.Effect, of host: Int) {
        switch effect {
        case .send(let connection, let message): send(message, on: connection, of: host)
        case .note(let note): take(note, of: host)
        case .sendPiece(let connection, _, let piece):
            trace.mix(1, host, connection.value, piece.value)
            sendPiece(Int32(truncatingIfNeeded: piece.value), on: connection, of: host)
        case .cancelSend(let connection, let piece):
            trace.mix(2, host, connection.value, piece.value)
            cancelSend(Int32(truncatingIfNeeded: piece.value), on: connection, of: host)
        case .receivePayload(let connection, _, let piece):
            trace.mix(3, host, connection.value, piece.value)
            ends[Int(end(connection, host))].isKept = true
        case .discardPayload(let connection, let piece, _):
            trace.mix(4, host, connection.value, piece.value)
        case .pieceAvailable(let hash, let piece):
            trace.mix(5, host, hash.words.first, piece.value)
        case .announce(let hash, _, let isComplete):
            trace.mix(6, host, hash.words.first, isComplete ? 1 : 0)
            announce(hash, isComplete: isComplete, by: host)
        case .dial(let connection, let peer, let handshake):
            trace.mix(7, host, connection.value, Int(peer.peerID.words.third))
            dial(connection, peer, handshake, by: host)
        case .lookUp(let connection, _):
            trace.mix(8, host, connection.value, 0)
            lookUp(connection, at: host)
        case .accept(let connection, let handshake):
            trace.mix(9, host, connection.value, handshake.neighbours.count)
            accept(connection, handshake, at: host)
        case .close(let connection, _):
            trace.mix(10, host, connection.value, 0)
            close(end(connection, host))
        case .commit(let hash):
            trace.mix(11, host, hash.words.first, 0)
            guard let blob = blob(of: hash) else { return }
            let at = now + plan.commitTime.nanoseconds
            queue.push(.committed, at: at, host: host, argument: Int32(blob))
        case .forgotten(let hash, let reason):
            trace.mix(12, host, hash.words.first, 0)
            forget(hash, reason, at: host)
        }
    }

    private mutating func send(_ message: PeerMessage, on connection: ConnectionID, of host: Int) {
        let end = end(connection, host)
        // Each size is looked up in place: a copy of the table would count four references up and down.
        let blob = Int(ends[Int(end)].blob)
        switch message {
        case .announcePiece(let piece):
            trace.mix(13, host, connection.value, Int(piece))
            post(.announce, from: end, piece, bytes: Int(blobs[blob].sizes.announce[Int(piece)]))
        case .pieceRequest(let span):
            trace.mix(14, host, connection.value, Int(span.index))
            post(
                .request,
                from: end,
                span.index,
                bytes: Int(blobs[blob].sizes.request[Int(span.index)])
            )
        case .cancelPiece(let piece):
            trace.mix(15, host, connection.value, Int(piece))
            post(.cancel, from: end, piece, bytes: Int(blobs[blob].sizes.cancel[Int(piece)]))
        case .error(let piece, _, _):
            trace.mix(16, host, connection.value, Int(piece))
            post(.error, from: end, piece, bytes: blobs[blob].sizes.error)
        case .complete:
            trace.mix(17, host, connection.value, 0)
            post(.complete, from: end, 0, bytes: blobs[blob].sizes.complete)
        case .bitfield, .piecePayload, .unknown:
            // Schedulers say these by other effects, or not at all.
            auditor.report(.withinLimits, "host \(host) sends what no scheduler sends: \(message)")
        }
    }

    private mutating func take(_ note: SwarmNote, of host: Int) {
        switch note {
        case .requestPiece(_, _, _, let reason, _):
            tally.requests += 1
            if reason == .endgame { tally.endgameRequests += 1 }
        case .duplicatePiece: tally.duplicatePieces += 1
        case .badPiece: tally.badPieces += 1
        case .requestExpired: tally.requestsExpired += 1
        case .connectionRejected: tally.dialsRefused += 1
        default: break
        }
        observer?(Instant(nanoseconds: now), host, note)
    }

    // MARK: - Swarms

    /// Brings a blob's swarm into the memory of a host.
    mutating func open(_ blob: Int, at host: Int, isLocal: Bool) {
        let seat = seat(host, blob)
        if !seats[seat].isOpen {
            seats[seat].isOpen = true
            openSwarms += 1
        }
        let description = SwarmDescription(
            metaInfo: blobs[blob].metaInfo,
            namespace: "sim",
            held: held(host, blob),
            isCommitted: seats[seat].isCommitted,
            isLocalRequest: isLocal
        )
        deliver(.opened(description), to: host)
    }

    private mutating func forget(_ hash: InfoHash, _ reason: ForgetReason, at host: Int) {
        guard let blob = blob(of: hash) else { return }
        let seat = seat(host, blob)
        if seats[seat].isOpen {
            seats[seat].isOpen = false
            openSwarms -= 1
        }
        guard !seats[seat].isCommitted, !hosts[host].isOrigin else { return }
        // The client that waits for the blob tries again.
        tally.timedOutDownloads += 1
        let at = now + Self.clientPatience
        queue.push(.retry, at: at, host: host, argument: Int32(blob))
    }

    private static let clientPatience: Int64 = 1_000_000_000

    mutating func retry(_ blob: Int, at host: Int) {
        let seat = seat(host, blob)
        guard hosts[host].isAlive, !seats[seat].isOpen, !seats[seat].isCommitted else { return }
        open(blob, at: host, isLocal: true)
    }

    mutating func join(_ host: Int) {
        hosts[host].hasJoined = true
        for blob in blobs.indices { seats[seat(host, blob)].joinedAt = now }
        guard hosts[host].isAlive else { return }
        refresh(host)
        for blob in blobs.indices { open(blob, at: host, isLocal: true) }
    }

    mutating func commit(_ blob: Int, at host: Int) {
        let seat = seat(host, blob)
        guard hosts[host].isAlive, seats[seat].isOpen, !seats[seat].isCommitted else { return }
        if Int(seats[seat].heldCount) != blobs[blob].pieceCount {
            auditor.report(
                .verifiedPiecesOnly,
                "host \(host) commits blob \(blob) without all pieces"
            )
            return
        }
        settle(host)
        seats[seat].isCommitted = true
        seats[seat].committedAt = now
        hosts[host].missingBlobs -= 1
        pendingBlobs -= 1
        deliver(.committed(blobs[blob].hash), to: host)
    }

    private mutating func lookUp(_ connection: ConnectionID, at host: Int) {
        let delay = hosts[host].isOrigin ? plan.faults.backendTime.nanoseconds : 0
        queue.push(.lookedUp, at: now + delay, host: host, argument: end(connection, host))
    }

    mutating func lookedUp(_ end: Int32, at host: Int) {
        guard ends[Int(end)].phase == .deciding, hosts[host].isAlive else { return }
        let blob = Int(ends[Int(end)].blob)
        let seat = seats[seat(host, blob)]
        if seat.isCommitted || hosts[host].hasJoined && !hosts[host].isOrigin {
            open(blob, at: host, isLocal: false)
        } else {
            deliver(.swarmUnavailable(ends[Int(end)].connection), to: host)
        }
    }

    // MARK: - The ledger

    /// What the uplink of a host does, or waits for.
    private func activity(of host: SimulatedHost) -> UplinkLedger.Activity {
        guard host.isAlive, host.isOrigin || host.hasJoined else { return .absent }
        if host.sending != none { return .busy }
        if host.usefulCount > 0 { return .awaitingRequests }
        if host.activeCount > 0 { return .awaitingPieces }
        return host.announceCount > 0 ? .awaitingAnnounce : .awaitingConnections
    }

    /// Books the time since the last change, if there is a change.
    mutating func refresh(_ host: Int) {
        let activity = activity(of: hosts[host])
        guard activity != hosts[host].activity else { return }
        settle(host)
        hosts[host].activity = activity
    }

    /// Books the time since the last change.
    mutating func settle(_ host: Int) {
        guard isLedgerOpen else { return }
        let stage: UplinkLedger.Stage =
            hosts[host].isOrigin ? .origin : hosts[host].missingBlobs > 0 ? .leeching : .seeding
        ledger.add(hosts[host].activity, stage, from: hosts[host].activeSince, to: now)
        hosts[host].activeSince = now
    }

    /// The downloads are over: what uplinks do from here on is not lost.
    mutating func closeLedger() {
        for host in hosts.indices { settle(host) }
        closedAt = now
        let expected = now * Int64(hosts.count)
        if ledger.nanosecondsInAll != expected {
            let text = "\(ledger.nanosecondsInAll) ns are booked, \(expected) ns have passed"
            auditor.report(.ledgerAddsUp, text)
        }
    }
}
