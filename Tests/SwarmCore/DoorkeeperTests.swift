// SPDX-License-Identifier: Apache-2.0

import Primitives
import SwarmCore
import Testing

@Suite("The doorkeeper") struct DoorkeeperTests {
    private let here = Doorkeeper.Address(ipv4: 0x0a00_0001)
    private let there = Doorkeeper.Address(ipv4: 0x0a00_0002)

    private func limits(pending: Int = 4, perAddress: Int = 8, addresses: Int = 4) -> Limits {
        var limits = Limits()
        limits.handshakesPendingMax = pending
        limits.connectionsPerAddressMax = perAddress
        limits.addressesMax = addresses
        return limits
    }

    private func connection(_ number: Int) -> ConnectionID { ConnectionID(UInt64(2 * number)) }

    @Test(
        "when too many have not said who they are, the oldest of the address with the most makes room"
    )
    func crowd() {
        var door = Doorkeeper(policy: SwarmPolicy(), limits: limits())
        #expect(door.knock(connection(1), from: there, at: .origin) == .enter)
        for number in 2...4 {
            #expect(door.knock(connection(number), from: here, at: .origin) == .enter)
        }
        for number in 5...20 {
            let answer = door.knock(connection(number), from: here, at: .origin)
            guard case .enterInPlaceOf(let oldest) = answer else {
                Issue.record("\(answer)")
                return
            }
            #expect(oldest == connection(number - 3))
            door.left(oldest, from: here)
            #expect(door.strangerCount == 4)
        }
        // The other address's is still there, and says who it is.
        door.introduced(connection(1))
        #expect(door.strangerCount == 3)
        #expect(door.knock(connection(21), from: there, at: .origin) == .enter)
    }

    @Test("an address has so many connections and no more; those that leave make room")
    func share() {
        var door = Doorkeeper(policy: SwarmPolicy(), limits: limits(pending: 100))
        for number in 1...8 {
            #expect(door.knock(connection(number), from: here, at: .origin) == .enter)
            door.introduced(connection(number))
        }
        #expect(door.knock(connection(9), from: here, at: .origin) == .refuse)
        #expect(door.knock(connection(10), from: there, at: .origin) == .enter)
        door.left(connection(1), from: here)
        #expect(door.knock(connection(11), from: here, at: .origin) == .enter)
        for number in 2...11 { door.left(connection(number), from: here) }
        door.left(connection(10), from: there)
        #expect(door.addressCount == 0 && door.strangerCount == 0)
    }

    @Test(
        "an address whose peers misbehave is let in more and more seldom, for seconds at most; a piece forgives all of it"
    )
    func misdeeds() {
        var door = Doorkeeper(policy: SwarmPolicy(), limits: limits())
        var now = Instant.origin
        #expect(door.isCalm)
        var pauses: [Duration] = []
        for number in 1...12 {
            #expect(door.knock(connection(number), from: here, at: now) == .enter)
            let pause = door.misdeed(from: here, at: now)
            door.left(connection(number), from: here)
            pauses.append(pause)
            guard pause > .zero else { continue }
            // What the others did that were let in together counts once.
            #expect(door.misdeed(from: here, at: now) == .zero)
            let early = now.advanced(by: pause - .nanoseconds(1))
            #expect(door.knock(connection(100), from: here, at: early) == .refuse)
            #expect(door.knock(connection(101), from: there, at: early) == .enter)
            door.left(connection(101), from: there)
            now = now.advanced(by: pause)
        }
        let expected = [0, 0, 0, 1, 2, 4, 8, 8, 8, 8, 8, 8].map { Duration.seconds($0) }
        #expect(pauses == expected)
        #expect(!door.isCalm)
        #expect(door.misdeed(from: here, at: now) > .zero)
        door.goodDeed(from: here)
        #expect(door.isCalm)
        #expect(door.knock(connection(200), from: here, at: now) == .enter)
    }

    @Test("it remembers a bounded number of addresses")
    func memory() {
        var door = Doorkeeper(policy: SwarmPolicy(), limits: limits())
        for number in 0..<1000 {
            _ = door.misdeed(from: Doorkeeper.Address(ipv4: UInt32(number)), at: .origin)
            #expect(door.addressCount <= 4)
        }
    }

    @Test("who does not say who it is in time is to leave")
    func time() {
        let policy = SwarmPolicy()
        var door = Doorkeeper(policy: policy, limits: limits())
        #expect(door.nextDeadline == nil)
        _ = door.knock(connection(1), from: here, at: .origin)
        _ = door.knock(connection(2), from: nil, at: .origin.advanced(by: .seconds(1)))
        let due = Instant.origin.advanced(by: policy.handshakeTimeout)
        #expect(door.nextDeadline == due)
        #expect(door.overdue(at: due) == [connection(1)])
        door.left(connection(1), from: here)
        #expect(door.overdue(at: due.advanced(by: .seconds(1))) == [connection(2)])
    }

    @Test("hosts of one IPv6 network are one address; IPv4 and IPv6 are never mixed up")
    func addresses() {
        #expect(Doorkeeper.Address(ipv4: 1) != Doorkeeper.Address(ipv6Network: 1))
        #expect(Doorkeeper.Address(ipv6Network: 7) == Doorkeeper.Address(ipv6Network: 7))
    }
}
