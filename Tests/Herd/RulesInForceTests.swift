// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import SwarmCore
import TUI
import Telemetry
import Testing

@testable import Herd

@Suite("Rules in force") struct RulesInForceTests {
    @Test("rules made of the policy that ships are those that explanations quote by default")
    func usual() {
        #expect(SwarmRules(SwarmPolicy()) == SwarmRules())
    }

    @Test("Kraken's rules are quoted as they are")
    func kraken() {
        let rules = SwarmRules(.kraken)
        #expect(rules.connectionsDialled == rules.connectionsMax && rules.endgameSeconds == 0)
        #expect(!rules.movesRequests && !rules.sparesOrigins && rules.requestsOfAgents == nil)
    }

    @Test("an agent's configuration tells the rules, and again when it is replaced")
    func configured() {
        var agent = AgentConfiguration(dataDirectory: "/a", trackers: ["t:1"], buildIndexes: [])
        agent.swarm.requestsPerAgent = 7
        agent.swarm.connectionIdleMax = .milliseconds(1500)
        var component = ComponentSnapshot(kind: .agent, id: "agent-0", health: .ok)
        var rules = RulesInForce()
        #expect(rules.update(ClusterSnapshot(components: [component])) == nil)
        component.settings = agent.settings
        let first = rules.update(ClusterSnapshot(components: [component]))
        #expect(first == SwarmRules(agent.swarm))
        #expect(rules.update(ClusterSnapshot(components: [component])) == nil)
        agent.swarm.requestOrder = .random
        component.settings = agent.settings
        let second = rules.update(ClusterSnapshot(components: [component]))
        #expect(second?.requestOrder == "default")
        agent.swarm = .kraken
        component.settings = agent.settings
        #expect(rules.update(ClusterSnapshot(components: [component])) == SwarmRules(.kraken))
    }
}
