// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import NIOCore
import Primitives
import SwarmCore
import Telemetry

/// From the scheduler and the files to the socket.
extension SwarmDriver {
    /// Frames that wait for a peer to take them, from which on we no longer read what it says.
    private static let backlogBytesMax = 256 << 10

    // MARK: - Frames

    /// Queues `message`; it goes out at the end of the turn, together with the others.
    func send(_ message: PeerMessage, to id: ConnectionID) {
        guard let connection = connections[id] else { return }
        PeerMessageCodec.encode(message, into: &connection.outbox)
        markDirty(connection)
        if connection.outbox.count > Self.backlogBytesMax {
            guard connection.outbox.count <= configuration.limits.peerWriteBufferBytesMax else {
                return connectionEnded(id, reason: "takes nothing of what is sent to it")
            }
            connection.isBacklogged = true
            updateReading(connection)
        }
    }

    private func markDirty(_ connection: PeerConnection) {
        guard !connection.isDirty else { return }
        connection.isDirty = true
        dirty.append(connection.id)
    }

    func flush(_ id: ConnectionID) {
        guard let connection = connections[id] else { return }
        connection.isDirty = false
        // Between the slices of a piece no frame may go out.
        if !connection.isSending, writeOutbox(connection) { connection.channel.flush() }
        queueForEgress(connection)
    }

    /// Hands the waiting frames to the channel; answers whether there were any.
    private func writeOutbox(_ connection: PeerConnection) -> Bool {
        guard !connection.outbox.isEmpty else { return false }
        let count = connection.outbox.count
        let buffer = connection.channel.allocator.buffer(bytes: connection.outbox)
        connection.outbox.removeAll(keepingCapacity: count <= 1024)
        let backlog = max(0, bufferedBytes(connection) - connection.sliceBytesUnderWay) + count
        guard backlog <= configuration.limits.peerWriteBufferBytesMax else {
            connectionEnded(connection.id, reason: "takes nothing of what is sent to it")
            return false
        }
        var promise: EventLoopPromise<Void>?
        if connection.isBacklogged || backlog > Self.backlogBytesMax {
            connection.isBacklogged = true
            updateReading(connection)
            promise = eventLoop.makePromise()
            let id = connection.id
            promise?.futureResult.whenSuccess { [self] in
                assumeIsolated { $0.backlogTaken(id) }
            }
        }
        write(.byteBuffer(buffer), to: connection, promise)
        return true
    }

    func bufferedBytes(_ connection: PeerConnection) -> Int {
        do {
            let held = connection.delayLine?.heldBytes ?? 0
            return held
                + (try connection.channel.syncOptions?.getOption(.bufferedWritableBytes) ?? 0)
        } catch {
            // A closed channel has no buffer.
            return 0
        }
    }

    private func backlogTaken(_ id: ConnectionID) {
        guard let connection = connections[id] else { return }
        connection.isBacklogged = false
        updateReading(connection)
    }

    private func write(
        _ data: IOData,
        to connection: PeerConnection,
        _ promise: EventLoopPromise<Void>?
    ) {
        connection.channel.pipeline.syncOperations.write(NIOAny(data), promise: promise)
    }

    // MARK: - Pieces

    func sendPiece(_ id: ConnectionID, _ infoHash: InfoHash, _ piece: PieceIndex) {
        guard let connection = connections[id], let swarm = swarms[infoHash] else {
            return deliver(.sendFailed(id, piece))
        }
        let start = swarm.layout.offset(of: piece)
        let range = start..<start + swarm.layout.bytes(of: piece)
        // Sent from memory it does not hold up the loop; before its turn there may be time to get it there.
        swarm.file.beginReading(range)
        connection.sends.append(PieceSend(piece: piece, file: swarm.file, range: range))
        markDirty(connection)
    }

    /// Drops a piece that has not begun to go out.
    func cancelSend(_ id: ConnectionID, _ piece: PieceIndex) {
        guard let connection = connections[id],
            let index = connection.sends.firstIndex(where: { $0.piece == piece }),
            connection.sends[index].sentBytes == 0
        else { return }
        connection.sends.remove(at: index)
        deliver(.sendFailed(id, piece))
    }

    private func queueForEgress(_ connection: PeerConnection) {
        guard !connection.sends.isEmpty, connection.slicesUnderWay < slicesUnderWayMax else {
            return
        }
        egress.wait(connection.id, hasBegun: connection.isSending)
    }

    /// Sends slices while bandwidth lasts: round robin between connections, but piece by piece, since ten pieces sent side
    /// by side would all be of use only at the end.
    func pumpEgress() {
        while let id = egress.next(at: Self.now) {
            if let connection = connections[id] { sendSlice(connection) }
        }
    }

    private func sendSlice(_ connection: PeerConnection) {
        guard var send = connection.sends.first else { return }
        if send.sentBytes == 0 {
            let head = PieceSpan(
                index: Int32(clamping: send.piece.value),
                length: Int32(clamping: send.range.count)
            )
            if faults.isActive {
                send.isForged = faults.takeCorruption(of: send.piece, to: connection.peer?.peerID)
            }
            PeerMessageCodec.encode(.piecePayload(head), into: &connection.outbox)
            guard writeOutbox(connection) else { return }
        }
        let left = send.range.count - send.sentBytes
        let count = min(BandwidthShape.sliceBytes(for: egress.rate) ?? left, left)
        let start = send.range.lowerBound + send.sentBytes
        send.sentBytes += count
        let isLast = count == left
        let range = start..<start + count
        let forged = send.isForged ? forgedPart(of: send, range, for: connection.channel) : nil
        write(
            forged ?? .fileRegion(send.file.fileRegion(range)),
            to: connection,
            promise(connection.id, send, sliceBytes: count, isLast: isLast)
        )
        connection.slicesUnderWay += 1
        connection.sliceBytesUnderWay += count
        watchPace()
        if isLast { connection.sends.removeFirst() } else { connection.sends[0] = send }
        egress.spend(count, at: Self.now)
        if isLast { _ = writeOutbox(connection) }
        connection.channel.flush()
        queueForEgress(connection)
    }

    /// A promise that tells when the kernel has a slice; until then it keeps the file open.
    private func promise(
        _ id: ConnectionID,
        _ send: PieceSend,
        sliceBytes: Int,
        isLast: Bool
    ) -> EventLoopPromise<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        promise.futureResult.whenComplete { [self] result in
            withExtendedLifetime(send.file) {}
            // A failed write closes the channel, which is reported by itself.
            guard case .success = result else { return }
            assumeIsolated { $0.sliceTaken(id, send, sliceBytes: sliceBytes, isLast: isLast) }
        }
        return promise
    }

    private func sliceTaken(
        _ id: ConnectionID,
        _ send: PieceSend,
        sliceBytes: Int,
        isLast: Bool
    ) {
        guard let connection = connections[id] else { return }
        turn {
            connection.slicesUnderWay -= 1
            connection.sliceBytesUnderWay -= sliceBytes
            connection.payloadSerial += 1
            if isLast, !door.isCalm { door.goodDeed(from: connection.origin) }
            queueForEgress(connection)
            if isLast { deliver(.pieceSent(id, send.piece, bytes: send.range.count)) }
        }
    }
}
