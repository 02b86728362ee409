// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import Telemetry
import Testing

@testable import Herd

@Suite("What herd status waits for") struct StatusConditionTests {
    private func cluster() -> [ComponentSnapshot] {
        let agents = (0..<3).map { number in
            var agent = ComponentSnapshot(
                kind: .agent,
                id: "agent-\(number)",
                health: number == 2 ? .failing : .ok,
                counters: ["blobs_completed": number]
            )
            var bits = Bitfield(pieceCount: 2)
            if number < 2 { bits.fill() }
            let hash = InfoHash(hashing: [1])
            guard let digest = Digest(hex: String(repeating: "a", count: 64)) else { return agent }
            agent.swarms = [
                SwarmStatus(
                    digest: digest,
                    infoHash: hash,
                    phase: bits.isComplete ? .seeding : .leeching,
                    blobBytes: 2,
                    pieceBytes: 1,
                    pieces: PieceMap(bits)
                )
            ]
            return agent
        }
        return agents + [ComponentSnapshot(kind: .proxy, id: "proxy-0", health: .ok)]
    }

    @Test(
        "figures are compared as written",
        arguments: [
            ("agents==3", true), ("agents.complete == 2", true), ("agents.ok>=3", false),
            ("components.ok<4", true), ("proxies.count!=0", true),
            ("agents.blobs_completed>2", true),
            ("origins<=0", true), ("agents.swarms>3", false), ("agents.no_such_counter==0", true),
        ]
    )
    func holds(_ text: String, _ expected: Bool) throws {
        let condition = try #require(StatusCondition(text))
        #expect(condition.holds(in: cluster()) == expected)
    }

    @Test(
        "what is no condition is refused",
        arguments: ["", "agents", "cats==1", "agents==many", "==3"]
    )
    func refusals(_ text: String) { #expect(StatusCondition(text) == nil) }
}
