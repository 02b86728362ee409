// SPDX-License-Identifier: Apache-2.0

import Content
import DequeModule
import Primitives
import SwarmCore

/// One blob of the image, as every host knows it.
struct SimulatedBlob: Sendable {
    let metaInfo: MetaInfo
    /// The origins that have it.
    let origins: [Int]
    /// Where its bits begin among those of a host.
    let firstWord: Int
    /// Bytes that messages about a piece have on the wire.
    let sizes: MessageSizes

    var hash: InfoHash { metaInfo.infoHash }
    var layout: PieceLayout { metaInfo.layout }
    var pieceCount: Int { sizes.announce.count }
    var wordCount: Int { (pieceCount + 63) / 64 }
}

/// The bytes of messages, taken from the codec once.
struct MessageSizes: Sendable {
    private(set) var request: [UInt8] = []
    private(set) var announce: [UInt8] = []
    private(set) var cancel: [UInt8] = []
    private(set) var payload: [UInt8] = []
    let error: Int
    let complete: Int
    private let handshake: Int
    private let neighbour: Int

    init(_ metaInfo: MetaInfo) {
        let layout = metaInfo.layout
        var bytes: [UInt8] = []
        func size(_ message: PeerMessage) -> Int {
            bytes.removeAll(keepingCapacity: true)
            PeerMessageCodec.encode(message, into: &bytes)
            return bytes.count
        }
        error = size(.error(index: 0, code: 0, text: "piece not readable"))
        complete = size(.complete)
        var generator = Generator(seed: 1)
        var example = PeerHandshake(
            peerID: PeerID(randomFrom: &generator),
            infoHash: metaInfo.infoHash,
            digest: metaInfo.digest,
            namespace: "sim",
            bitfieldBytes: Bitfield(pieceCount: layout.pieceCount).wireBytes,
            neighbours: []
        )
        handshake = size(.bitfield(example))
        example.neighbours = [PeerID(randomFrom: &generator)]
        neighbour = size(.bitfield(example)) - handshake
        for value in 0..<layout.pieceCount {
            let index = Int32(clamping: value)
            let span = PieceSpan(PieceIndex(value), in: layout)
            request.append(UInt8(clamping: size(.pieceRequest(span))))
            payload.append(UInt8(clamping: size(.piecePayload(span))))
            announce.append(UInt8(clamping: size(.announcePiece(index))))
            cancel.append(UInt8(clamping: size(.cancelPiece(index))))
        }
    }

    /// Of a handshake that names `count` neighbours.
    func handshake(neighbours count: Int) -> Int { handshake + count * neighbour }
}

/// One host: the shipped scheduler and what surrounds it.
struct SimulatedHost: Sendable {
    var scheduler: SwarmScheduler
    let info: PeerInfo
    let isOrigin: Bool
    let zone: Int
    /// Bytes per second, both ways.
    var rate: Int64
    var isAlive = true
    /// Whether it died without a word: who dials it hears nothing.
    var isSilent = false
    /// Until when trackers hand it out although it is down; of an origin.
    var believedUpUntil: Int64 = 0
    /// Counts its lives.
    var incarnation: Int32 = 0
    /// Whether it wants, or has, its blobs: agents begin at different times.
    var hasJoined = false
    var isCorrupt = false
    /// How it harms the rest; nil: it does not.
    var malice: FaultPlan.Malice?
    /// Whether others get right pieces from it.
    var isHonest: Bool { !isCorrupt && malice == nil }
    /// Whether the next piece that arrives from it is wrong.
    var sendsWrongNext = false
    /// What its links carried before they were slowed down.
    var usualRate: Int64?
    /// Cut off from all that are not.
    var isCutOff = false
    /// Whether it comes back after a crash.
    var isReturning = false

    /// When the scheduler will be woken; `.max` when it won't.
    var timerAt = Int64.max
    /// Wakings in a row at one instant.
    var spins = 0
    /// When the last control message to the own zone, and to others, arrives: messages keep their order.
    var lanes: (near: Int64, far: Int64) = (0, 0)
    /// The ends of connections that the scheduler may know.
    var ends: [Int32] = []
    /// Whom it has an active connection to.
    var neighbours: [Neighbour] = []
    /// The ends of dialled connections by their number.
    var dialled: [Int32] = []

    // Uplink and downlink.
    /// Ends whose pieces wait, in turn.
    var egress: Deque<Int32> = []
    /// The transfer that occupies the uplink.
    var sending = none
    /// When the downlink has carried all that is reserved.
    var downlinkFree: Int64 = 0
    /// Payload bytes sent.
    var bytesSent: Int64 = 0

    // What the uplink waits for when it is idle.
    /// Connections over which pieces could be sent that the other lacks.
    var usefulCount = 0
    /// Connections that both sides count as active.
    var activeCount = 0
    /// Announces that are not answered.
    var announceCount = 0
    /// Blobs that are missing here.
    var missingBlobs = 0
    var activity = UplinkLedger.Activity.absent
    var activeSince: Int64 = 0

    /// When the scheduler wants to be woken; nil when it does not. Mutating, since a scheduler that is only read is copied.
    mutating func nextDeadline() -> Int64? { scheduler.nextDeadline?.nanoseconds }
}

/// A host at the other end of an active connection: kept apart from the ends, since each new piece looks at all of them.
struct Neighbour: Sendable {
    let end: Int32
    let host: Int32
    let blob: Int32
}

/// What one host has of one blob: the truth that schedulers are audited against.
struct Seat: Sendable {
    var isOpen = false
    var isCommitted = false
    var heldCount: Int32 = 0
    var joinedAt: Int64 = -1
    var committedAt: Int64 = -1
}

/// One side of a connection; the other one's position differs in the lowest bit. Even positions have dialled.
struct End: Sendable {
    enum Phase: UInt8, Sendable {
        /// The opener waits for an answer.
        case dialling
        /// The acceptor has not heard of it.
        case unreached
        /// The acceptor's scheduler decides.
        case deciding
        case active
        case gone
    }

    let host: Int32
    let blob: Int32
    /// What the host's scheduler calls it.
    let connection: ConnectionID
    var phase: Phase
    /// The handshake on its way, by its position; of an opener.
    var handshake = none
    /// Whether both sides count it as active.
    var isMutual = false
    /// Whether it waits its turn at the uplink.
    var isQueued = false
    /// Pieces to be sent, a chain in the pool of sends.
    var firstSend = none
    var lastSend = none
    /// Pieces that wait to be sent.
    var sendCount: Int32 = 0
    /// The transfer whose head the scheduler has seen.
    var arrival = none
    /// Whether the scheduler wants the bytes of that transfer.
    var isKept = false
    /// When what has arrived here is read to its end: the next head comes after it.
    var readUntil: Int64 = 0
    /// The downlink's time that is reserved for what comes here.
    var reserved: Int64 = 0
    /// Nothing sent from here arrives earlier; for links that hold messages up.
    var blockedUntil: Int64 = 0
}

/// A payload on its way.
struct Transfer: Sendable {
    /// The sender's end.
    let end: Int32
    let piece: Int32
    /// The last byte is at the receiver's downlink then, at the earliest.
    var lastByteAt: Int64
    /// Whether the sender died in the middle of it.
    var isCut = false
    /// Events that refer to it.
    var references: Int8
}

/// An announce on its way, or its answer.
struct Announce: Sendable {
    let host: Int32
    let blob: Int32
    let isComplete: Bool
    /// Which life of the host asked.
    let incarnation: Int32
    /// nil when no tracker could be asked, or none had anybody to hand out.
    var peers: [PeerInfo]?
}

/// Pieces that wait to be sent, chained.
struct SendPool: Sendable {
    struct Send: Sendable {
        let piece: Int32
        var next: Int32
    }

    private var sends = Slab<Send>()

    var count: Int { sends.count }

    mutating func append(_ piece: Int32, to end: inout End) {
        let position = sends.insert(Send(piece: piece, next: none))
        if end.lastSend == none {
            end.firstSend = position
        } else {
            sends[end.lastSend].next = position
        }
        end.lastSend = position
        end.sendCount += 1
    }

    mutating func takeFirst(of end: inout End) -> Int32? {
        guard end.firstSend != none else { return nil }
        let send = sends[end.firstSend]
        sends.remove(end.firstSend)
        end.firstSend = send.next
        if send.next == none { end.lastSend = none }
        end.sendCount -= 1
        return send.piece
    }

    /// Takes `piece` out; answers whether it was there.
    mutating func remove(_ piece: Int32, of end: inout End) -> Bool {
        var isFound = false
        for _ in 0..<end.sendCount {
            guard let first = takeFirst(of: &end) else { break }
            if first == piece, !isFound { isFound = true } else { append(first, to: &end) }
        }
        return isFound
    }
}
