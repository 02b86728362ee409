// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BuildIndexService
import ClusterConfiguration
import HTTPKit
import Logging
import ProxyService
import ServiceLifecycle
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

/// A component that runs by itself in this process.
protocol ComponentCommand: AsyncParsableCommand {
    associatedtype Configuration: Sendable
    static var kind: ComponentKind { get }
    var options: ComponentOptions { get }
    /// The configuration that the file and the flags make together.
    func configured() throws -> Configuration
    /// Reads a configuration file of this kind.
    static func read(_ document: ConfigurationNode) throws -> Configuration
    /// The component.
    static func make(
        _ configuration: Configuration,
        _ environment: ComponentEnvironment
    ) -> any Service
}

extension ComponentCommand {
    /// The configuration of this kind, for `static var configuration`.
    static func commandConfiguration(_ abstract: String) -> CommandConfiguration {
        CommandConfiguration(commandName: kind.rawValue, abstract: abstract)
    }

    /// Reads the file; what is wrong with it is a failure of the command, what has no effect a warning.
    func loaded() throws -> Configuration {
        do {
            let document = try options.document()
            let configuration = try Self.read(document)
            for warning in document.warnings.all { StandardError.write("warning: \(warning)\n") }
            return configuration
        } catch let error as ConfigurationError {
            throw Failure("cannot start the \(Self.kind.rawValue)", why: error.description)
        }
    }

    func run() async throws {
        let configuration = try configured()
        try await StandaloneComponent.run(Self.kind, options) { environment in
            // No configuration holds secrets yet; what will must be left out here.
            let text = Logger.MetadataValue.string("\(configuration)")
            environment.log.info("effective configuration", metadata: ["configuration": text])
            return Self.make(configuration, environment)
        }
    }
}

/// `herd testfs`.
struct TestfsCommand: ComponentCommand {
    static let kind = ComponentKind.testfs
    static var configuration: CommandConfiguration {
        commandConfiguration("Run a test storage backend.")
    }
    @OptionGroup var options: ComponentOptions
    @Option(help: "Port to listen on.")
    var port: Int?

    func configured() throws -> TestfsConfiguration {
        var configuration = try loaded()
        configuration.host = options.host ?? configuration.host
        configuration.port = try port.map(Port.checked) ?? configuration.port
        return configuration
    }
    static func read(_ document: ConfigurationNode) throws -> TestfsConfiguration {
        try TestfsConfiguration(yaml: document)
    }
    static func make(
        _ configuration: TestfsConfiguration,
        _ environment: ComponentEnvironment
    ) -> any Service {
        TestfsComponent(configuration: configuration, environment: environment)
    }
}

/// `herd tracker`.
struct TrackerCommand: ComponentCommand {
    static let kind = ComponentKind.tracker
    static var configuration: CommandConfiguration {
        commandConfiguration("Run a tracker: it introduces peers.")
    }
    @OptionGroup var options: ComponentOptions
    @Option(help: "Port to listen on.")
    var port: Int?

    func configured() throws -> TrackerConfiguration {
        var configuration = try loaded()
        configuration.host = options.host ?? configuration.host
        configuration.port = try port.map(Port.checked) ?? configuration.port
        return configuration
    }
    static func read(_ document: ConfigurationNode) throws -> TrackerConfiguration {
        try TrackerConfiguration(yaml: document)
    }
    static func make(
        _ configuration: TrackerConfiguration,
        _ environment: ComponentEnvironment
    ) -> any Service {
        TrackerComponent(configuration: configuration, environment: environment)
    }
}

/// `herd build-index`.
struct BuildIndexCommand: ComponentCommand {
    static let kind = ComponentKind.buildIndex
    static var configuration: CommandConfiguration {
        commandConfiguration("Run a build-index: it knows tags.")
    }
    @OptionGroup var options: ComponentOptions
    @Option(help: "Port to listen on.")
    var port: Int?

    func configured() throws -> BuildIndexConfiguration {
        var configuration = try loaded()
        configuration.host = options.host ?? configuration.host
        configuration.port = try port.map(Port.checked) ?? configuration.port
        return configuration
    }
    static func read(_ document: ConfigurationNode) throws -> BuildIndexConfiguration {
        try BuildIndexConfiguration(yaml: document)
    }
    static func make(
        _ configuration: BuildIndexConfiguration,
        _ environment: ComponentEnvironment
    ) -> any Service {
        BuildIndexComponent(configuration: configuration, environment: environment)
    }
}

/// `herd proxy`.
struct ProxyCommand: ComponentCommand {
    static let kind = ComponentKind.proxy
    static var configuration: CommandConfiguration {
        commandConfiguration("Run a proxy: the registry to push to.")
    }
    @OptionGroup var options: ComponentOptions
    @Option(help: "Port of the registry.")
    var port: Int?
    @Option(help: "Port of the server for operators.")
    var serverPort: Int?

    func configured() throws -> ProxyConfiguration {
        var configuration = try loaded()
        configuration.host = options.host ?? configuration.host
        configuration.registryPort = try port.map(Port.checked) ?? configuration.registryPort
        configuration.port = try serverPort.map(Port.checked) ?? configuration.port
        return configuration
    }
    static func read(_ document: ConfigurationNode) throws -> ProxyConfiguration {
        try ProxyConfiguration(yaml: document)
    }
    static func make(
        _ configuration: ProxyConfiguration,
        _ environment: ComponentEnvironment
    ) -> any Service {
        ProxyComponent(configuration: configuration, environment: environment)
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
