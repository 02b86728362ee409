// SPDX-License-Identifier: Apache-2.0

import Content
import OrderedCollections
import Primitives

/// The peers that one swarm does not dial for a while, each with its failures so far.
struct BanList: Sendable {
    /// One peer's state.
    struct Entry: Hashable, Sendable {
        /// Not dialled before this instant.
        var until: Instant
        /// Failures in a row; a delivered piece forgets them.
        var strikes: Int
        /// Whether incoming connections are refused too, because it sent bad data.
        var isHostile: Bool
    }

    private var entries: OrderedDictionary<PeerID, Entry> = [:]
    private let countMax: Int

    init(countMax: Int) { self.countMax = countMax }

    /// Whether `peer` must not be dialled at `now`.
    func isBanned(_ peer: PeerID, at now: Instant) -> Bool {
        (entries[peer]?.until ?? .origin) > now
    }

    /// Whether `peer` must not be let in at `now`.
    func isHostile(_ peer: PeerID, at now: Instant) -> Bool {
        isBanned(peer, at: now) && (entries[peer]?.isHostile ?? false)
    }

    /// Bans `peer` for `base` doubled with each earlier strike, at most `longest`; answers for how long.
    mutating func ban(
        _ peer: PeerID,
        base: Duration,
        longest: Duration,
        isHostile: Bool,
        at now: Instant
    ) -> Duration {
        let strikes = (entries[peer]?.strikes ?? 0) + 1
        let duration = min(longest, base * (1 << min(strikes - 1, 16)))
        set(peer, Entry(until: now.advanced(by: duration), strikes: strikes, isHostile: isHostile))
        return duration
    }

    /// Keeps `peer` from being dialled before `until`, without a strike.
    mutating func postpone(_ peer: PeerID, until: Instant) {
        let strikes = entries[peer]?.strikes ?? 0
        set(peer, Entry(until: until, strikes: strikes, isHostile: false))
    }

    /// `peer` did its work: its failures are forgotten.
    mutating func forgive(_ peer: PeerID) { entries[peer] = nil }

    /// Forgets everyone.
    mutating func removeAll() { entries.removeAll() }

    /// The end of the ban that ends first after `now`; nil when nobody is banned.
    func nextEnd(after now: Instant) -> Instant? {
        entries.values.lazy.map(\.until).filter { $0 > now }.min()
    }

    /// Who is banned at `now`, and until when.
    func banned(at now: Instant) -> [(peer: PeerID, until: Instant)] {
        entries.filter { $0.value.until > now }.map { ($0.key, $0.value.until) }
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
