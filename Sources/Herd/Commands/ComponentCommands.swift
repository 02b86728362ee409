// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Backends
import BuildIndexService
import ClusterConfiguration
import HTTPKit
import Logging
import ProxyService
import Telemetry
import TestfsService
import TrackerService

/// The flags that every component has, with Kraken's names.
struct ComponentOptions: ParsableArguments {
    @Option(help: "The component's configuration, in YAML.")
    var config: String?
    @Option(help: "A second file that is laid over the first, for secrets.")
    var secrets: String?
    @Option(help: "Address to listen on.")
    var host: String?
    @Option(help: "The cluster's name, a label.")
    var cluster: String?
    @Option(help: ArgumentHelp("Has no effect; Kraken has it.", visibility: .hidden))
    var mutexProfileFraction: Int?
    @OptionGroup var logging: LogOptions

    /// The configuration file's content; an empty document when there is no file.
    func document() throws -> ConfigurationNode {
        guard let config else {
            guard let secrets else { return try ConfigurationFile.parse("", file: "") }
            return try ConfigurationFile.load(secrets)
        }
        return try ConfigurationFile.load(config, secrets: secrets)
    }
}

/// Runs a component by itself in this process.
protocol ComponentCommand: AsyncParsableCommand, Sendable {
    associatedtype Component: RunnableComponent
    static var kind: ComponentKind { get }
    var options: ComponentOptions { get }
    /// Lays the flags over what the file says.
    func apply(to configuration: inout Component.Configuration) throws
}

/// What a component's files and flags say.
struct LoadedConfiguration<Configuration: Sendable>: Sendable {
    /// What the component does.
    var configuration: Configuration
    /// What closes its connections.
    let transport: TransportSettings
    /// How much it logs.
    let logs: LogSettings
    /// The files.
    let document: ConfigurationNode
}

extension ComponentCommand {
    typealias Loaded = LoadedConfiguration<Component.Configuration>

    /// The configuration of this kind, for `static var configuration`.
    static func commandConfiguration(_ abstract: String) -> CommandConfiguration {
        CommandConfiguration(commandName: kind.rawValue, abstract: abstract)
    }

    /// Reads the file; what is wrong with it is a failure of the command, what has no effect a warning.
    private func loaded() throws -> Loaded {
        do {
            let document = try options.document()
            let configuration = try Component.Configuration(yaml: document)
            if let backed = configuration as? any BackedConfiguration {
                try BackendCatalog.check(backed.backends)
            }
            for warning in document.warnings.all {
                StandardError.tell("warning: \(warning)", level: .warning)
            }
            let transport = try TransportSettings(yaml: document)
            try Self.check(transport, configuration, document)
            return Loaded(
                configuration: configuration,
                transport: transport,
                logs: try LogSettings(yaml: document),
                document: document
            )
        } catch let error as ConfigurationError {
            throw Failure("cannot start the \(Self.kind.rawValue)", why: error.description)
        }
    }

    /// Fails where peers are to be known by an id that is another one at each start.
    private static func check(
        _ transport: TransportSettings,
        _ configuration: Component.Configuration,
        _ document: ConfigurationNode
    ) throws(ConfigurationError) {
        let factory =
            (configuration as? AgentConfiguration)?.peerIDFactory
            ?? (configuration as? OriginConfiguration)?.peerIDFactory
        guard transport.peers != .off, factory == .random else { return }
        throw document.defect(
            "peer_tls binds certificates to peer ids, and peer_id_factory is random",
            remedy:
                "set peer_id_factory: addr_hash, and certify the ids with: herd certs --peer IP:PORT"
        )
    }

    /// The configuration that the file and the flags make together, and what the file says of TLS and logs.
    func configured() throws -> Loaded {
        var loaded = try loaded()
        loaded.configuration.host = options.host ?? loaded.configuration.host
        try apply(to: &loaded.configuration)
        return loaded
    }

    func run() async throws {
        options.logging.apply()
        let loaded = try configured()
        let configuration = loaded.configuration
        // A copy of the command, which reads its files again.
        let command = self
        try await StandaloneComponent.run(
            Self.kind,
            options,
            loaded.transport,
            loaded.logs,
            loaded.document,
            read: {
                let loaded = try command.configured()
                return ReadAgain(
                    configuration: loaded.configuration,
                    logs: loaded.logs,
                    document: loaded.document
                )
            }
        ) { environment in
            // Named settings only: no secret is among them.
            let settings = configuration.settings + loaded.transport.settings + loaded.logs.settings
            environment.log.info(
                "effective configuration",
                metadata: Dictionary(settings.map { ($0.key, $0.value) }) { first, _ in first }
                    .mapValues { .string($0) }
            )
            return Component(configuration: configuration, environment: environment)
        }
    }
}

/// `herd testfs`.
struct TestfsCommand: ComponentCommand {
    typealias Component = TestfsComponent
    static let kind = ComponentKind.testfs
    static var configuration: CommandConfiguration {
        commandConfiguration("Run a test storage backend.")
    }
    @OptionGroup var options: ComponentOptions
    @Option(help: "Port to listen on.")
    var port: Int?

    func apply(to configuration: inout TestfsConfiguration) throws {
        configuration.port = try port.map(Port.checked) ?? configuration.port
    }
}

/// `herd tracker`.
struct TrackerCommand: ComponentCommand {
    typealias Component = TrackerComponent
    static let kind = ComponentKind.tracker
    static var configuration: CommandConfiguration {
        commandConfiguration("Run a tracker: it introduces peers.")
    }
    @OptionGroup var options: ComponentOptions
    @Option(help: "Port to listen on.")
    var port: Int?

    func apply(to configuration: inout TrackerConfiguration) throws {
        configuration.port = try port.map(Port.checked) ?? configuration.port
    }
}

/// `herd build-index`.
struct BuildIndexCommand: ComponentCommand {
    typealias Component = BuildIndexComponent
    static let kind = ComponentKind.buildIndex
    static var configuration: CommandConfiguration {
        commandConfiguration("Run a build-index: it knows tags.")
    }
    @OptionGroup var options: ComponentOptions
    @Option(help: "Port to listen on.")
    var port: Int?

    func apply(to configuration: inout BuildIndexConfiguration) throws {
        configuration.port = try port.map(Port.checked) ?? configuration.port
    }
}

/// `herd proxy`.
struct ProxyCommand: ComponentCommand {
    typealias Component = ProxyComponent
    static let kind = ComponentKind.proxy
    static var configuration: CommandConfiguration {
        commandConfiguration("Run a proxy: the registry to push to.")
    }
    @OptionGroup var options: ComponentOptions
    @Option(help: "Port of the registry.")
    var port: Int?
    @Option(help: "Port of the server for operators.")
    var serverPort: Int?
    @Flag(
        help: """
            Let anybody push and pull, on whatever address, unless the configuration sets access; \
            kraken-proxy always does.
            """
    )
    var anonymous = false

    func apply(to configuration: inout ProxyConfiguration) throws {
        configuration.registryPort = try port.map(Port.checked) ?? configuration.registryPort
        configuration.port = try serverPort.map(Port.checked) ?? configuration.port
        configuration.anonymousByDefault = anonymous
    }
}

/// Ports given as flags.
enum Port {
    /// `number`, if it is a port.
    static func checked(_ number: Int) throws -> Int {
        guard (1...65535).contains(number) else {
            throw ValidationError("\(number) is no port; ports are 1 to 65535")
        }
        return number
    }
}
