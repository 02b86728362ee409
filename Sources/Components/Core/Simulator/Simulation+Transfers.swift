// SPDX-License-Identifier: Apache-2.0

import Content
import DequeModule
import Primitives
import SwarmCore

/// Payloads: an uplink sends one piece at a time, a downlink carries what arrives, first come, first served.
extension Simulation {
    /// The time `bytes` take at `rate` bytes per second, in nanoseconds.
    static func duration(_ bytes: Int, _ rate: Int64) -> Int64 {
        (Int64(bytes) * 1_000_000_000 + rate - 1) / rate
    }

    // MARK: - Sending

    mutating func sendPiece(_ piece: Int32, on connection: ConnectionID, of host: Int) {
        let end = end(connection, host)
        guard ends[Int(end)].phase == .active else { return }
        sends.append(piece, to: &ends[Int(end)])
        if Int(ends[Int(end)].sendCount) > plan.limits.requestsFromPeerMax {
            auditor.report(.withinLimits, "host \(host) owes one peer too many pieces")
        }
        enqueue(end, host)
        pump(host)
    }

    mutating func cancelSend(_ piece: Int32, on connection: ConnectionID, of host: Int) {
        let end = end(connection, host)
        guard sends.remove(piece, of: &ends[Int(end)]) else { return }
        queue.push(.sendDropped, at: now, host: Int(piece), argument: end)
    }

    mutating func sendDropped(piece: Int32, of end: Int32) {
        guard ends[Int(end)].phase == .active else { return }
        let event = SwarmScheduler.Event.sendFailed(
            ends[Int(end)].connection,
            PieceIndex(Int(piece))
        )
        deliver(event, to: Int(ends[Int(end)].host))
    }

    private mutating func enqueue(_ end: Int32, _ host: Int) {
        guard !ends[Int(end)].isQueued else { return }
        ends[Int(end)].isQueued = true
        hosts[host].egress.append(end)
    }

    /// Starts the next piece when the uplink is free: each connection in turn, a whole piece each.
    private mutating func pump(_ host: Int) {
        while hosts[host].sending == none, let end = hosts[host].egress.popFirst() {
            ends[Int(end)].isQueued = false
            guard let piece = sends.takeFirst(of: &ends[Int(end)]) else { continue }
            start(piece, on: end, host)
            if ends[Int(end)].sendCount > 0 { enqueue(end, host) }
        }
        refresh(host)
    }

    private mutating func start(_ piece: Int32, on end: Int32, _ host: Int) {
        let other = Int(ends[Int(end ^ 1)].host)
        let blob = blobs[Int(ends[Int(end)].blob)]
        let bytes = blob.layout.bytes(of: PieceIndex(Int(piece)))
        tally.controlMessages += 1
        tally.controlBytes += Int(blob.sizes.payload[Int(piece)])
        if !hasBit(host, Int(ends[Int(end)].blob), Int(piece)) {
            auditor.report(.verifiedPiecesOnly, "host \(host) sends piece \(piece), which it lacks")
        }
        let isTrickle = hosts[host].malice == .trickle
        let sentAt = now + Self.duration(bytes, isTrickle ? 1 : hosts[host].rate)
        let latency = latency(host, other)
        // A nanosecond late, so that a head always comes after the last byte of the piece before it.
        var headAt = now + latency + 1
        var lastByteAt = sentAt + latency
        if hosts[host].zone != hosts[other].zone, let trunk = plan.zoneBandwidth {
            let zone = hosts[host].zone
            let free = max(trunkFree[zone], now)
            trunkFree[zone] = free + Self.duration(bytes, Int64(trunk.bytesPerSecond))
            headAt = max(headAt, free + latency + 1)
            lastByteAt = max(lastByteAt, trunkFree[zone] + latency)
        }
        if isTroubled {
            headAt = max(headAt, ends[Int(end)].blockedUntil + 1)
            if isCut(host, other) { headAt = max(headAt, healsAt + Self.retransmission) }
            lastByteAt = held(max(lastByteAt, headAt), end, false)
        }
        let transfer = transfers.insert(
            Transfer(end: end, piece: piece, lastByteAt: lastByteAt, references: 2)
        )
        hosts[host].sending = transfer
        queue.push(.head, at: headAt, host: other, argument: transfer)
        queue.push(.sent, at: sentAt, host: host, argument: transfer)
    }

    mutating func payloadSent(_ transfer: Int32, by host: Int) {
        let (end, piece) = (transfers[transfer].end, transfers[transfer].piece)
        release(transfer)
        // A host that died meanwhile sends nothing, or already something else.
        guard hosts[host].sending == transfer else { return }
        hosts[host].sending = none
        let index = PieceIndex(Int(piece))
        let bytes = blobs[Int(ends[Int(end)].blob)].layout.bytes(of: index)
        hosts[host].bytesSent += Int64(bytes)
        if ends[Int(end)].phase == .active {
            deliver(.pieceSent(ends[Int(end)].connection, index, bytes: bytes), to: host)
        }
        pump(host)
    }

    private mutating func release(_ transfer: Int32) {
        transfers[transfer].references -= 1
        if transfers[transfer].references == 0 { transfers.remove(transfer) }
    }

    // MARK: - Receiving

    /// The first bytes are here: the downlink is reserved for the piece, after what was there before.
    mutating func headArrived(_ transfer: Int32) {
        let end = transfers[transfer].end ^ 1
        guard ends[Int(end)].phase == .active, !transfers[transfer].isCut else {
            return release(transfer)
        }
        let host = Int(ends[Int(end)].host)
        let layout = blobs[Int(ends[Int(end)].blob)].layout
        let bytes = layout.bytes(of: PieceIndex(Int(transfers[transfer].piece)))
        // The head came a nanosecond late.
        let free = max(hosts[host].downlinkFree, now - 1)
        let duration = Self.duration(bytes, hosts[host].rate)
        hosts[host].downlinkFree = free + duration
        ends[Int(end)].reserved += duration
        let wholeAt = max(transfers[transfer].lastByteAt, hosts[host].downlinkFree, now)
        // Connections share the downlink, so a head is read at once, unless the piece before it is still being read.
        let readAt = ends[Int(end)].readUntil
        ends[Int(end)].readUntil = wholeAt
        if readAt > now {
            transfers[transfer].references += 1
            queue.push(.queuedHead, at: readAt, host: host, argument: transfer)
        }
        queue.push(.arrived, at: wholeAt, host: host, argument: transfer)
        if hosts[Int(ends[Int(end ^ 1)].host)].malice == .trickle {
            let at = now + 2 * plan.policy.paceWindow.nanoseconds
            transfers[transfer].references += 1
            queue.push(.trickled, at: at, host: host, argument: transfer)
        }
        if readAt <= now { readHead(transfer) }
    }

    /// The piece before it is read.
    mutating func headRead(_ transfer: Int32) {
        readHead(transfer)
        release(transfer)
    }

    private mutating func readHead(_ transfer: Int32) {
        let end = Int(transfers[transfer].end ^ 1)
        guard ends[end].phase == .active, !transfers[transfer].isCut else { return }
        let piece = PieceIndex(Int(transfers[transfer].piece))
        let layout = blobs[Int(ends[end].blob)].layout
        (ends[end].arrival, ends[end].isKept) = (transfer, false)
        let message = PeerMessage.piecePayload(PieceSpan(piece, in: layout))
        deliver(.received(ends[end].connection, message), to: Int(ends[end].host))
    }

    /// A driver ends a connection whose payload hardly advances from one look to the next.
    mutating func trickled(_ transfer: Int32) {
        let end = transfers[transfer].end ^ 1
        let isUnderWay = ends[Int(end)].phase == .active && ends[Int(end)].arrival == transfer
        release(transfer)
        guard isUnderWay else { return }
        let (host, connection) = (Int(ends[Int(end)].host), ends[Int(end)].connection)
        close(end)
        flush(host)
        deliver(.misbehaved(connection, reason: "its payload hardly advances"), to: host)
    }

    mutating func payloadArrived(_ transfer: Int32) {
        let end = transfers[transfer].end ^ 1
        let index = Int(end)
        guard ends[index].phase == .active, ends[index].arrival == transfer else {
            return release(transfer)
        }
        let (host, sender) = (Int(ends[index].host), Int(ends[Int(end ^ 1)].host))
        if isCut(host, sender) {
            // Its last bytes come when the network is whole again.
            let at = max(now, healsAt) + Self.retransmission
            return queue.push(.arrived, at: at, host: host, argument: transfer)
        }
        let (piece, isCut) = (Int(transfers[transfer].piece), transfers[transfer].isCut)
        release(transfer)
        let layout = blobs[Int(ends[index].blob)].layout
        let bytes = layout.bytes(of: PieceIndex(piece))
        ends[index].reserved -= Self.duration(bytes, hosts[host].rate)
        // A host without power sends no more bytes; its peers must find out by themselves.
        guard !isCut else { return }
        ends[index].arrival = none
        if ends[index].isKept { store(piece, from: sender, on: end, at: host) }
    }

    /// A payload is in the file of `host`, for better or worse.
    private mutating func store(_ piece: Int, from sender: Int, on end: Int32, at host: Int) {
        let (blob, connection) = (Int(ends[Int(end)].blob), ends[Int(end)].connection)
        let (hash, index) = (blobs[blob].hash, PieceIndex(piece))
        if hosts[sender].isCorrupt || hosts[sender].sendsWrongNext {
            hosts[sender].sendsWrongNext = false
            return deliver(.pieceRejected(hash, index, connection, .checksum), to: host)
        }
        if plan.faults.disk.numerator > 0, luck.chance(plan.faults.disk) {
            return deliver(.pieceRejected(hash, index, connection, .disk), to: host)
        }
        if hasBit(host, blob, piece) {
            auditor.report(
                .verifiedPiecesOnly,
                "host \(host) writes over the checked piece \(piece)"
            )
        } else {
            setBit(host, blob, piece)
            seats[seat(host, blob)].heldCount += 1
        }
        tally.payloads += 1
        tally.payloadBytes += Int64(blobs[blob].layout.bytes(of: index))
        gained(piece, of: blob, at: host)
        deliver(.pieceStored(hash, index, connection), to: host)
    }
}
