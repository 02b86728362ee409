// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import HTTPKit
import HTTPTypes
import Logging
import NIOCore
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
    @Argument(help: "Components to ask instead: http://127.0.0.1:16002")
    var urls: [String] = []
    @OptionGroup var logging: LogOptions

    /// Bytes of the largest snapshot that is read.
    static let snapshotBytesMax = 64 << 20

    func run() async throws {
        let addresses = try urls.isEmpty ? runningHerd() : urls.map(Self.base)
        let resources = ProcessResources.start(logLevel: logging.level(default: .error))
        let answers = await Self.ask(addresses, resources.client)
        await resources.shutdown()
        let snapshots = answers.compactMap(\.snapshot)
        if json {
            let cluster = ClusterSnapshot(components: snapshots)
            print(String(decoding: try TelemetryJSON.encode(cluster), as: UTF8.self))
        } else {
            for line in StatusTable.lines(snapshots) { print(line) }
        }
        let silent = answers.filter { $0.snapshot == nil }
        guard silent.isEmpty else {
            throw Failure(
                "\(silent.count) of \(answers.count) components did not answer",
                why: silent.map { "\($0.address): \($0.why)" }.joined(separator: "\n  ")
            )
        }
    }

    private func runningHerd() throws -> [String] {
        guard let herd = ReadyFile.read(dataDir + "/herd.json") else {
            throw Failure(
                "no herd runs on \(dataDir)",
                why: "\(dataDir)/herd.json is missing",
                remedy:
                    "start one with: herd up --data-dir \(dataDir); or name the components' URLs"
            )
        }
        return herd.components.compactMap { $0.addresses["http"].map { "http://\($0)" } }
    }

    /// `text` as the beginning of a URL: `host:port` is enough.
    private static func base(_ text: String) -> String {
        let url = text.contains("://") ? text : "http://\(text)"
        return url.hasSuffix("/") ? String(url.dropLast()) : url
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
            let request = ClientRequest(.get, address + "/status", timeout: .seconds(10))
            let body = try await client.collect(request, upTo: snapshotBytesMax).body
            answer.snapshot = try TelemetryJSON.decode(
                ComponentSnapshot.self,
                from: body.readableBytesView
            )
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
