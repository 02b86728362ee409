// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore
import SwarmIO
import Telemetry
import Testing

@Suite("Hosts of both policies in one swarm", .timeLimit(.minutes(1))) struct MixedPolicyTests {
    private static let pieceBytes = 32 << 10

    private func rules(_ preset: SwarmPolicy.Preset) -> SwarmPolicy {
        var policy = preset.policy
        // Kraken's waits are made for clusters that run for months.
        policy.starvedAnnounceDelay = testPolicy.starvedAnnounceDelay
        policy.refusalRetry = testPolicy.refusalRetry
        return policy
    }

    @Test(
        "agents by Herd's and by Kraken's rules get a blob from an origin of either kind",
        arguments: SwarmPolicy.Preset.allCases
    )
    func mixed(origin preset: SwarmPolicy.Preset) async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(60 * Self.pieceBytes + 11, seed: 80)
            let origin = try await fixture.node(.origin, policy: rules(preset))
            let metaInfo = try await fixture.give(blob, pieceBytes: Self.pieceBytes, to: origin)
            var agents: [Node] = []
            for number in 0..<6 {
                let policy = rules(number % 2 == 0 ? .herd : .kraken)
                agents.append(try await fixture.node(.agent, policy: policy))
            }
            var downloads: [SwarmDownload] = []
            for agent in agents {
                downloads.append(
                    try await agent.driver.download(metaInfo, namespace: testNamespace)
                )
            }
            for (agent, download) in zip(agents, downloads) {
                try await download.waitUntilComplete()
                #expect(try await agent.cachedBytes(metaInfo.digest) == blob)
                #expect(agent.counters.all()["pieces_bad"] == 0)
            }
        }
    }
}
