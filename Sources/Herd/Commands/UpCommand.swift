// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import Logging
import NIOPosix
import Primitives
import SwarmCore
import TUI
import Telemetry
import Terminal

/// `herd up`: the whole cluster in one process.
struct UpCommand: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "up",
            abstract: "Run a whole cluster in this process (the default)."
        )
    }

    @Option(help: "Number of agents: registries to pull from.")
    var agents = 3
    @Option(help: "Number of origins: they store blobs and seed them.")
    var origins = 3
    @Option(help: "Number of trackers: they introduce peers.")
    var trackers = 1
    @Option(help: "Number of build-indexes: they know tags.")
    var buildIndexes = 1
    @Option(help: "Number of proxies: registries to push to.")
    var proxies = 1
    @Option(help: "Directory for everything the herd writes; kept between runs.")
    var dataDir = ".herd"
    @Flag(help: "Empty the data directory first.")
    var fresh = false
    @Option(help: "Address to listen on.")
    var host = "127.0.0.1"
    @Flag(help: "Let anybody push who reaches --host, where that is not the loopback.")
    var anonymous = false
    @Option(help: "First port; the others follow from it.")
    var basePort = 15000
    @Flag(help: "Take any free ports instead.")
    var ephemeralPorts = false
    @Option(
        help:
            "Where blobs and tags are kept: file:/DIR, testfs://HOST:PORT/ROOT, or testfs to run one."
    )
    var backend: String?
    @Option(
        help: ArgumentHelp(
            "Mirror this registry: docker.io, or NAME=http://HOST:PORT; may be repeated.",
            valueName: "registry"
        )
    )
    var mirror: [MirrorOption] = []
    @Option(
        help: "The most each agent sends, and receives: 25MB/s.",
        transform: OptionValue.rate
    )
    var bandwidth: ByteRate?
    @Option(help: "The rules of swarms, of agents and origins: herd, or kraken for Kraken's own.")
    var policy = SwarmPolicy.Preset.herd
    @Option(help: "Spread the agents over this many zones (a label).")
    var zones = 0
    @Flag(
        name: .customLong("tls"),
        help: "Speak TLS everywhere, with certificates made below the data directory."
    )
    var isSecured = false
    @Flag(
        name: [.long, .customLong("no-tui")],
        help: "Status lines on standard error instead of the terminal UI."
    )
    var headless = false
    @Option(
        help:
            "Play a lesson once all are ready; with --headless, end with it: status 0 when it held."
    )
    var scenario: String?
    @OptionGroup var look: InterfaceOptions
    @Option(help: "Write this file once all components are ready.")
    var readyFile: String?
    @OptionGroup var logging: LogOptions

    mutating func validate() throws {
        let counts = [agents, origins, trackers, buildIndexes, proxies]
        for count in counts where !(1...ClusterOptions.countMax).contains(count) {
            throw ValidationError("a cluster has 1 to \(ClusterOptions.countMax) of each component")
        }
        guard (0...ClusterOptions.countMax).contains(zones) else {
            throw ValidationError("--zones is 0 to \(ClusterOptions.countMax)")
        }
        guard anonymous || LoopbackAddress.contains(host) else {
            throw ValidationError(
                "anybody who reaches \(host) could push; give --anonymous if that is meant"
            )
        }
        if let scenario { try Self.checkScenario(scenario) }
        guard (1...65535).contains(basePort) else {
            throw ValidationError("--base-port is 1 to 65535")
        }
    }

    private static func checkScenario(_ name: String) throws {
        do {
            _ = try Scenarios.named(name)
        } catch {
            throw ValidationError("\(error)")
        }
    }

    /// What the cluster is to be.
    var options: ClusterOptions {
        var options = ClusterOptions()
        options.counts = [
            .agent: agents, .origin: origins, .tracker: trackers, .buildIndex: buildIndexes,
            .proxy: proxies,
        ]
        options.dataDirectory = dataDir
        (options.host, options.basePort) = (host, basePort)
        options.usesEphemeralPorts = ephemeralPorts
        (options.backend, options.bandwidth, options.zones) = (backend, bandwidth, zones)
        (options.policy, options.mirrors) = (policy, mirror)
        options.isSecured = isSecured
        return options
    }

    func run() async throws {
        logging.apply()
        if hasTerminalUI { Backtraces.askNothing() }
        let directory = try DataDirectory(dataDir)
        let plan = try ClusterPlan(options: options, dataDirectory: directory.path)
        let factory = try ComponentFactory(plan: plan, dataDirectory: directory.path)
        if fresh { try directory.empty() }
        try directory.removeUnfinishedUploads()
        let files = ReadyFiles([readyFile, directory.stateFile].compactMap { $0 })
        // What an earlier, killed herd left must not be taken for this one's.
        files.remove(isFinal: false)
        let signals = await StopSignals {
            CrashGuard.restoreTerminal()
            files.remove()
        }
        let transport = isSecured ? try directory.transport(plan) : nil
        var resources = ProcessResources.start(logging, default: .warning)
        if let transport { resources = try await resources.secured(by: transport) }
        let shared = resources
        let report = ClusterReport(
            plan: plan,
            dataDirectory: directory.path,
            lines: shared.lines
        )
        report.starting()
        let supervisor = Supervisor(
            plan: plan,
            resources: shared,
            report: report,
            factory: factory
        )
        let control = supervisor.control(dataDirectory: directory.path)
        let faults = FaultDesk(control, eventLoop: shared.eventLoopGroup.next())
        let commands = ClusterCommands(control, faults: faults, resources: shared) {
            shared.lines.tell($0)
        }
        let interface = try makeInterface(commands, dataDirectory: directory.path)
        let session = HerdSession(
            supervisor: supervisor,
            plan: plan,
            signals: signals,
            files: files,
            transport: transport,
            recording: try shared.export { await supervisor.snapshots() },
            report: report,
            lines: shared.lines,
            interface: interface,
            sampler: HerdSampler(
                components: supervisor.components,
                faults: { faults.rows },
                images: interface == nil
                    ? nil : ImageDirectory { try await commands.document($0) },
                interval: interface == nil ? .seconds(1) : HerdSampler.interval
            ),
            lesson: scenario.map {
                Lesson(name: $0, endsHerd: interface == nil, commands: commands)
            }
        )
        let outcome = await session.run()
        faults.close()
        files.remove()
        if case .success = outcome { report.stopped() }
        await shared.shutdown()
        try outcome.get()
        try interface?.checkScript()
    }

    /// Whether the terminal is to be drawn on.
    private var hasTerminalUI: Bool {
        !headless && !look.isScripted && UserInterfaceLoop.obstacle == nil
    }

    /// The terminal UI, or the script in its place; nil without a terminal, or when none is wanted.
    private func makeInterface(
        _ commands: ClusterCommands,
        dataDirectory: String
    ) throws -> LiveInterface? {
        guard look.isScripted || hasTerminalUI else { return nil }
        let display = try look.display(logFile: dataDirectory + "/herd.log")
        return LiveInterface(on: display, recording: look.recordRun) {
            try await commands.perform($0)
        }
    }
}

/// The options about logs that several commands share.
struct LogOptions: ParsableArguments {
    @Option(
        help: "How much is logged: trace, debug, info, notice, warning, error or critical.",
        transform: OptionValue.logLevel
    )
    var logLevel: Logger.Level?
    @Option(
        help: "How lines on standard error are written: text, or json, one object a line.",
        transform: LogFormat.parse
    )
    var logFormat = LogFormat.text

    /// Makes all that is told on standard error have the chosen format.
    func apply() { LogFormat.current = logFormat }

    /// The chosen level, or `fallback`.
    func level(default fallback: Logger.Level) -> Logger.Level { logLevel ?? fallback }
}

/// Reads the values of options.
enum OptionValue {
    /// A level of the log.
    static func logLevel(_ text: String) throws -> Logger.Level {
        guard let level = Logger.Level(rawValue: text) else {
            throw ValidationError("\(text) is none of the levels trace to critical")
        }
        return level
    }

    /// A rate in bytes per second.
    static func rate(_ text: String) throws -> ByteRate {
        guard let rate = ByteRate(parsing: text) else {
            throw ValidationError("\(text) is no rate; write it like 25MB/s")
        }
        return rate
    }

    /// A kind of component.
    static func kind(_ text: String) throws -> ComponentKind {
        guard let kind = ComponentKind(rawValue: text) else {
            let kinds = ComponentKind.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("\(text) is none of \(kinds)")
        }
        return kind
    }
}

extension SwarmPolicy.Preset: ExpressibleByArgument {}
