// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterClients
import HTTPKit
import Logging
import Primitives
import Telemetry

/// `herd queue`: what origins and build-indexes still have to do, and what they gave up.
struct QueueCommand: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "queue",
            abstract: "List, retry or drop what waits to be written back or replicated.",
            subcommands: [List.self, Retry.self, Drop.self]
        )
    }

    /// `herd queue list`.
    struct List: AsyncParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(abstract: "List tasks, those asked for first at the top.")
        }
        @OptionGroup var choice: QueueChoice
        @Flag(help: "Print the tasks as JSON.")
        var json = false
        @Option(help: "The most tasks to list of each component.")
        var limit = 1000
        @OptionGroup var logging: LogOptions

        func run() async throws {
            guard limit > 0 else { throw ValidationError("--limit must be positive") }
            let answers = try await choice.ask(logging) { client in
                try await tasks(client)
            }
            if json {
                let tasks = answers.flatMap { $0.value }
                let page = QueueTaskPage(tasks: tasks)
                print(String(decoding: try TelemetryJSON.encode(page), as: UTF8.self))
            } else {
                for line in QueueTable.lines(answers) { print(line) }
            }
        }

        private func tasks(_ client: QueueClient) async throws -> [QueueTask] {
            var (tasks, after): ([QueueTask], Int64?) = ([], 0)
            while let from = after, tasks.count < limit {
                let count = min(limit - tasks.count, 1000)
                let page = try await client.tasks(choice.filter, after: from, limit: count)
                tasks += page.tasks
                after = page.nextAfter
            }
            return tasks
        }
    }

    /// `herd queue retry`.
    struct Retry: AsyncParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(abstract: "Try tasks now, also those that were given up.")
        }
        @OptionGroup var choice: QueueChoice
        @Flag(help: "Every task, when none is chosen by another option.")
        var all = false
        @OptionGroup var logging: LogOptions

        func validate() throws { try choice.requireSome(all) }

        func run() async throws {
            let answers = try await choice.ask(logging) { try await $0.retry(choice.filter) }
            for (address, count) in answers { print("\(address): \(count) tried again") }
        }
    }

    /// `herd queue drop`.
    struct Drop: AsyncParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Drop tasks undone.",
                discussion: """
                    What a dropped write-back was to copy is in the cluster's caches only, and may be evicted from there: it can \
                    be lost for good. Tasks that run are left.
                    """
            )
        }
        @OptionGroup var choice: QueueChoice
        @Flag(help: "Every task, when none is chosen by another option.")
        var all = false
        @OptionGroup var logging: LogOptions

        func validate() throws { try choice.requireSome(all) }

        func run() async throws {
            let answers = try await choice.ask(logging) { try await $0.drop(choice.filter) }
            for (address, count) in answers { print("\(address): \(count) dropped") }
        }
    }
}

/// Which tasks of which components a command is about.
struct QueueChoice: ParsableArguments {
    @Option(help: "Tasks in that state: pending, running, failed or dead.", transform: Self.state)
    var state: QueueTask.State?
    @Option(help: "Tasks of that kind: write-back or replication.")
    var kind: String?
    @Option(help: "Tasks that go there: a backend or a remote.")
    var destination: String?
    @Option(help: "Tasks on that digest or tag.")
    var name: String?
    @Option(help: "The task with that number; needs one URL.")
    var id: Int64?
    @Option(help: "The data directory of the running herd.")
    var dataDir = ".herd"
    @OptionGroup var transport: TransportOptions
    @Argument(help: "Origins and build-indexes to ask instead: http://127.0.0.1:15002")
    var urls: [String] = []

    /// What the options choose.
    var filter: QueueFilter {
        QueueFilter(id: id, kind: kind, state: state, destination: destination, name: name)
    }

    func validate() throws {
        guard id == nil || urls.count == 1 else {
            throw ValidationError("--id counts per component: name the one URL it is of")
        }
    }

    /// Fails when nothing is chosen.
    func requireSome(_ all: Bool) throws {
        guard all || filter != QueueFilter() else {
            throw ValidationError(
                "choose tasks with --state, --kind, --destination, --name or --id, or say --all"
            )
        }
    }

    /// What each component answers to `body`, in order.
    /// - Throws: ``Failure`` when one did not answer; the others were asked all the same.
    func ask<Value: Sendable>(
        _ logging: LogOptions,
        _ body: @Sendable (QueueClient) async throws -> Value
    ) async throws -> [(address: String, value: Value)] {
        let herd = try urls.isEmpty ? RunningHerd.find(dataDir) : nil
        let addresses = addresses(herd)
        let resources = try await transport.start(logging, herd: herd)
        var answers: [(address: String, value: Value)] = []
        var failures: [String] = []
        for address in addresses {
            do {
                let client = QueueClient(address: address, http: resources.client)
                answers.append((address, try await body(client)))
            } catch { failures.append("\(error)") }
        }
        await resources.shutdown()
        guard failures.isEmpty else {
            throw Failure(
                "\(failures.count) of \(addresses.count) components did not answer",
                why: failures.joined(separator: "\n  ")
            )
        }
        return answers
    }

    private func addresses(_ herd: ReadyFile?) -> [String] {
        guard let herd else { return urls.map(RunningHerd.address) }
        let kinds = [ComponentKind.origin.rawValue, ComponentKind.buildIndex.rawValue]
        return herd.components.filter { kinds.contains("\($0.kind)") }
            .compactMap { $0.addresses["http"] }
    }

    private static func state(_ text: String) throws -> QueueTask.State {
        guard let state = QueueTask.State(rawValue: text) else {
            let states = QueueTask.State.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("\(text) is no state; there are \(states)")
        }
        return state
    }
}

/// A table of tasks for people.
enum QueueTable {
    /// A heading and one line for each task.
    static func lines(_ answers: [(address: String, value: [QueueTask])]) -> [String] {
        var rows = [
            [
                "COMPONENT", "ID", "STATE", "KIND", "NAME", "FAILS", "NEXT", "DESTINATION",
                "LAST ERROR",
            ]
        ]
        for (address, tasks) in answers {
            rows += tasks.map { task in
                [
                    address, "\(task.id)", task.state.rawValue, task.kind, task.name,
                    "\(task.failureCount)", next(task), task.destination, task.lastError ?? "",
                ]
            }
        }
        let widths = (0..<8).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = zip(row, widths).map { $0.padded(to: $1) } + [row[8]]
            return cells.joined(separator: "  ").printable
        }
    }

    private static func next(_ task: QueueTask) -> String {
        guard let next = task.nextAttemptAt else { return "-" }
        let seconds = (next.unixNanoseconds - Timestamp.now.unixNanoseconds) / 1_000_000_000
        return seconds <= 0 ? "now" : "in \(seconds) s"
    }
}
