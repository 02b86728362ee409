// SPDX-License-Identifier: Apache-2.0

import Content
import DequeModule
import Primitives

/// The requests of one swarm that wait for an answer.
///
/// Every request has the same time-out, so they expire in the order in which they were made.
struct PieceRequests: Sendable {
    /// One piece asked of one peer.
    struct Request: Hashable, Sendable {
        let piece: PieceIndex
        let connection: ConnectionID
        let askedAt: Instant
    }

    /// The time a peer has to answer.
    let timeout: Duration
    private var queue: Deque<Request> = []
    private var byPiece: [PieceIndex: [Request]] = [:]

    init(timeout: Duration) { self.timeout = timeout }

    /// The instant at which the oldest request expires; nil when none waits. May be early, never late.
    var nextExpiry: Instant? { queue.first.map { $0.askedAt.advanced(by: timeout) } }

    /// Whether nothing waits for an answer.
    var isEmpty: Bool { byPiece.isEmpty }

    mutating func add(_ piece: PieceIndex, of connection: ConnectionID, at now: Instant) {
        let request = Request(piece: piece, connection: connection, askedAt: now)
        queue.append(request)
        byPiece[piece, default: []].append(request)
    }

    /// The requests for `piece`, oldest first.
    func requests(for piece: PieceIndex) -> [Request] { byPiece[piece] ?? [] }

    /// The request for `piece` at `connection`.
    func request(for piece: PieceIndex, at connection: ConnectionID) -> Request? {
        byPiece[piece]?.first { $0.connection == connection }
    }

    /// Forgets the request for `piece` at `connection`; answers it if there was one.
    @discardableResult mutating func remove(
        _ piece: PieceIndex,
        of connection: ConnectionID
    ) -> Request? {
        guard var requests = byPiece[piece],
            let index = requests.firstIndex(where: { $0.connection == connection })
        else { return nil }
        let request = requests.remove(at: index)
        byPiece[piece] = requests.isEmpty ? nil : requests
        return request
    }

    /// Forgets and answers the requests whose time is over.
    mutating func expire(at now: Instant) -> [Request] {
        var expired: [Request] = []
        while let first = queue.first {
            let isLive = byPiece[first.piece]?.contains(first) ?? false
            guard isLive else {
                queue.removeFirst()
                continue
            }
            guard first.askedAt.advanced(by: timeout) <= now else { break }
            queue.removeFirst()
            remove(first.piece, of: first.connection)
            expired.append(first)
        }
        return expired
    }
}
