// SPDX-License-Identifier: Apache-2.0

import Content
import OrderedCollections
import Primitives

/// The peers that one swarm does not dial, or does not let in, for a while, each with its failures so far.
///
/// An id is proved by dialling: the tracker named its address. Whoever connects may use any id, so what it does counts
/// against that id at the door only, or a liar could keep us from an honest peer by using its name.
struct BanList: Sendable {
    /// One peer's state.
    struct Entry: Hashable, Sendable {
        /// Not dialled before this instant.
        var undialledUntil = Instant.origin
        /// Not let in before this instant.
        var shutOutUntil = Instant.origin
        /// Failures in a row; a delivered piece forgets them.
        var strikes = 0
        /// Refusals and closings in a row; a delivered piece forgets them.
        var refusals = 0
        /// Wrong pieces, never forgotten while the swarm lives.
        var offences = 0

        /// What was held against it last.
        var reason = BanReason.lost

        /// When nothing is held against it any more, for now.
        var until: Instant { max(undialledUntil, shutOutUntil) }
    }

    /// How long bans are.
    struct Terms: Sendable {
        /// The first ban; doubles with each further one.
        var first: Duration
        /// The longest ban.
        var longest: Duration
    }

    private var entries: OrderedDictionary<PeerID, Entry> = [:]
    private let countMax: Int

    init(countMax: Int) { self.countMax = countMax }

    /// Remembered peers.
    var count: Int { entries.count }

    /// Whether `peer` must not be dialled at `now`.
    func isBanned(_ peer: PeerID, at now: Instant) -> Bool {
        (entries[peer]?.undialledUntil ?? .origin) > now
    }

    /// Whether `peer` must not be let in at `now`.
    func isShutOut(_ peer: PeerID, at now: Instant) -> Bool {
        (entries[peer]?.shutOutUntil ?? .origin) > now
    }

    /// `peer`, which was dialled, failed; answers for how long it is not dialled again.
    mutating func strike(
        _ peer: PeerID,
        _ reason: BanReason,
        _ terms: Terms,
        at now: Instant
    ) -> Duration {
        var entry = entries[peer] ?? Entry()
        entry.strikes += 1
        entry.reason = reason
        let duration = terms.first.doubled(entry.strikes - 1, atMost: terms.longest)
        entry.undialledUntil = max(entry.undialledUntil, now.advanced(by: duration))
        set(peer, entry)
        return duration
    }

    /// `peer` sent wrong bytes; answers for how long it is shut out, and not dialled either if its id `isProved`.
    mutating func condemn(
        _ peer: PeerID,
        isProved: Bool,
        _ terms: Terms,
        at now: Instant
    ) -> Duration {
        var entry = entries[peer] ?? Entry()
        entry.offences += 1
        entry.reason = .closed(.badPiece)
        let duration = terms.first.doubled(entry.offences - 1, atMost: terms.longest)
        let end = now.advanced(by: duration)
        entry.shutOutUntil = max(entry.shutOutUntil, end)
        if isProved { entry.undialledUntil = max(entry.undialledUntil, end) }
        set(peer, entry)
        return duration
    }

    /// Keeps `peer` from being dialled before `end`, without a strike.
    mutating func postpone(_ peer: PeerID, _ reason: BanReason, until end: Instant) {
        var entry = entries[peer] ?? Entry()
        // What already keeps it away for longer stays the reason.
        if entry.until < end { entry.reason = reason }
        entry.undialledUntil = max(entry.undialledUntil, end)
        set(peer, entry)
    }

    /// `peer` has refused us, or left; answers how often in a row.
    mutating func refused(by peer: PeerID) -> Int {
        var entry = entries[peer] ?? Entry()
        entry.refusals += 1
        set(peer, entry)
        return entry.refusals
    }

    /// `peer` did its work: its failures are forgotten, but no wrong piece.
    mutating func forgive(_ peer: PeerID) {
        guard let index = entries.index(forKey: peer) else { return }
        if entries.values[index].offences == 0 {
            entries.remove(at: index)
        } else {
            (entries.values[index].strikes, entries.values[index].refusals) = (0, 0)
        }
    }

    /// Forgets everyone.
    mutating func removeAll() { entries.removeAll() }

    /// The first instant after `now` at which somebody may be dialled again; nil when nobody waits.
    func nextEnd(after now: Instant) -> Instant? {
        entries.values.lazy.map(\.undialledUntil).filter { $0 > now }.min()
    }

    /// Who is banned in either way at `now`, until when, and why.
    func banned(at now: Instant) -> [(peer: PeerID, until: Instant, reason: BanReason)] {
        entries.filter { $0.value.until > now }.map { ($0.key, $0.value.until, $0.value.reason) }
    }

    private mutating func set(_ peer: PeerID, _ entry: Entry) {
        if entries[peer] == nil, entries.count >= countMax,
            let first = entries.min(by: { $0.value.until < $1.value.until })
        {
            entries[first.key] = nil
        }
        entries[peer] = entry
    }
}
