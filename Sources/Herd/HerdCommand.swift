// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Terminal

/// The root of the command line.
struct HerdCommand: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "herd",
            abstract: "A peer-to-peer registry for container images.",
            discussion: "Without a subcommand, herd runs a whole cluster in this process.",
            version: HerdVersion.text,
            subcommands: [
                UpCommand.self, AgentCommand.self, OriginCommand.self, TrackerCommand.self,
                BuildIndexCommand.self, ProxyCommand.self, TestfsCommand.self, PushCommand.self,
                PullCommand.self, CopyCommand.self, InspectCommand.self, ListCommand.self,
                PreheatCommand.self,
                StatusCommand.self, QueueCommand.self, CollectCommand.self,
                TopCommand.self,
                ReplayCommand.self,
                SimCommand.self,
                ScenariosCommand.self, ConfigCommand.self, CertsCommand.self,
                MirrorCommand.self,
            ],
            defaultSubcommand: UpCommand.self
        )
    }
}

/// Which Herd this is.
enum HerdVersion {
    /// The version of the program; CHANGELOG.md says what is in it.
    static let number = "0.1.0"
    /// What `herd --version` prints.
    static var text: String { "herd \(number) (\(Curses.version))" }
}
