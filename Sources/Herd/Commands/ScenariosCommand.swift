// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// `herd scenarios`: what `--scenario` knows.
struct ScenariosCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "scenarios",
            abstract: "List the lessons that herd up --scenario NAME plays."
        )
    }

    func run() throws {
        let width = Scenarios.all.map(\.name.count).max() ?? 0
        for scenario in Scenarios.all {
            let needs = "\(scenario.agentsMin) agents, \(scenario.originsMin) origins"
            print("\(scenario.name.padded(to: width))  \(scenario.title)  (at least \(needs))")
        }
    }
}
