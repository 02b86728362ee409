// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import Logging

/// How a command asks servers over TLS, in curl's words.
struct TransportOptions: ParsableArguments {
    @Option(
        name: .customLong("cacert"),
        help: ArgumentHelp(
            "Speak TLS to the cluster; these authorities, in PEM, may vouch for it besides the system's.",
            valueName: "file"
        )
    )
    var authorities: String?
    @Option(
        name: .customLong("cert"),
        help: ArgumentHelp("Show this certificate, in PEM.", valueName: "file")
    )
    var certificate: String?
    @Option(
        name: .customLong("key"),
        help: ArgumentHelp("The certificate's private key, in PEM.", valueName: "file")
    )
    var key: String?
    @Option(
        name: .customLong("server-name"),
        help: ArgumentHelp(
            "The name in servers' certificates, whatever host is asked: tls.name of the cluster.",
            valueName: "name"
        )
    )
    var serverName: String?

    func validate() throws {
        guard (certificate == nil) == (key == nil) else {
            throw ValidationError("--cert and --key go together")
        }
    }

    /// How servers are asked; nil: nothing was said. What `herd` left in its data directory holds where nothing is.
    private func settings(_ herd: ReadyFile?) -> TransportSettings? {
        guard authorities != nil || certificate != nil || serverName != nil else {
            return herd?.transport
        }
        var settings = TransportSettings()
        settings.isClientSecure = true
        settings.name = serverName
        settings.authorities = authorities.map { [$0] } ?? []
        if let certificate, let key {
            settings.client = .init(certificate: certificate, key: key)
        }
        return settings
    }

    /// The process's resources for a command that asks servers; `herd` is the running one it found, if it looked.
    /// - Throws: ``Failure`` when a file can't be used.
    func start(_ logging: LogOptions, herd: ReadyFile? = nil) async throws -> ProcessResources {
        let resources = ProcessResources.start(logging, default: .error)
        guard let settings = settings(herd) else { return resources }
        return try await resources.secured(by: settings, isForAll: true)
    }
}
