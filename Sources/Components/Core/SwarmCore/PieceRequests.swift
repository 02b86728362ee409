// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives

/// The requests of one swarm that wait for an answer, oldest first.
///
/// There are as many as all peers' slots at most, some fifty, so one flat list serves every question without allocating.
/// Every request has the same time-out, so the first in the list is the first to expire.
struct PieceRequests: Sendable {
    /// One piece asked of one peer.
    struct Request: Hashable, Sendable {
        let piece: PieceIndex
        let connection: ConnectionID
        let isOfOrigin: Bool
        /// Whether it fell to this host to fetch the piece from the origins.
        let isDuty: Bool
        let askedAt: Instant
    }

    /// The time a peer has to answer.
    var timeout: Duration
    private(set) var live: [Request] = []
    /// How many of them are asked of origins.
    private(set) var originCount = 0

    init(timeout: Duration) { self.timeout = timeout }

    /// The instant at which the oldest request expires; nil when none waits.
    var nextExpiry: Instant? { live.first.map { $0.askedAt.advanced(by: timeout) } }

    /// How many requests made after `instant` wait at agents.
    func agentCount(after instant: Instant) -> Int {
        var count = 0
        for request in live.reversed() {
            guard request.askedAt > instant else { break }
            if !request.isOfOrigin { count += 1 }
        }
        return count
    }

    /// When the oldest request was made that waits at an agent and was made after `instant`; nil when there is none.
    func oldestAgentRequest(after instant: Instant) -> Instant? {
        live.first { !$0.isOfOrigin && $0.askedAt > instant }?.askedAt
    }

    /// Requests that wait for an answer.
    var count: Int { live.count }

    /// Whether nothing waits for an answer.
    var isEmpty: Bool { live.isEmpty }

    mutating func add(
        _ piece: PieceIndex,
        of connection: ConnectionID,
        isOfOrigin: Bool,
        isDuty: Bool,
        at now: Instant
    ) {
        let request = Request(
            piece: piece,
            connection: connection,
            isOfOrigin: isOfOrigin,
            isDuty: isDuty,
            askedAt: now
        )
        live.append(request)
        if isOfOrigin { originCount += 1 }
    }

    /// Whether anybody owes `piece`.
    func contains(_ piece: PieceIndex) -> Bool { live.contains { $0.piece == piece } }

    /// The request for `piece` at `connection`.
    func request(for piece: PieceIndex, at connection: ConnectionID) -> Request? {
        live.first { $0.piece == piece && $0.connection == connection }
    }

    /// The oldest request for `piece` at any other connection.
    func request(for piece: PieceIndex, except connection: ConnectionID) -> Request? {
        live.first { $0.piece == piece && $0.connection != connection }
    }

    /// Whether nobody but its connection owes the piece of `request`.
    func isSole(_ request: Request) -> Bool {
        self.request(for: request.piece, except: request.connection) == nil
    }

    /// Forgets the request for `piece` at `connection`; answers it if there was one.
    @discardableResult mutating func remove(
        _ piece: PieceIndex,
        of connection: ConnectionID
    ) -> Request? {
        let index = live.firstIndex { $0.piece == piece && $0.connection == connection }
        return index.map { remove(at: $0) }
    }

    /// Forgets and answers the oldest request if its time is over.
    mutating func popExpired(at now: Instant) -> Request? {
        guard let expiry = nextExpiry, expiry <= now else { return nil }
        return remove(at: 0)
    }

    private mutating func remove(at index: Int) -> Request {
        let request = live.remove(at: index)
        if request.isOfOrigin { originCount -= 1 }
        return request
    }
}
