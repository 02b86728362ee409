// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import OriginService
import Telemetry

/// `herd origin`.
struct OriginCommand: ComponentCommand {
    typealias Component = OriginComponent
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

    func apply(to configuration: inout OriginConfiguration) throws {
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
    }
}
