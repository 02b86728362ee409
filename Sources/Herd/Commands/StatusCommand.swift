// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import HTTPKit
import Logging
import Primitives
import Telemetry

/// `herd status`: one look at every component.
struct StatusCommand: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "status",
            abstract: "Show how a running herd, or the components at URLs, are doing."
        )
    }

    @Flag(help: "Print the whole snapshot as JSON.")
    var json = false
    @Option(help: "The data directory of the running herd.")
    var dataDir = ".herd"
    @Flag(help: "Ask once and end, as it does anyway without --wait.")
    var once = false
    @Option(
        help: "Ask again until this holds, such as agents.complete==24.",
        transform: Self.condition
    )
    var wait: StatusCondition?
    @Option(help: "How long --wait waits: 60s.", transform: Self.timeout)
    var timeout = Duration.seconds(60)
    @Argument(help: "Components to ask instead: http://127.0.0.1:16002")
    var urls: [String] = []
    @OptionGroup var transport: TransportOptions
    @OptionGroup var logging: LogOptions

    /// How long a component may take to answer.
    private static let answerTimeout = Duration.seconds(10)

    func run() async throws {
        logging.apply()
        let herd = try urls.isEmpty ? RunningHerd.find(dataDir) : nil
        let addresses = herd?.urls ?? urls.map(RunningHerd.url)
        let resources = try await transport.start(logging, herd: herd)
        let answers = await answers(of: addresses, resources.client)
        await resources.shutdown()
        let snapshots = answers.compactMap(\.snapshot)
        if json {
            let cluster = ClusterSnapshot(components: snapshots)
            print(String(decoding: try TelemetryJSON.encode(cluster), as: UTF8.self))
        } else {
            for line in StatusTable.lines(snapshots) { print(line) }
        }
        if let wait, !wait.holds(in: snapshots) {
            throw Failure(
                "\(wait.text) does not hold after \(Int(timeout.seconds)) s",
                why: "the figure is \(wait.value(in: snapshots))"
            )
        }
        let silent = answers.filter { $0.snapshot == nil }
        guard silent.isEmpty else {
            throw Failure(
                "\(silent.count) of \(answers.count) components did not answer",
                why: silent.map { "\($0.address): \($0.why)" }.joined(separator: "\n  ")
            )
        }
    }

    private static func condition(_ text: String) throws -> StatusCondition {
        guard let condition = StatusCondition(text) else {
            throw ValidationError("\(text) is no condition; write it like agents.complete==24")
        }
        return condition
    }

    private static func timeout(_ text: String) throws -> Duration {
        guard text.hasSuffix("s"), let seconds = Double(text.dropLast()), seconds >= 0,
            seconds < 1e6
        else { throw ValidationError("\(text) is no time; write it like 60s") }
        return .milliseconds(Int(seconds * 1000))
    }

    /// The pause between two looks of `--wait`.
    private static let pause = Duration.milliseconds(200)

    /// What the components say: at once, or when what is waited for holds, or when time is up.
    private func answers(of addresses: [String], _ client: HTTPClient) async -> [Answer] {
        let end = ContinuousClock.now + timeout
        while true {
            let answers = await Self.ask(addresses, client)
            guard let wait, !wait.holds(in: answers.compactMap(\.snapshot)),
                ContinuousClock.now < end, !Task.isCancelled
            else { return answers }
            // Components do not tell when their figures change: they are asked at a rate.
            try? await Task.sleep(for: Self.pause)
        }
    }

    private struct Answer: Sendable {
        let address: String
        var snapshot: ComponentSnapshot?
        var why = ""
    }

    private static func ask(_ addresses: [String], _ client: HTTPClient) async -> [Answer] {
        await withTaskGroup(of: (Int, Answer).self) { group in
            for (index, address) in addresses.enumerated() {
                group.addTask { (index, await ask(address, client)) }
            }
            var answers: [(Int, Answer)] = []
            for await answer in group { answers.append(answer) }
            return answers.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    private static func ask(_ address: String, _ client: HTTPClient) async -> Answer {
        var answer = Answer(address: address)
        do {
            answer.snapshot = try await ComponentStatus.ask(
                address,
                client,
                within: answerTimeout
            )
            if answer.snapshot == nil { answer.why = "it has no /status" }
        } catch {
            answer.why = "\(error)"
        }
        return answer
    }
}

/// A table of components for people.
enum StatusTable {
    /// A heading and one line for each of `snapshots`.
    static func lines(_ snapshots: [ComponentSnapshot]) -> [String] {
        let rows = [["COMPONENT", "HEALTH", "UPTIME", "ADDRESSES", "NUMBERS"]] + snapshots.map(row)
        let widths = (0..<4).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = zip(row, widths).map { $0.padded(to: $1) } + [row[4]]
            return cells.joined(separator: "  ").printable
        }
    }

    private static func row(_ snapshot: ComponentSnapshot) -> [String] {
        let addresses = snapshot.addresses.sorted { $0.key < $1.key }.map {
            "\($0.key) \($0.value)"
        }
        let counters = snapshot.counters.filter { $0.value != 0 }.sorted { $0.key < $1.key }
        let numbers = counters.map { name, value in
            name.hasPrefix("bytes_") ? "\(name) \(ByteCount(value))" : "\(name) \(value)"
        }
        let health = snapshot.healthReason.map { "\(snapshot.health.rawValue): \($0)" }
        return [
            snapshot.id, health ?? snapshot.health.rawValue, "\(Int(snapshot.uptimeSeconds)) s",
            addresses.joined(separator: " "), numbers.joined(separator: ", "),
        ]
    }
}
