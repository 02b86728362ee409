// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import Content
import Files
import NIOCore
import Primitives
import SwarmCore

/// One open connection as its driver sees it. Belongs to the driver: used on its loop only.
final class PeerConnection {
    /// How far the connection has come.
    enum Phase {
        /// Incoming: the peer has not said who it is.
        case awaitingHandshake
        /// Incoming: the scheduler, or the host, decides.
        case deciding
        /// Outgoing: the peer has not answered.
        case awaitingAnswer
        /// Messages flow both ways.
        case active
    }

    let id: ConnectionID
    let channel: any Channel
    /// The other end, for people to look at.
    let address: String?
    /// Where it came from; nil: we dialled, or it has no IP address.
    let origin: Doorkeeper.Address?
    /// The peer and swarm that the handshake named; nil before it.
    var peer: (peerID: PeerID, infoHash: InfoHash)?
    var phase: Phase
    var decoder: FrameDecoder

    // Receiving.

    /// The payload that is arriving.
    var arrival: PieceArrival?
    /// Whether written bytes of it wait to be checked beside others: see ``PairedChecks``.
    var isBeingChecked = false
    /// Whether reading waits for bandwidth.
    var isThrottled = false
    /// Whether it is encrypted; known once the peer has introduced itself.
    var isEncrypted = false
    /// Whether reading waits until the peer has taken what we said.
    var isBacklogged = false
    /// Whether the channel reads.
    var isReading = true

    // Sending.

    /// Frames that are not yet handed to the channel.
    var outbox: [UInt8] = []
    /// Whether the driver will flush at the end of its turn.
    var isDirty = false
    /// Pieces that the peer asked for, in that order.
    var sends: [PieceSend] = []
    /// Whether the first of ``sends`` has begun: until it ends, no frame may go out.
    var isSending: Bool { sends.first.map { $0.sentBytes > 0 } ?? false }
    /// Slices handed to the channel and not yet taken by the kernel.
    var slicesUnderWay = 0
    /// Their bytes.
    var sliceBytesUnderWay = 0
    /// What holds up all that is sent, while a fault makes the link slow, and after that until it is empty.
    var delayLine: DelayLine?

    // Pace.

    /// Payloads that have begun to arrive, and slices that the kernel has taken: tells one from the next.
    var payloadSerial = 0
    /// What was under way when the pace was last looked at.
    var paceMark: PaceMark?

    init(
        id: ConnectionID,
        channel: any Channel,
        address: String?,
        phase: Phase,
        origin: Doorkeeper.Address?,
        frameBytesMax: Int
    ) {
        (self.id, self.channel, self.address, self.phase) = (id, channel, address, phase)
        self.origin = origin
        decoder = FrameDecoder(frameBytesMax: frameBytesMax)
    }
}

/// A piece on its way to a peer. Keeps its file open.
struct PieceSend {
    let piece: PieceIndex
    let file: SharedFile
    /// Where the piece lies in the file.
    let range: Range<Int>
    /// Bytes handed to the channel.
    var sentBytes = 0
    /// Whether it is sent with a wrong byte, because of a fault.
    var isForged = false
}

/// A piece on its way from a peer: checked and written as it arrives, never gathered.
struct PieceArrival {
    /// Where the bytes go.
    struct Target {
        let infoHash: InfoHash
        let file: SharedFile
        var offset: Int
    }

    let piece: PieceIndex
    /// Nil: the bytes are thrown away.
    private(set) var target: Target?
    /// Of the bytes that were written, perhaps without the last of them: see ``PeerConnection/isBeingChecked``. Nil: nothing to
    /// check.
    var check: PieceCheck?
    /// Why the bytes can't be written; the rest of them is thrown away.
    private(set) var failure: (any Error)?
    private(set) var remainingBytes: Int

    /// Bytes to be thrown away.
    init(discarding piece: PieceIndex, bytes: Int) { (self.piece, remainingBytes) = (piece, bytes) }

    init(_ piece: PieceIndex, bytes: Int, into target: Target, _ check: PieceCheck) {
        (self.piece, remainingBytes, self.target, self.check) = (piece, bytes, target, check)
    }

    /// What is wrong with the piece now that it has arrived and was checked; nil: nothing.
    var fault: PieceFault? {
        if failure != nil { return .disk }
        return check.map(\.isRight) ?? true ? nil : .checksum
    }

    /// Writes the next bytes; answers whether they are to be checked.
    mutating func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
        remainingBytes -= bytes.count
        guard let offset = target?.offset, failure == nil else { return false }
        do {
            try target?.file.write(bytes, at: offset)
            target?.offset = offset + bytes.count
            return true
        } catch {
            failure = error
            return false
        }
    }
}
