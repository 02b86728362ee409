// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import Content
import Logging
import NIOCore
import Primitives
import SwarmCore
import Telemetry

/// From the socket to the scheduler and the files.
extension SwarmDriver {
    /// The bytes of one read; answers whether `buffer` is kept until they are checked.
    func read(_ buffer: ByteBuffer, from id: ConnectionID) -> Bool {
        guard let connection = connections[id] else { return false }
        turn {
            do {
                try buffer.withUnsafeReadableBytes { try take($0, of: buffer, from: connection) }
            } catch {
                blame(id)
                connectionEnded(id, reason: "\(error)", isFault: true)
            }
        }
        let isKept = PairedChecks.current.keepBytes()
        // What was decrypted is no buffer of ours.
        return isKept || connection.isEncrypted
    }

    private func take(
        _ bytes: UnsafeRawBufferPointer,
        of buffer: ByteBuffer,
        from connection: PeerConnection
    ) throws {
        var rest = bytes
        var payloadBytes = 0
        // Whatever an item leads to may close the connection; the rest is then of no interest.
        while connections[connection.id] === connection,
            let item = try connection.decoder.next(&rest)
        {
            switch item {
            case .message(let message): try take(message, from: connection)
            case .payload(let bytes):
                payloadBytes += bytes.count
                if connection.arrival?.write(bytes) == true {
                    check(bytes, of: connection, in: buffer)
                }
                finishIfChecked(connection)
            }
        }
        if payloadBytes > 0, ingress.isLimited { charge(payloadBytes, to: connection) }
    }

    private func take(_ message: PeerMessage, from connection: PeerConnection) throws {
        let id = connection.id
        switch (connection.phase, message) {
        case (.awaitingHandshake, .bitfield(let handshake)):
            try checkIdentity(handshake.peerID, on: connection)
            connection.phase = .deciding
            door.introduced(id)
            connection.peer = (handshake.peerID, handshake.infoHash)
            guard !faults.refuses(handshake.peerID) else { return refuse(id, handshake) }
            deliver(.handshakeReceived(id, handshake))
        case (.awaitingAnswer, .bitfield(let handshake)):
            try checkIdentity(handshake.peerID, on: connection)
            connection.phase = .active
            connection.peer = (handshake.peerID, handshake.infoHash)
            deliver(.dialSucceeded(id, handshake))
        case (.active, .piecePayload):
            // The scheduler knows of one arrival at a time.
            finishCheck(connection)
            deliver(.received(id, message))
            // Without an answer from the scheduler the stream can't be cut any further.
            if connections[id] != nil, connection.arrival == nil {
                throw PeerProtocolError("a payload that nothing became of")
            }
        case (.active, _): deliver(.received(id, message))
        case (.deciding, _): throw PeerProtocolError("a message before our handshake")
        case (.awaitingHandshake, _), (.awaitingAnswer, _):
            throw PeerProtocolError("no handshake")
        }
    }

    // MARK: - Payloads

    func receivePayload(_ id: ConnectionID, _ infoHash: InfoHash, _ piece: PieceIndex) {
        guard let connection = connections[id], let swarm = swarms[infoHash],
            let download = swarm.download
        else {
            // The scheduler asks only for pieces of swarms that the driver has open.
            return connectionEnded(id, reason: "the swarm is closed")
        }
        let target = PieceArrival.Target(
            infoHash: infoHash,
            file: download.file,
            offset: swarm.layout.offset(of: piece)
        )
        let bytes = swarm.layout.bytes(of: piece)
        let arrival = PieceArrival(piece, bytes: bytes, into: target, download.check(piece))
        expect(arrival, from: connection)
    }

    func discardPayload(_ id: ConnectionID, _ piece: PieceIndex, bytes: Int) {
        guard let connection = connections[id] else { return }
        expect(PieceArrival(discarding: piece, bytes: bytes), from: connection)
    }

    private func expect(_ arrival: PieceArrival, from connection: PeerConnection) {
        connection.arrival = arrival
        connection.payloadSerial += 1
        watchPace()
        connection.decoder.expectPayload(arrival.remainingBytes)
    }

    /// The last byte of a piece is here and checked.
    func finishArrival(_ connection: PeerConnection) {
        guard let arrival = connection.arrival.take(), let target = arrival.target else { return }
        let (id, piece, infoHash) = (connection.id, arrival.piece, target.infoHash)
        var fault = arrival.fault
        var failure = arrival.failure
        var isProved = arrival.check?.isProof ?? false
        do {
            if fault == .checksum, try isProofDoubtful(arrival, from: id, infoHash) {
                (fault, isProved) = (nil, false)
            }
            if fault == nil {
                try swarms[infoHash]?.download?.markComplete(piece, isProved: isProved)
            }
        } catch {
            (fault, failure) = (.disk, error)
        }
        guard let fault else {
            if !door.isCalm { door.goodDeed(from: connection.origin) }
            return deliver(.pieceStored(infoHash, piece, id))
        }
        if let failure {
            log.error(
                "could not write a piece",
                metadata: [
                    LogKey.infoHash: "\(infoHash)", LogKey.pieceIndex: "\(piece)",
                    LogKey.error: "\(failure)",
                ]
            )
        }
        deliver(.pieceRejected(infoHash, piece, id, fault))
    }

    /// A piece failed its proof: whether that is the proof's fault. Origins have the whole blob and made the proof; when one of
    /// them sends a piece whose CRC-32 is right, the proof must be wrong.
    private func isProofDoubtful(
        _ arrival: PieceArrival,
        from connection: ConnectionID,
        _ infoHash: InfoHash
    ) throws -> Bool {
        guard arrival.check?.isProof == true, let download = swarms[infoHash]?.download,
            scheduler.isOrigin(connection, in: infoHash),
            try download.hasRightSum(arrival.piece)
        else { return false }
        log.warning(
            "the piece proofs of a blob are wrong, checking it as a whole",
            metadata: [LogKey.infoHash: "\(infoHash)", LogKey.pieceIndex: "\(arrival.piece)"]
        )
        return true
    }

    // MARK: - Pausing

    private func charge(_ bytes: Int, to connection: PeerConnection) {
        let now = Self.now
        ingress.spend(bytes, at: now)
        guard !ingress.isOpen(at: now), connections[connection.id] === connection else { return }
        connection.isThrottled = true
        updateReading(connection)
        ingress.wait(connection.id)
    }

    /// Lets those read again who waited for bandwidth, in the order in which they began to wait.
    func pumpIngress() {
        while let id = ingress.next(at: Self.now) {
            guard let connection = connections[id] else { continue }
            connection.isThrottled = false
            updateReading(connection)
        }
    }

    /// Makes the channel read, or not, as the connection's state wants it.
    func updateReading(_ connection: PeerConnection) {
        let shallRead = !connection.isThrottled && !connection.isBacklogged
        guard shallRead != connection.isReading else { return }
        connection.isReading = shallRead
        do {
            try connection.channel.syncOptions?.setOption(.autoRead, value: shallRead)
        } catch {
            // Only a closed channel refuses, and its end is reported by itself.
        }
    }
}
