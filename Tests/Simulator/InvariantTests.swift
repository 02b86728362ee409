// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore
import Testing

@testable import Simulator

/// Each invariant is broken on purpose: an audit that never finds anything proves nothing.
@Suite("Audited invariants") struct InvariantTests {
    /// A run that was interrupted half-way.
    private func halfWay(_ plan: SimulationPlan = .small()) throws -> Simulation {
        var simulation = try Simulation(plan)
        while simulation.progress.share < 0.5, simulation.run(events: 20) {}
        return simulation
    }

    private func broken(_ result: SimulationResult) -> Set<Invariant> {
        Set(result.invariants.filter { $0.violations > 0 }.map(\.invariant))
    }

    @Test("a piece that is not on the disk is noticed")
    func verifiedPieces() throws {
        var simulation = try halfWay()
        let host = try #require(
            (simulation.plan.origins..<simulation.plan.hostCount).first {
                simulation.seats[simulation.seat($0, 0)].heldCount > 0
            }
        )
        let position = try #require(simulation.words(host, 0).first { simulation.bits[$0] != 0 })
        simulation.bits[position] &= simulation.bits[position] - 1
        #expect(broken(simulation.finish()).contains(.verifiedPiecesOnly))
    }

    @Test("an event in the past is noticed")
    func past() throws {
        var simulation = try halfWay()
        simulation.queue.push(.timer, at: simulation.now - 1, host: 1)
        #expect(broken(simulation.finish()) == [.noEventInThePast])
    }

    @Test("a connection that only one side knows is noticed")
    func slots() throws {
        var simulation = try halfWay()
        let end = try #require(
            simulation.ends.indices.first { simulation.ends[$0].phase == .active }
        )
        // Nobody tells the scheduler.
        simulation.forget(Int32(end))
        #expect(broken(simulation.finish()).contains(.symmetricSlots))
    }

    @Test("an agent that can't finish is noticed, unless there is no source")
    func completion() throws {
        let late = SimulationPlan.small { $0.deadline = .milliseconds(150) }
        #expect(broken(try Simulation.result(of: late)) == [.everyPeerCompletes])
        let noSource = SimulationPlan.small {
            $0.deadline = .seconds(60)
            $0.faults.originOutages = [.init(index: 0, span: .init(.milliseconds(1)))]
        }
        let result = try Simulation.result(of: noSource)
        #expect(result.violations == [])
        #expect(result.image.count == 0)
    }

    @Test("a swarm that stays in memory is noticed")
    func memory() throws {
        var simulation = try Simulation(.small())
        while simulation.stage == .downloading { _ = simulation.run(events: 1) }
        let layout = try #require(PieceLayout(blobBytes: 3, pieceBytes: 1))
        let digest = Digest(hashing: [1])
        let description = SwarmDescription(
            metaInfo: try MetaInfo(digest: digest, layout: layout, pieceSums: [1, 2, 3]),
            namespace: "sim",
            held: Bitfield(pieceCount: 3),
            isCommitted: false,
            isLocalRequest: false
        )
        // A blob that the cluster does not know, opened when the others have a minute of their patience behind them.
        let start = simulation.now
        while simulation.now < start + Duration.minutes(1).nanoseconds {
            _ = simulation.run(events: 1)
        }
        simulation.deliver(.opened(description), to: 1)
        #expect(broken(simulation.finish()) == [.memoryReleased])
    }

    @Test("a limit that is exceeded is noticed")
    func limits() throws {
        var simulation = try halfWay()
        let end = try #require(
            simulation.ends.indices.first { simulation.ends[$0].phase == .active && $0 % 2 == 1 }
        )
        let host = Int(simulation.ends[end].host)
        for _ in 0...simulation.plan.limits.requestsFromPeerMax + 1 {
            simulation.sendPiece(0, on: simulation.ends[end].connection, of: host)
        }
        #expect(broken(simulation.result()).contains(.withinLimits))
    }

    @Test("time that is not booked is noticed")
    func ledger() throws {
        var simulation = try halfWay()
        simulation.hosts[1].activeSince += 1
        #expect(broken(simulation.finish()) == [.ledgerAddsUp])
    }
}
