// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import HTTPKit
import OriginService
import ServiceLifecycle
import Telemetry

/// `herd origin`.
struct OriginCommand: ComponentCommand {
    static let kind = ComponentKind.origin
    static var configuration: CommandConfiguration {
        commandConfiguration("Run an origin: it stores blobs and seeds them.")
    }
    @OptionGroup var options: ComponentOptions
    @Option(help: "The address that peers dial.")
    var peerIp: String?
    @Option(help: "Port for peers.")
    var peerPort: Int?
    @Option(help: "The name by which the other origins know this one.")
    var blobserverHostname: String?
    @Option(help: "Port of the blob server.")
    var blobserverPort: Int?
    @Option(help: "Where the origin stands, a label.")
    var zone: String?

    func configured() throws -> OriginConfiguration {
        var configuration = try loaded()
        configuration.host = options.host ?? configuration.host
        configuration.peerHost = options.host ?? configuration.peerHost
        configuration.peerIP = peerIp ?? configuration.peerIP
        configuration.peerPort = try peerPort.map(Port.checked) ?? configuration.peerPort
        configuration.port = try blobserverPort.map(Port.checked) ?? configuration.port
        if let blobserverHostname {
            let name = Endpoint(host: blobserverHostname, port: configuration.port)
            configuration.selfAddress = name.description
        }
        configuration.zone = zone ?? configuration.zone
        configuration.clusterName = options.cluster ?? configuration.clusterName
        return configuration
    }
    static func read(_ document: ConfigurationNode) throws -> OriginConfiguration {
        try OriginConfiguration(yaml: document)
    }
    static func make(
        _ configuration: OriginConfiguration,
        _ environment: ComponentEnvironment
    ) -> any Service {
        OriginComponent(configuration: configuration, environment: environment)
    }
}
