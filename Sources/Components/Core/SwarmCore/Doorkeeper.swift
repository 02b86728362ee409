// SPDX-License-Identifier: Apache-2.0

import OrderedCollections
package import Primitives

/// Which incoming connections a host lets in before it knows who they are: no address may take all the room, and an address
/// whose peers misbehave is let in more and more seldom.
///
/// Many hosts may share an address, behind a router or on one machine, so an address never loses its connections for what one of
/// them did, a few misdeeds cost nothing, and a piece that went well over any connection of the address forgives the rest.
/// Whoever is dialled does not come by here: a host that its neighbours have spoilt the address for can still be reached.
package struct Doorkeeper: Sendable {
    /// Where connections come from: an IPv4 address, or the network of an IPv6 address, all of which one host may have.
    package struct Address: Hashable, Sendable {
        private let network: UInt64

        /// An IPv4 address, the first byte highest.
        package init(ipv4 address: UInt32) { network = 0xffff_0000_0000 | UInt64(address) }

        /// An IPv6 address' first 64 bits, the first byte highest.
        package init(ipv6Network network: UInt64) { self.network = network }
    }

    /// What becomes of a connection.
    package enum Answer: Hashable, Sendable {
        /// It may come in.
        case enter
        /// It may come in once this one, which has not said who it is for longest, is closed.
        case enterInPlaceOf(ConnectionID)
        /// It is closed.
        case refuse
    }

    /// What is known of one address.
    private struct House: Sendable {
        var connections = 0
        var strangers = 0
        /// Misdeeds since a piece last went well.
        var misdeeds = 0
        /// Nobody is let in before this instant.
        var closedUntil = Instant.origin
    }

    private struct Stranger: Sendable {
        let address: Address?
        let due: Instant
    }

    private var houses: [Address: House] = [:]
    /// Who has not said who it is, oldest first.
    private var strangers: OrderedDictionary<ConnectionID, Stranger> = [:]
    private let limits: Limits
    private let terms: BanList.Terms
    private let handshakeTimeout: Duration

    /// Misdeeds of an address that cost nothing.
    package static let misdeedsFree = 3

    /// Nobody has come yet.
    package init(policy: SwarmPolicy, limits: Limits) {
        self.limits = limits
        // What one host did, others of its address pay for: not for long.
        terms = BanList.Terms(first: .seconds(1), longest: .seconds(8))
        handshakeTimeout = policy.handshakeTimeout
    }

    /// Connections that have not said who they are.
    package var strangerCount: Int { strangers.count }
    /// Addresses that something is remembered of.
    package var addressCount: Int { houses.count }
    /// Whether nothing is held against anybody.
    package private(set) var isCalm = true
    /// When the first stranger has to have said who it is; nil without one.
    package var nextDeadline: Instant? { strangers.values.first?.due }

    // MARK: - Coming and going

    /// Somebody connects; unless refused, it is a stranger until ``introduced(_:)`` or ``left(_:from:)``.
    package mutating func knock(
        _ connection: ConnectionID,
        from address: Address?,
        at now: Instant
    ) -> Answer {
        let house = address.flatMap { houses[$0] } ?? House()
        guard house.closedUntil <= now, house.connections < limits.connectionsPerAddressMax else {
            return .refuse
        }
        var answer = Answer.enter
        if strangers.count >= limits.handshakesPendingMax {
            // Who is honest says at once who it is, so the oldest has least to lose.
            guard let oldest = oldestOfTheMost() else { return .refuse }
            answer = .enterInPlaceOf(oldest)
        }
        let due = now.advanced(by: handshakeTimeout)
        strangers[connection] = Stranger(address: address, due: due)
        if let address {
            houses[address, default: House()].connections += 1
            houses[address]?.strangers += 1
        }
        return answer
    }

    /// It said who it is.
    package mutating func introduced(_ connection: ConnectionID) {
        guard let stranger = strangers.removeValue(forKey: connection),
            let address = stranger.address
        else { return }
        houses[address]?.strangers -= 1
    }

    /// A connection that was let in is gone.
    package mutating func left(_ connection: ConnectionID, from address: Address?) {
        introduced(connection)
        guard let address, var house = houses[address] else { return }
        house.connections -= 1
        houses[address] = house.connections > 0 || house.misdeeds > 0 ? house : nil
    }

    /// The strangers whose time is over; each has still to leave.
    package func overdue(at now: Instant) -> [ConnectionID] {
        strangers.prefix { $0.value.due <= now }.map(\.key)
    }

    private func oldestOfTheMost() -> ConnectionID? {
        let most = houses.values.lazy.map(\.strangers).max() ?? 0
        let oldest = strangers.first { entry in
            guard let address = entry.value.address else { return most == 0 }
            return houses[address]?.strangers == most
        }
        return oldest?.key ?? strangers.keys.first
    }

    // MARK: - Deeds

    /// A connection from `address` was closed because of what its peer did; answers for how long nobody else is let in from
    /// there.
    package mutating func misdeed(from address: Address?, at now: Instant) -> Duration {
        // Whoever came before the last misdeed was paid for does not count again.
        guard let address, (houses[address]?.closedUntil ?? .origin) <= now else { return .zero }
        isCalm = false
        if houses[address] == nil { makeRoom() }
        var house = houses[address] ?? House()
        house.misdeeds += 1
        let surplus = house.misdeeds - Self.misdeedsFree
        let pause = surplus > 0 ? terms.first.doubled(surplus - 1, atMost: terms.longest) : .zero
        house.closedUntil = max(house.closedUntil, now.advanced(by: pause))
        houses[address] = house
        return pause
    }

    /// A piece came from, or went to, `address` and was right.
    package mutating func goodDeed(from address: Address?) {
        guard !isCalm, let address, var house = houses[address], house.misdeeds > 0 else { return }
        (house.misdeeds, house.closedUntil) = (0, .origin)
        houses[address] = house.connections > 0 ? house : nil
        isCalm = !houses.values.contains { $0.misdeeds > 0 }
    }

    /// Forgets the address that is let in again first, when there are too many; one with connections is not forgotten.
    private mutating func makeRoom() {
        guard houses.count >= limits.addressesMax else { return }
        let idle = houses.filter { $0.value.connections == 0 }
        guard let first = idle.min(by: { $0.value.closedUntil < $1.value.closedUntil }) else {
            return
        }
        houses[first.key] = nil
    }
}
