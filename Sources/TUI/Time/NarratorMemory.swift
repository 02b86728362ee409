// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry

/// What the events told so far leave open: requests without an answer, and what a peer did last to earn a ban.
struct NarratorMemory {
    /// One piece that one peer waits for.
    struct Wait: Hashable {
        let asker: String
        let torrent: InfoHash?
        let piece: Int
    }

    /// A request that nothing has ended yet.
    struct Request {
        let peer: PeerID
        let at: Timestamp
    }

    private struct Pair: Hashable {
        let teller: String
        let peer: PeerID
    }

    private var requests: [Wait: [Request]] = [:]
    /// Requests that were taken back in favour of another holder, with the time for which they had waited.
    private var moved: [Wait: (request: Request, at: Timestamp)] = [:]
    private var faults: [Pair: ClusterEvent] = [:]
    /// More than any swarm has; beyond it everything is forgotten.
    private static let countMax = 50_000

    private static func teller(_ event: ClusterEvent) -> String {
        event.component.isEmpty ? event.localPeer?.hex ?? "" : event.component
    }

    private static func wait(_ event: ClusterEvent) -> Wait? {
        event.piece.map { Wait(asker: teller(event), torrent: event.torrent, piece: $0) }
    }

    /// Who was asked for the piece of `event` by the same peer, and has not answered; the latest first.
    func open(_ event: ClusterEvent) -> [Request] {
        guard let wait = Self.wait(event) else { return [] }
        return (requests[wait] ?? []).filter { $0.peer != event.peer }.reversed()
    }

    /// The request for the piece of `event` that was taken back at that moment, because its peer is asked instead.
    func moved(_ event: ClusterEvent) -> Request? {
        guard let wait = Self.wait(event), let moved = moved[wait] else { return nil }
        let gap = event.timestamp.nanoseconds(since: moved.at)
        return moved.request.peer != event.peer && (0...Self.moveMax).contains(gap)
            ? moved.request : nil
    }

    /// A request follows its withdrawal within this.
    private static let moveMax: Int64 = 50_000_000

    /// When the piece of `event` was asked of its peer.
    func asked(_ event: ClusterEvent) -> Timestamp? {
        guard let wait = Self.wait(event) else { return nil }
        return requests[wait]?.last { $0.peer == event.peer }?.at
    }

    /// What the peer of `event` did before, to the one who tells it, that bans are for; nil when nothing was recorded.
    func fault(before event: ClusterEvent) -> ClusterEvent? {
        event.peer.flatMap { faults[Pair(teller: Self.teller(event), peer: $0)] }
    }

    mutating func note(_ event: ClusterEvent) {
        if requests.count > Self.countMax { requests = [:] }
        if faults.count > Self.countMax { faults = [:] }
        if moved.count > Self.countMax { moved = [:] }
        noteRequest(event)
        noteFault(event)
    }

    private mutating func noteRequest(_ event: ClusterEvent) {
        if event.kind == .dropActiveConnection, let peer = event.peer {
            let teller = Self.teller(event)
            for (wait, open) in requests where wait.asker == teller {
                if wait.torrent == event.torrent, open.contains(where: { $0.peer == peer }) {
                    requests[wait]?.removeAll { $0.peer == peer }
                }
            }
            return
        }
        guard let wait = Self.wait(event), let peer = event.peer else { return }
        switch event.kind {
        case .requestPiece:
            let isSecond = event.reason == nil || event.reason == "endgame"
            if !isSecond { requests[wait] = [] }
            requests[wait, default: []].append(Request(peer: peer, at: event.timestamp))
        case .receivePiece: requests[wait] = nil
        case .requestWithdrawn:
            if event.reason == "moved",
                let request = requests[wait]?.last(where: { $0.peer == peer })
            {
                moved[wait] = (request, event.timestamp)
            }
            requests[wait]?.removeAll { $0.peer == peer }
        case .requestExpired, .hashFailed, .duplicatePiece:
            requests[wait]?.removeAll { $0.peer == peer }
        default: break
        }
    }

    private mutating func noteFault(_ event: ClusterEvent) {
        guard let peer = event.peer else { return }
        let pair = Pair(teller: Self.teller(event), peer: peer)
        switch event.kind {
        case .hashFailed, .connectionRejected: faults[pair] = event
        case .dropActiveConnection:
            // The wrong piece before it says more.
            if faults[pair]?.kind != .hashFailed { faults[pair] = event }
        case .addActiveConnection, .banConnection: faults[pair] = nil
        default: break
        }
    }
}
