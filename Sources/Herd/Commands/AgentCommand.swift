// SPDX-License-Identifier: Apache-2.0

import AgentService
import ArgumentParser
import ClusterConfiguration
import Telemetry

/// `herd agent`.
struct AgentCommand: ComponentCommand {
    typealias Component = AgentComponent
    static let kind = ComponentKind.agent
    static var configuration: CommandConfiguration {
        commandConfiguration("Run an agent: the registry to pull from, on every host.")
    }
    @OptionGroup var options: ComponentOptions
    @Option(help: "The address that peers dial.")
    var peerIp: String?
    @Option(help: "Port for peers.")
    var peerPort: Int?
    @Option(help: "Port of the server for everything but images.")
    var agentServerPort: Int?
    @Option(help: "Port of the registry.")
    var agentRegistryPort: Int?
    @Option(help: "Where the agent stands, a label.")
    var zone: String?

    func apply(to configuration: inout AgentConfiguration) throws {
        configuration.peerIP = peerIp ?? configuration.peerIP
        configuration.peerPort = try peerPort.map(Port.checked) ?? configuration.peerPort
        configuration.port = try agentServerPort.map(Port.checked) ?? configuration.port
        configuration.registryPort =
            try agentRegistryPort.map(Port.checked) ?? configuration.registryPort
        configuration.zone = zone ?? configuration.zone
    }
}
