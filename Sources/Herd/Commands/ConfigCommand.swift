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
            abstract: "Check and show configuration files.",
            subcommands: [ConfigCheckCommand.self, ConfigPrintCommand.self]
        )
    }
}

/// A component's configuration on the command line.
struct ConfigurationOptions: ParsableArguments {
    @Argument(help: "The configuration, in YAML.")
    var file: String
    @Option(
        help: "The component it is for; otherwise its keys tell.",
        transform: OptionValue.kind
    )
    var component: ComponentKind?
    @Option(help: "A second file that is laid over the first.")
    var secrets: String?

    /// Reads the files and checks everything in them; warnings go to standard error.
    func load() throws -> (kind: ComponentKind, settings: [SettingStatus]) {
        do {
            let document = try ConfigurationFile.load(file, secrets: secrets)
            guard let kind = try component ?? ComponentKind(configuration: document) else {
                throw ValidationError("cannot tell which component \(file) is for; use --component")
            }
            let transport = try TransportSettings(yaml: document)
            let logs = try LogSettings(yaml: document)
            let settings =
                try Self.settings(document, kind) + transport.settings + logs.settings
            for warning in document.warnings.all { StandardError.write("warning: \(warning)\n") }
            return (kind, settings)
        } catch let error as ConfigurationError {
            throw Failure("the configuration cannot be used", why: error.description)
        }
    }

    private static func settings(
        _ document: ConfigurationNode,
        _ kind: ComponentKind
    ) throws -> [SettingStatus] {
        switch kind {
        case .agent: return try AgentConfiguration(yaml: document).settings
        case .origin:
            let configuration = try OriginConfiguration(yaml: document)
            try BackendCatalog.check(configuration.backends)
            return configuration.settings
        case .tracker: return try TrackerConfiguration(yaml: document).settings
        case .buildIndex:
            let configuration = try BuildIndexConfiguration(yaml: document)
            try BackendCatalog.check(configuration.backends)
            try RegistryDestination.check(configuration.remotes)
            return configuration.settings
        case .proxy: return try ProxyConfiguration(yaml: document).settings
        case .testfs: return try TestfsConfiguration(yaml: document).settings
        }
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

    @OptionGroup var options: ConfigurationOptions

    func run() throws {
        let (kind, _) = try options.load()
        print("\(options.file): a valid configuration for \(kind.rawValue)")
    }
}

/// `herd config print FILE`.
struct ConfigPrintCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "print",
            abstract:
                "Print what a component's configuration sets, defaults included, without secrets."
        )
    }

    @OptionGroup var options: ConfigurationOptions

    func run() throws {
        for line in Self.lines(try options.load().settings) { print(line) }
    }

    /// A line a setting; those that nobody changed say so.
    static func lines(_ settings: [SettingStatus]) -> [String] {
        settings.map { "\($0.key): \($0.value)" + ($0.isChanged ? "" : "  # default") }
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
