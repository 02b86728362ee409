// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import Testing

@testable import SwarmCore

/// The order in which an origin serves.
@Suite("First copies first") struct FirstCopiesTests {
    /// An origin with the whole blob and `count` agents that have nothing.
    private func scene(
        _ count: Int,
        policy: SwarmPolicy = LoneScheduler.policy
    ) throws -> (host: LoneScheduler, agents: [ConnectionID]) {
        var host = try LoneScheduler(pieces: 8, role: .origin, policy: policy)
        host.open(isCommitted: true)
        let agents = (1...count).map { host.knock($0, holding: []).connection }
        return (host, agents)
    }

    private func sent(_ effects: [SwarmScheduler.Effect]) -> [(ConnectionID, Int)] {
        effects.compactMap {
            guard case .sendPiece(let connection, _, let piece) = $0 else { return nil }
            return (connection, piece.value)
        }
    }

    private func ask(
        _ piece: Int,
        _ agent: ConnectionID,
        _ host: inout LoneScheduler
    ) -> [Int] {
        sent(host.receive(.pieceRequest(host.span(piece)), from: agent)).map(\.1)
    }

    private func end(
        _ piece: Int,
        _ agent: ConnectionID,
        _ host: inout LoneScheduler
    ) -> [(ConnectionID, Int)] {
        sent(host.handle(.pieceSent(agent, PieceIndex(piece), bytes: 1 << 20)))
    }

    @Test("a second copy waits until no first one is under way")
    func waits() throws {
        var (host, agents) = try scene(3)
        #expect(ask(0, agents[0], &host) == [0])
        #expect(ask(0, agents[1], &host) == [])
        #expect(ask(1, agents[2], &host) == [1])
        #expect(end(0, agents[0], &host).isEmpty)
        #expect(end(1, agents[2], &host).map(\.0) == [agents[1]])
    }

    @Test("it is taken back without a word while it waits")
    func cancelled() throws {
        var (host, agents) = try scene(2)
        #expect(ask(0, agents[0], &host) == [0])
        #expect(ask(0, agents[1], &host) == [])
        #expect(host.receive(.cancelPiece(0), from: agents[1]).isEmpty)
        #expect(end(0, agents[0], &host).isEmpty)
        // It may ask again.
        #expect(ask(0, agents[1], &host) == [0])
    }

    @Test("it does not wait for longer than a quarter of the time after which its peer gives up")
    func patience() throws {
        var (host, agents) = try scene(2)
        let timeout = SwarmPolicy().requestTimeout(for: host.metaInfo.layout)
        #expect(ask(0, agents[0], &host) == [0])
        #expect(ask(0, agents[1], &host) == [])
        #expect(sent(host.wait(timeout / 4 - .milliseconds(1))).isEmpty)
        #expect(sent(host.wait(.milliseconds(2))).map(\.0) == [agents[1]])
    }

    @Test("a copy that did not go out, or whose peer left, was none")
    func failed() throws {
        for isGone in [false, true] {
            var (host, agents) = try scene(3)
            #expect(ask(0, agents[0], &host) == [0])
            #expect(ask(1, agents[2], &host) == [1])
            let end: SwarmScheduler.Event =
                isGone ? .closed(agents[0], reason: "reset") : .sendFailed(agents[0], PieceIndex(0))
            host.handle(end)
            // Still under way to the third: a second copy would wait, a first one does not.
            #expect(ask(1, agents[1], &host) == [])
            #expect(ask(0, agents[1], &host) == [0])
        }
    }

    @Test("once everything was sent, everybody is served at once; by Kraken's rules always")
    func unbound() throws {
        var (host, agents) = try scene(2)
        for piece in 0..<8 {
            #expect(ask(piece, agents[0], &host) == [piece])
            _ = end(piece, agents[0], &host)
        }
        #expect((0..<3).flatMap { ask($0, agents[1], &host) } == [0, 1, 2])
        var (other, peers) = try scene(2, policy: .kraken)
        #expect(peers.flatMap { ask(0, $0, &other) } == [0, 0])
    }
}
