// SPDX-License-Identifier: Apache-2.0

import Content
import Placement
import Synchronization
import TestSupport
import Testing

@testable import ClusterClients

@Suite("Common owners") struct CommonOwnersTests {
    private let addresses = ["a:1", "b:1", "c:1"]

    @Test("what an origin said is good for a second, for every blob, in the ring's order")
    func order() throws {
        let (common, now, hosts) = (CommonOwners(), ContinuousClock.now, ["a:1"])
        let digests = try (0..<64).map { try Digest.of([UInt8($0)]) }
        #expect(common.owners(of: digests[0], asking: hosts, at: now) == nil)
        common.note(addresses, saidBy: hosts, at: now)
        let ring = Ring(members: addresses, replicasMax: 3)
        for digest in digests {
            let soon = now + .milliseconds(999)
            #expect(common.owners(of: digest, asking: hosts, at: soon) == ring.owners(of: digest))
            #expect(common.owners(of: digest, asking: ["d:1"], at: soon) == nil)
            #expect(common.owners(of: digest, asking: hosts, at: now + .seconds(1)) == nil)
        }
    }

    @Test("a ring has common owners while it has no more healthy members than copies")
    func ring() {
        var ring = Ring(members: addresses, replicasMax: 2)
        #expect(!ring.everyoneOwnsAll)
        ring.replaceHealthy(["a:1", "c:1"])
        #expect(ring.everyoneOwnsAll)
        ring.replaceHealthy([])
        // Then there is one owner, and it is not everybody's.
        #expect(!ring.everyoneOwnsAll)
        #expect(Ring(members: addresses, replicasMax: 3).everyoneOwnsAll)
    }

    @Test("a list of dependencies is read as it was written, and nothing else is")
    func dependencies() throws {
        let digests = try (0..<128).map { try Digest.of([UInt8($0)]) }
        let header = try #require(DependencyList.header(digests))
        #expect(DependencyList.parse(header) == digests)
        #expect(DependencyList.header(digests + [digests[0]]) == nil)
        #expect(DependencyList.parse("") == [])
        #expect(DependencyList.parse("\(digests[0]),none") == nil)
    }
}
