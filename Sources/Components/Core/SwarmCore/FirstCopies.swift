// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives

/// The order in which an origin serves what it is asked for: pieces that it never sent go before those it did.
///
/// While an uplink is the bound, a second copy of a piece delays a first one that nobody has yet; and by the time it would go
/// out, whoever asked for it often has it from another agent and takes the request back. "Super-seeding" in BitTorrent (BEP 16)
/// has the same aim.
struct FirstCopies: Sendable {
    /// A request for a piece that was sent before.
    struct Waiting: Sendable {
        let connection: ConnectionID
        let piece: PieceIndex
        let since: Instant
    }

    /// Further copies under way at a time once nothing else is: enough to keep a fast uplink busy.
    private static let repeatsMax = 4

    /// Pieces of which a copy went out or is on its way.
    private var sent: Bitfield
    /// First copies on their way.
    private var firsts: [PieceIndex: ConnectionID] = [:]
    /// Further copies on their way that had to wait.
    private var repeats: [Waiting] = []
    /// Oldest first; bounded by what peers may ask for.
    private(set) var waiting: [Waiting] = []

    init(pieceCount: Int) { sent = Bitfield(pieceCount: pieceCount) }

    /// Whether `piece`, asked for at `connection`, is to be sent at once; it waits otherwise.
    mutating func admit(_ piece: PieceIndex, to connection: ConnectionID, at now: Instant) -> Bool {
        if sent.insert(piece) {
            firsts[piece] = connection
            return true
        }
        guard !firsts.isEmpty || !waiting.isEmpty else { return true }
        waiting.append(Waiting(connection: connection, piece: piece, since: now))
        return false
    }

    /// The request that is to be served next, which then counts as under way: when no first copy is, or it has waited for
    /// `patience`.
    mutating func next(_ patience: Duration, at now: Instant) -> Waiting? {
        guard let oldest = waiting.first else { return nil }
        let isFree = firsts.isEmpty && repeats.count < Self.repeatsMax
        guard isFree || oldest.since.advanced(by: patience) <= now else { return nil }
        repeats.append(oldest)
        return waiting.removeFirst()
    }

    /// When the oldest request has waited for `patience`; nil when none waits.
    func nextDeadline(_ patience: Duration) -> Instant? {
        waiting.first?.since.advanced(by: patience)
    }

    /// `piece` went out to `connection`, or will not.
    mutating func ended(_ piece: PieceIndex, to connection: ConnectionID, isSent: Bool) {
        repeats.removeAll { $0.piece == piece && $0.connection == connection }
        guard firsts[piece] == connection else { return }
        firsts[piece] = nil
        if !isSent { sent.remove(piece) }
    }

    /// Forgets the request for `piece` at `connection` if it waits; answers whether it did.
    mutating func cancel(_ piece: PieceIndex, at connection: ConnectionID) -> Bool {
        let count = waiting.count
        waiting.removeAll { $0.piece == piece && $0.connection == connection }
        return waiting.count < count
    }

    /// `connection` is gone.
    mutating func remove(_ connection: ConnectionID) {
        waiting.removeAll { $0.connection == connection }
        repeats.removeAll { $0.connection == connection }
        for (piece, _) in firsts.filter({ $0.value == connection }) {
            ended(piece, to: connection, isSent: false)
        }
    }
}
