// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Content
import Logging
import Primitives

/// `herd gc`: removes what nothing refers to, while the cluster runs.
struct CollectCommand: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "gc",
            abstract: "Remove blobs that no tag and no manifest refers to, while the cluster runs.",
            discussion: """
                Kept is what tags name, what was pushed by digest and not deleted, what these refer to, and what has one of \
                them as its subject. What nothing keeps goes once nobody has asked for it for the grace period. All origins and \
                build-indexes have to answer; whatever can't be found out ends the collection before anything is removed. \
                A pull or push at the same time is safe.
                """
        )
    }

    @Flag(help: "Only tell what would be removed.")
    var dryRun = false
    @Option(
        help:
            "How long nobody must have asked for a blob: 90s, 15m, 2h. A push may take that long.",
        transform: Self.duration
    )
    var grace = Duration.hours(1)
    @Flag(help: "Remove manifests without a tag, too, though they were pushed by digest.")
    var untagged = false
    @Flag(help: "Remove from the backends, too. Not where other clusters share them.")
    var backends = false
    @Flag(help: "Tell also what is kept, and by what.")
    var explain = false
    @Flag(help: "Print the report as JSON.")
    var json = false
    @Option(help: "The data directory of the running herd.")
    var dataDir = ".herd"
    @Argument(help: "All origins and build-indexes, instead: http://127.0.0.1:15002")
    var urls: [String] = []
    @OptionGroup var transport: TransportOptions
    @OptionGroup var logging: LogOptions

    /// A shorter grace period is less than a slow push may take.
    private static let graceAdvised = Duration.minutes(5)

    func run() async throws {
        logging.apply()
        let herd = try urls.isEmpty ? RunningHerd.find(dataDir) : nil
        let addresses = herd?.urls ?? urls.map(RunningHerd.url)
        if grace < Self.graceAdvised, !dryRun {
            StandardError.write(
                "herd gc: pushes that take longer than \(Int(grace.seconds)) s may have to be repeated\n"
            )
        }
        let resources = try await transport.start(logging, herd: herd)
        let report: CollectionReport
        do {
            let cluster = try await CollectionCluster(addresses, http: resources.client)
            let run = CollectionRun(
                cluster: cluster,
                grace: grace,
                isDryRun: dryRun,
                keepsUntagged: !untagged,
                sweepsBackends: backends
            )
            report = try await run.collect()
        } catch {
            await resources.shutdown()
            throw error
        }
        await resources.shutdown()
        if json {
            print(report.json(explaining: explain).text)
        } else {
            for line in report.lines(explaining: explain) { print(line) }
        }
    }

    private static func duration(_ text: String) throws -> Duration {
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let unit = text.last.flatMap({ units[$0] }), let count = Int(text.dropLast()),
            (0...1_000_000).contains(count)
        else { throw ValidationError("\(text) is no time; write it like 90s, 15m or 2h") }
        return .seconds(count * unit)
    }
}
