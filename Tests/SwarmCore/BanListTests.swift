// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import Testing

@testable import SwarmCore

@Suite("Ban list") struct BanListTests {
    private let terms = BanList.Terms(first: .seconds(30), longest: .minutes(10))
    private let peer = LoneScheduler.peer(1)

    private func at(_ seconds: Int) -> Instant { .origin.advanced(by: .seconds(seconds)) }

    @Test("a strike keeps a peer from being dialled, not from coming in, and ends by itself")
    func strike() {
        // p2p §10.2-14.
        var bans = BanList(countMax: 10)
        #expect(bans.strike(peer, .unreachable, terms, at: at(0)) == .seconds(30))
        #expect(bans.isBanned(peer, at: at(29)))
        #expect(!bans.isShutOut(peer, at: at(29)))
        #expect(bans.nextEnd(after: at(0)) == at(30))
        #expect(!bans.isBanned(peer, at: at(30)))
        #expect(bans.nextEnd(after: at(30)) == nil)
        #expect(bans.banned(at: at(30)).isEmpty)
    }

    @Test("strikes double up to the longest, and a delivered piece forgets them")
    func growth() {
        var bans = BanList(countMax: 10)
        let durations = (0..<7).map { _ in bans.strike(peer, .unreachable, terms, at: at(0)).seconds
        }
        #expect(durations == [30, 60, 120, 240, 480, 600, 600])
        bans.forgive(peer)
        #expect(!bans.isBanned(peer, at: at(0)))
        #expect(bans.strike(peer, .unreachable, terms, at: at(0)) == .seconds(30))
    }

    @Test("wrong bytes shut a peer out, and no good piece makes up for them")
    func condemn() {
        var bans = BanList(countMax: 10)
        #expect(bans.condemn(peer, isProved: true, terms, at: at(0)) == .seconds(30))
        #expect(bans.isShutOut(peer, at: at(1)) && bans.isBanned(peer, at: at(1)))
        bans.forgive(peer)
        #expect(bans.isShutOut(peer, at: at(1)))
        #expect(bans.condemn(peer, isProved: true, terms, at: at(100)) == .seconds(60))
    }

    @Test("an id that anybody may use is shut out, and still dialled")
    func unproved() {
        var bans = BanList(countMax: 10)
        _ = bans.condemn(peer, isProved: false, terms, at: at(0))
        #expect(bans.isShutOut(peer, at: at(1)) && !bans.isBanned(peer, at: at(1)))
        #expect(bans.banned(at: at(1)).map(\.peer) == [peer])
    }

    @Test("putting a peer off shortens no ban and lifts none")
    func postpone() {
        var bans = BanList(countMax: 10)
        _ = bans.condemn(peer, isProved: true, terms, at: at(0))
        bans.postpone(peer, .refused, until: at(1))
        #expect(bans.isShutOut(peer, at: at(29)) && bans.isBanned(peer, at: at(29)))
        bans.postpone(peer, .refused, until: at(50))
        #expect(bans.isBanned(peer, at: at(49)) && !bans.isShutOut(peer, at: at(49)))
    }

    @Test("a full list forgets the ban that ends first")
    func full() {
        var bans = BanList(countMax: 2)
        for number in 1...3 {
            _ = bans.strike(LoneScheduler.peer(number), .unreachable, terms, at: at(number))
        }
        #expect(bans.count == 2)
        #expect(!bans.isBanned(LoneScheduler.peer(1), at: at(3)))
        #expect(bans.isBanned(LoneScheduler.peer(2), at: at(3)))
        #expect(bans.isBanned(LoneScheduler.peer(3), at: at(3)))
    }
}
