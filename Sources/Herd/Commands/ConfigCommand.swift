// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Backends
import ClusterConfiguration
import Telemetry

/// `herd config`: what there is to do with configuration files.
struct ConfigCommand: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "config",
            abstract: "Check configuration files.",
            subcommands: [ConfigCheckCommand.self]
        )
    }
}

/// `herd config check FILE`.
struct ConfigCheckCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "check",
            abstract: "Check a component's configuration without starting it."
        )
    }

    @Argument(help: "The configuration, in YAML.")
    var file: String
    @Option(
        help: "The component it is for; otherwise its keys tell.",
        transform: OptionValue.kind
    )
    var component: ComponentKind?
    @Option(help: "A second file that is laid over the first.")
    var secrets: String?

    func run() throws {
        do {
            let document = try ConfigurationFile.load(file, secrets: secrets)
            guard let kind = try component ?? ComponentKind(configuration: document) else {
                throw ValidationError("cannot tell which component \(file) is for; use --component")
            }
            try Self.check(document, kind)
            for warning in document.warnings.all { StandardError.write("warning: \(warning)\n") }
            print("\(file): a valid configuration for \(kind.rawValue)")
        } catch let error as ConfigurationError {
            throw Failure("the configuration cannot be used", why: error.description)
        }
    }

    private static func check(_ document: ConfigurationNode, _ kind: ComponentKind) throws {
        switch kind {
        case .agent: _ = try AgentConfiguration(yaml: document)
        case .origin: try BackendCatalog.check(OriginConfiguration(yaml: document).backends)
        case .tracker: _ = try TrackerConfiguration(yaml: document)
        case .buildIndex:
            try BackendCatalog.check(BuildIndexConfiguration(yaml: document).backends)
        case .proxy: _ = try ProxyConfiguration(yaml: document)
        case .testfs: _ = try TestfsConfiguration(yaml: document)
        }
    }
}

extension ComponentKind {
    /// The kind whose configuration has keys that no other kind's has; nil when none is recognised.
    init?(configuration document: ConfigurationNode) throws {
        let keys = Set(try document.table().keys)
        let signs: [(ComponentKind, Set<String>)] = [
            (.tracker, ["trackerserver", "peerstore", "peerhandoutpolicy", "originstore"]),
            (.buildIndex, ["tagserver", "tag_types", "tag_store", "remotes", "tag_replication"]),
            (.origin, ["blobserver", "metainfogen", "blobrefresh", "hashring"]),
            (.agent, ["agentserver", "registry_backup", "tracker", "allowed_cidrs"]),
            (.proxy, ["registryoverride", "server", "build_index"]),
            (.testfs, ["directory", "file_bytes_max"]),
        ]
        guard let match = signs.first(where: { !$0.1.isDisjoint(with: keys) }) else { return nil }
        self = match.0
    }
}
