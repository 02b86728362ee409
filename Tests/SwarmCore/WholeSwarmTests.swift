// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore
import Testing

@Suite("A whole swarm in virtual time") struct WholeSwarmTests {
    @Test("every leecher completes", arguments: [(2, 1), (2, 40), (10, 3), (10, 64), (50, 30)])
    func completes(_ leechers: Int, _ pieces: Int) throws {
        var world = try SwarmSimulation(seed: 1, leechers: leechers, pieces: pieces)
        let isComplete = world.complete(within: .seconds(60))
        print("METRIC", #function, world.now, world.percentFromLeechers)
        #expect(isComplete)
        #expect(world.violations == [])
    }

    @Test("an empty blob completes without a peer")
    func empty() throws {
        var world = try SwarmSimulation(seed: 2, leechers: 3, pieces: 0)
        let isComplete = world.complete(within: .seconds(1))
        print("METRIC", #function, world.now, world.percentFromLeechers)
        #expect(isComplete)
        #expect(world.violations == [])
    }

    @Test("under faults every live peer completes and no rule is broken", arguments: 1...40)
    func faults(_ seed: Int) throws {
        print("swarm seed \(seed)")
        var generator = Generator(seed: UInt64(seed))
        let leechers = 2 + generator.below(20)
        var faults = SwarmSimulation.Faults()
        if generator.chance(Ratio(1, in: 2)) { faults.loss = Ratio(1, in: 50) }
        if generator.chance(Ratio(1, in: 4)) { faults.diskFaults = Ratio(1, in: 30) }
        if generator.chance(Ratio(1, in: 4)) { faults.unreadable = Ratio(1, in: 20) }
        if generator.chance(Ratio(1, in: 4)) { faults.unanswered = Ratio(1, in: 5) }
        // Host 0 and 1 are origins; at least one stays alive and honest.
        for host in 2..<2 + leechers {
            if generator.chance(Ratio(1, in: 8)) { faults.slowHosts.insert(host) }
            if generator.chance(Ratio(1, in: 8)) { faults.corruptHosts.insert(host) }
            if generator.chance(Ratio(1, in: 6)) {
                let at = Instant.origin.advanced(by: .milliseconds(generator.below(1500)))
                faults.deaths.append((host, at, generator.chance(Ratio(1, in: 2))))
            }
        }
        if generator.chance(Ratio(1, in: 4)) {
            faults.deaths.append((0, .origin.advanced(by: .milliseconds(300)), true))
        }
        var world = try SwarmSimulation(
            seed: UInt64(seed),
            leechers: leechers,
            origins: 2,
            pieces: 1 + generator.below(80),
            faults: faults
        )
        let isComplete = world.complete(within: .minutes(5))
        print("METRIC", #function, world.now, world.percentFromLeechers)
        #expect(isComplete, "seed \(seed)")
        #expect(world.violations == [], "seed \(seed)")
    }

    @Test("the same seed gives the same trace, another seed another", arguments: [false, true])
    func deterministic(_ isFaulty: Bool) throws {
        func trace(_ seed: UInt64) throws -> UInt64 {
            var faults = SwarmSimulation.Faults()
            if isFaulty {
                (faults.loss, faults.diskFaults) = (Ratio(1, in: 50), Ratio(1, in: 50))
                (faults.slowHosts, faults.corruptHosts) = ([2, 3], [4])
                faults.deaths = [(5, .origin.advanced(by: .milliseconds(150)), false)]
            }
            var world = try SwarmSimulation(seed: seed, leechers: 12, pieces: 25, faults: faults)
            world.isTraced = true
            guard world.complete(within: .minutes(2)) else { return 0 }
            return world.trace
        }
        let first = try trace(5)
        #expect(first != 0)
        #expect(try trace(5) == first)
        #expect(try trace(6) != first)
    }

    @Test(
        "in a normal crowd four of five bytes come from other leechers",
        arguments: [(20, 1, 64), (30, 1, 40), (50, 3, 64)]
    )
    func sharing(_ leechers: Int, _ origins: Int, _ pieces: Int) throws {
        var world = try SwarmSimulation(
            seed: 7,
            leechers: leechers,
            origins: origins,
            pieces: pieces
        )
        let isComplete = world.complete(within: .seconds(60))
        print("METRIC", #function, world.now, world.percentFromLeechers)
        #expect(isComplete)
        #expect(world.percentFromLeechers >= 80)
        let received = world.hosts.reduce(0) { $0 + $1.payloadsReceived }
        // No piece was fetched twice but in endgame.
        #expect(received <= leechers * (pieces + 3))
        #expect(world.violations == [])
    }

    // MARK: - One fault at a time

    @Test("a tenth of all messages lost: everyone completes", arguments: 1...4)
    func lostMessages(_ seed: Int) throws {
        print("loss seed \(seed)")
        var faults = SwarmSimulation.Faults()
        faults.loss = Ratio(1, in: 10)
        var world = try SwarmSimulation(
            seed: UInt64(seed),
            leechers: 10,
            pieces: 20,
            faults: faults
        )
        let isComplete = world.complete(within: .minutes(4))
        print("METRIC", #function, world.now, world.percentFromLeechers)
        #expect(isComplete)
        #expect(world.violations == [])
    }

    @Test("peers with a tenth of the rate do not hold up the others")
    func slowPeers() throws {
        var faults = SwarmSimulation.Faults()
        faults.slowHosts = [2, 4, 6, 8, 10]
        var world = try SwarmSimulation(seed: 3, leechers: 20, pieces: 64, faults: faults)
        let isComplete = world.complete(within: .seconds(20))
        print("METRIC", #function, world.now, world.percentFromLeechers)
        #expect(isComplete)
        #expect(world.violations == [])
    }

    @Test("peers that die without a word hold up nobody for long", arguments: 1...4)
    func deaths(_ seed: Int) throws {
        print("death seed \(seed)")
        var generator = Generator(seed: UInt64(seed))
        var faults = SwarmSimulation.Faults()
        for host in stride(from: 1, through: 20, by: 3) {
            let at = Instant.origin.advanced(by: .milliseconds(generator.below(800)))
            faults.deaths.append((host, at, false))
        }
        var world = try SwarmSimulation(
            seed: UInt64(seed),
            leechers: 20,
            pieces: 64,
            faults: faults
        )
        let isComplete = world.complete(within: .minutes(1))
        print("METRIC", #function, world.now, world.percentFromLeechers)
        #expect(isComplete)
        #expect(world.violations == [])
    }

    @Test("liars cost each peer a few pieces, and no blob", arguments: 1...4)
    func liars(_ seed: Int) throws {
        print("liar seed \(seed)")
        var faults = SwarmSimulation.Faults()
        faults.corruptHosts = [2, 3, 4, 5]
        var world = try SwarmSimulation(
            seed: UInt64(seed),
            leechers: 12,
            pieces: 40,
            faults: faults
        )
        let isComplete = world.complete(within: .minutes(1))
        print("METRIC", #function, world.now, world.percentFromLeechers)
        #expect(isComplete)
        for host in 1...12 {
            // Each liar is dialled, and let in, once or twice before it is shut out.
            #expect(world.hosts[host].payloadsRejected <= 4 * 2)
        }
        #expect(world.violations == [])
    }

    @Test(
        "disks that refuse pieces, files that can't be read, trackers that are silent",
        arguments: [true, false],
        1...3
    )
    func hostFaults(_ sparesOrigins: Bool, _ seed: Int) throws {
        print("host fault seed \(seed)")
        var policy = SwarmPolicy()
        policy.sparesOrigins = sparesOrigins
        var faults = SwarmSimulation.Faults()
        faults.diskFaults = Ratio(1, in: 20)
        faults.unreadable = Ratio(1, in: 10)
        // Each of these costs a minute, and after five the leecher gives up.
        faults.unanswered = Ratio(1, in: 6)
        var world = try SwarmSimulation(
            seed: UInt64(seed),
            leechers: 10,
            pieces: 30,
            faults: faults,
            policy: policy
        )
        let isComplete = world.complete(within: .minutes(5))
        print("METRIC", #function, world.now, world.percentFromLeechers)
        #expect(isComplete)
        #expect(world.violations == [])
    }

    @Test("p2p §10.1-8: a small blob is not fetched many times over")
    func smallBlob() throws {
        var world = try SwarmSimulation(seed: 8, leechers: 10, origins: 3, pieces: 2)
        let isComplete = world.complete(within: .seconds(60))
        print("METRIC", #function, world.now, world.percentFromLeechers)
        #expect(isComplete)
        let received = (3..<13).reduce(0) { $0 + world.hosts[$1].payloadsReceived }
        #expect(received <= 22)
    }

    @Test("deleting a blob and downloading it again is as quick as the first time")
    func again() throws {
        var world = try SwarmSimulation(seed: 9, leechers: 4, pieces: 16)
        let isComplete = world.complete(within: .seconds(20))
        print("METRIC", #function, world.now, world.percentFromLeechers)
        #expect(isComplete)
        let first = Instant.origin.duration(to: world.now)
        world.remove(2)
        world.open(2)
        let begin = world.now
        let isCompleteAgain = world.complete(within: .minutes(2))
        #expect(isCompleteAgain)
        #expect(begin.duration(to: world.now) <= first * 2 + .seconds(1))
        #expect(world.violations == [])
    }

    @Test("p2p §10.2-9: a restarted leecher fetches only what it lacks")
    func resume() throws {
        var world = try SwarmSimulation(seed: 10, leechers: 1, pieces: 40, bytesPerSecond: 20 << 20)
        let half = world.run(until: .origin.advanced(by: .seconds(60))) {
            $0.hosts[1].stored.count >= 20
        }
        #expect(half)
        let before = world.hosts[1].payloadsReceived
        let stored = world.hosts[1].stored
        world.remove(1)
        world.setStored(1, stored)
        world.open(1)
        let isComplete = world.complete(within: .minutes(1))
        print("METRIC", #function, world.now, world.percentFromLeechers)
        #expect(isComplete)
        #expect(world.hosts[1].payloadsReceived - before <= 40 - stored.count + 1)
    }

    @Test("agents that begin together take few copies from the origins, and none waits for a slot")
    func sparesOrigins() throws {
        var world = try SwarmSimulation(seed: 11, leechers: 30, origins: 3, pieces: 32)
        let isComplete = world.complete(within: .seconds(20))
        print("METRIC", #function, world.now, world.percentFromLeechers)
        #expect(isComplete)
        let sent = (0..<3).reduce(0) { $0 + world.hosts[$1].payloadsSent }
        #expect(sent <= 8 * 32, "the origins sent \(sent) pieces of 32")
        #expect(world.violations == [])
    }
}
