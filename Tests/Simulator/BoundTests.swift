// SPDX-License-Identifier: Apache-2.0

import Primitives
import SwarmCore
import Testing

@testable import Simulator

@Suite("Simulated links") struct BoundTests {
    /// Twenty pieces of a million bytes at a hundred million a second: 10 ms a piece.
    private static func pair(
        agents: Int = 1,
        _ change: (inout SimulationPlan) -> Void = { _ in }
    ) -> SimulationPlan {
        .small(agents: agents) {
            $0.blobBytes = [20_000_000]
            $0.pieceBytes = 1_000_000
            $0.bandwidth = ByteRate(bytesPerSecond: 100_000_000)
            ($0.latency, $0.jitter, $0.join) = (.milliseconds(1), .zero, .nanoseconds(1))
            ($0.trackerResponse, $0.commitTime) = (.milliseconds(2), .milliseconds(5))
            change(&$0)
        }
    }

    @Test("one agent downloads from one origin in exactly the time that the model says")
    func exact() throws {
        let result = try Simulation.result(of: Self.pair())
        // Announce there and back 2 ms, the tracker 2 ms, connection 2 ms, handshake there and back 2 ms, first request
        // 1 ms, twenty pieces one after the other 200 ms, the last byte's way 1 ms, commit 5 ms.
        #expect(result.image.p50 == 0.215)
        #expect(result.image.bound.tMin == 0.2)
    }

    @Test("a narrow downlink, and a narrow origin, take as much longer")
    func narrow() throws {
        let origin = try Simulation.result(
            of: Self.pair { $0.originBandwidth = ByteRate(bytesPerSecond: 50_000_000) }
        )
        #expect(origin.image.p50 == 0.415)
        #expect(origin.image.bound.binding == .source)
        let agent = try Simulation.result(
            of: Self.pair {
                $0.originBandwidth = ByteRate(bytesPerSecond: 200_000_000)
                $0.bandwidth = ByteRate(bytesPerSecond: 50_000_000)
            }
        )
        // All is in the network before the first piece is read: the downlink is busy from the first byte on.
        #expect(abs(agent.image.p50 - 0.415) < 1e-6)
        #expect(agent.image.bound.binding == .download)
    }

    @Test("an uplink sends one piece at a time, so two agents of one origin wait for each other")
    func shared() throws {
        let result = try Simulation.result(
            of: Self.pair(agents: 2) { $0.policy.sparesOrigins = false }
        )
        #expect(result.image.makespan > 0.2)
        #expect(result.image.makespan < 0.45)
        let sent = result.originCopies[0]
        #expect(sent >= 1 && sent <= 2)
    }

    @Test("zones are further apart, and share a trunk")
    func zones() throws {
        func time(_ change: @escaping (inout SimulationPlan) -> Void) throws -> Double {
            // Host 0, the origin, is in zone 0; host 1, the agent, in zone 1.
            try Simulation.result(of: Self.pair(agents: 1, change)).image.p50
        }
        let near = try time { $0.zoneLatency = .milliseconds(50) }
        let far = try time {
            ($0.zones, $0.zoneLatency) = (2, .milliseconds(50))
        }
        // Six ways: to connect and back, the handshake and back, the request and the last byte. Later requests overlap only
        // as far as the slots for an origin reach.
        #expect(near == 0.215)
        #expect(far >= near + 6 * 0.049)
        let narrow = try time {
            ($0.zones, $0.zoneLatency) = (2, .milliseconds(1))
            $0.zoneBandwidth = ByteRate(bytesPerSecond: 20_000_000)
        }
        #expect(abs(narrow - 1.015) < 1e-3)
    }

    @Test("bounds name what binds")
    func bounds() {
        let kraken = SwarmBound(image: SimulationPlan(.kraken))
        #expect(abs(kraken.tMin - 10) < 1e-9)
        #expect(kraken.binding == .download)
        #expect(abs(kraken.tStar - 10 * (1 + 11.0 / 716)) < 1e-9)
        let weak = SwarmBound(agents: 100, bytes: 1000, pieces: 10, rate: 100, sourceRate: 10)
        #expect(weak.binding == .source)
        #expect(weak.tMin == 100)
        let one = SwarmBound(agents: 1, bytes: 1000, pieces: 10, rate: 100, sourceRate: 100)
        #expect(one.tStar == one.tMin)
    }
}
