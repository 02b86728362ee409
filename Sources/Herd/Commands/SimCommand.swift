// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Files
import Primitives
import Simulator
import TUI

/// `herd sim`: the shipped scheduler in a made-up cluster, in virtual time.
struct SimCommand: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "sim",
            abstract: "Simulate a cluster of thousands of hosts with the scheduler that ships.",
            discussion: """
                Presets: kraken (3 GB in two layers to 2600 hosts, Kraken's published benchmark), 15k (the same to \
                15,000 hosts), 100gb (100 GB to 10,000 hosts), zones (three zones with narrow links between them). \
                Options change the preset.

                Faults, separated by commas: crash:20%@5s..8s vanish:5%@3s restart:10s restart:10s/wiped slow:1%x10 \
                loss:1% disk:1% corrupt:1% partition:30%@5s..10s tracker-down:0@3s..8s origin-down:1@4s backend:2s. \
                See docs/simulator.md.

                With --tui, faults can also be switched on by hand (x, :kill agent-3). At the end the --faults \
                are printed that repeat the run, those by hand included.

                With --seeds, many small clusters are simulated one after the other, --agents may be a range, and \
                --faults random draws faults for each. Exit status 1 when an invariant was violated.
                """
        )
    }

    @Argument(help: "kraken, 15k, 100gb or zones.")
    var preset: String?
    @Option(help: "A file with one setting a line, named like these options: agents 500.")
    var scenario: String?
    @Option(help: "Agents; with --seeds also a range: 20..200.")
    var agents: String?
    @Option(help: "Origins.")
    var origins: String?
    @Option(help: "Origins that have each blob.")
    var replicas: String?
    @Option(help: "Trackers.")
    var trackers: String?
    @Option(help: "The size of a blob: 1.5GB; once for each blob of the image.")
    var blob: [String] = []
    @Option(help: "The length of a piece: 4MB.")
    var piece: String?
    @Option(help: "What each host sends, and receives, at most: 300MB/s.")
    var bandwidth: String?
    @Option(help: "What an origin sends at most, if that differs.")
    var originBandwidth: String?
    @Option(help: "The time a message takes: 0.5ms.")
    var latency: String?
    @Option(help: "Up to this much is added to it.")
    var jitter: String?
    @Option(help: "Zones that the hosts are dealt out to.")
    var zones: String?
    @Option(help: "The time a message takes between zones: 20ms.")
    var zoneLatency: String?
    @Option(help: "What a zone sends to others at most: 3GB/s.")
    var zoneBandwidth: String?
    @Option(help: "The agents begin within this time: 1s.")
    var join: String?
    @Option(help: "The time a tracker takes over an answer: 2ms.")
    var trackerResponse: String?
    @Option(help: "How often trackers want to hear from a peer: 3s.")
    var announceInterval: String?
    @Option(help: "The order of handouts: completeness or default.")
    var handoutOrder: String?
    @Option(help: "Virtual time after which incomplete downloads count as failed.")
    var deadline: String?
    @Option(help: "What goes wrong; `random` with --seeds.")
    var faults: String?
    @Option(help: "The rules of every scheduler: herd or kraken.")
    var policy: String?
    @Option(help: "Decides every random choice.")
    var seed: String?
    @Option(help: "Simulate a cluster for each seed: 1..1000.")
    var seeds: String?
    @Flag(help: "Print the result as one JSON object.")
    var json = false
    @Flag(help: "Add what uplinks did in each second of virtual time.")
    var timeline = false
    @Option(help: "Write what every scheduler did to this file, a JSON line each.")
    var record: String?
    @Flag(name: [.customLong("tui")], help: "Watch it in the terminal UI, in slow motion.")
    var tui = false
    @Option(help: "With --tui: seconds of virtual time for each second.")
    var pace = 0.1
    @OptionGroup var look: InterfaceOptions

    func run() async throws {
        do {
            if let seeds { return try soak(seeds) }
            if tui || look.isScripted { return try await watch(try plan()) }
            try simulate(try plan())
        } catch let error as PlanError {
            throw ValidationError("\(error)")
        }
    }

    // MARK: - The plan

    /// Options that are settings of a plan by the same name.
    private var settings: [(name: String, value: String?)] {
        [
            ("origins", origins), ("replicas", replicas), ("trackers", trackers), ("piece", piece),
            ("bandwidth", bandwidth), ("origin-bandwidth", originBandwidth), ("latency", latency),
            ("jitter", jitter), ("zones", zones), ("zone-latency", zoneLatency),
            ("zone-bandwidth", zoneBandwidth), ("join", join),
            ("tracker-response", trackerResponse), ("announce-interval", announceInterval),
            ("handout-order", handoutOrder), ("deadline", deadline), ("policy", policy),
        ]
    }

    /// The plan of one run.
    private func plan() throws -> SimulationPlan {
        var plan = try base(SimulationPlan())
        if let agents { try plan.set("agents", to: agents) }
        if let seed { try plan.set("seed", to: seed) }
        if let faults { try plan.set("fault", to: faults) }
        return try plan.validated()
    }

    /// `plan` with the preset, the scenario and the options that hold for every run.
    private func base(_ plan: SimulationPlan) throws -> SimulationPlan {
        var plan = plan
        if let preset {
            guard let known = SimulationPlan.Preset(rawValue: preset) else {
                let names = SimulationPlan.Preset.allCases.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("\(preset) is none of the presets \(names)")
            }
            plan = SimulationPlan(known)
        }
        if let scenario {
            guard let bytes = try AtomicFile.read(scenario, bytesMax: 1 << 20) else {
                throw Failure("cannot read the scenario", why: "\(scenario) does not exist")
            }
            try plan.apply(scenario: String(decoding: bytes, as: UTF8.self))
        }
        if !blob.isEmpty { plan.blobBytes = [] }
        for size in blob { try plan.set("blob", to: size) }
        for (name, value) in settings {
            if let value { try plan.set(name, to: value) }
        }
        return plan
    }

    // MARK: - Running

    private func watch(_ plan: SimulationPlan) async throws {
        guard pace > 0, pace <= 100 else { throw ValidationError("--pace is above 0, up to 100") }
        let desk = SimulationDesk()
        let source = try SimulationSource(plan, pace: pace, desk: desk)
        let interface = LiveInterface(on: try look.display(), recording: look.recordRun) {
            try await desk.perform($0)
        }
        let name = "simulation, seed \(plan.seed)"
        _ = await interface.runUntilSignal(name: name, source: .simulator, source)
        if let faults = desk.record { print("--seed \(plan.seed) --faults \(faults)") }
        try interface.checkScript()
    }

    private func simulate(_ plan: SimulationPlan) throws {
        let report = try SimulationRun.run(plan, recordingTo: record)
        if json {
            print(try report.json(hasTimeline: timeline))
        } else {
            for line in report.lines(hasTimeline: timeline) { print(line) }
        }
        guard report.result.isSound else {
            throw Failure(
                "\(report.result.violations.count) invariants were violated",
                why: report.violationLines.joined(separator: "\n  "),
                remedy: "the same options give the same run: it is reproduced by seed \(plan.seed)"
            )
        }
    }

    private func soak(_ seeds: String) throws {
        guard !json, record == nil, seed == nil else {
            throw ValidationError("--seeds goes with neither --seed, --json nor --record")
        }
        var base = try base(SimulationSoak.base)
        let isRandom = faults == "random"
        if let faults, !isRandom { try base.set("fault", to: faults) }
        let soak = SimulationSoak(
            base: base,
            seeds: try Self.range(seeds),
            agents: try agents.map(Self.range) ?? UInt64(base.agents)...UInt64(base.agents),
            hasRandomFaults: isRandom
        )
        try soak.run()
    }

    /// Reads `1..1000` and `7`.
    private static func range(_ text: String) throws -> ClosedRange<UInt64> {
        let parts = text.split(separator: ".", omittingEmptySubsequences: true)
        let numbers = parts.compactMap { UInt64($0) }
        guard numbers.count == parts.count, let first = numbers.first, let last = numbers.last,
            numbers.count <= 2, first <= last
        else { throw ValidationError("\(text) is no range; write it like 1..1000") }
        return first...last
    }
}
