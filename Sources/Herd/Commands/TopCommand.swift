// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Files
import HTTPKit
import Logging
import TUI
import Telemetry
import Terminal

/// `herd top`: the terminal UI over components that run elsewhere.
struct TopCommand: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "top",
            abstract: "Watch a running herd, or the components at URLs, in the terminal UI.",
            discussion: """
                Components of Kraken's answer health checks only. Who has what of which blob, their \
                network-event logs tell: --events FILE… reads these as they grow, beside URLs or alone.
                """
        )
    }

    @Option(help: "The data directory of the running herd.")
    var dataDir = ".herd"
    @Argument(help: "Components to watch instead: http://127.0.0.1:16002")
    var urls: [String] = []
    @Option(
        parsing: .upToNextOption,
        help: "Network-event logs, Kraken's or Herd's, to follow as they grow."
    )
    var events: [String] = []
    @OptionGroup var look: InterfaceOptions
    @OptionGroup var transport: TransportOptions
    @OptionGroup var logging: LogOptions

    func run() async throws {
        logging.apply()
        // What follows --events may be the URLs.
        let urls = urls + events.filter { $0.contains("://") }
        let logs = events.filter { !$0.contains("://") }
        // Said before the screen is taken.
        for path in logs { _ = try SharedFile.openForReading(path) }
        let herd = urls.isEmpty && logs.isEmpty ? try RunningHerd.find(dataDir) : nil
        let display = try look.display()
        let resources = try await transport.start(logging, herd: herd)
        let registry = herd?.components.first { $0.kind == "proxy" }?.addresses["registry"]
        let source = RemoteSampler(
            urls: herd?.urls ?? urls.map(RunningHerd.url),
            client: resources.client,
            images: ImageDirectory { reference in
                guard let registry else {
                    throw Failure("cannot read \(reference)", why: "no proxy is known")
                }
                let image = try ImageReference(
                    ClientRequest.memberScheme + "\(registry)/\(reference)"
                )
                return try await RegistryClient(
                    image,
                    client: resources.client,
                    pool: resources.pool
                ).document(image.name)
            },
            logs: logs.isEmpty
                ? nil
                : RemoteSampler.Logs(
                    files: EventLogs(logs, isAlone: urls.isEmpty),
                    pool: resources.pool
                )
        )
        let interface = LiveInterface(on: display, recording: look.recordRun) { _ in
            throw Failure("this can't be done", why: "the components run elsewhere")
        }
        let file = logs.first?.split(separator: "/").last.map(String.init)
        let name = herd != nil ? "herd" : urls.isEmpty ? file ?? "remote" : "remote"
        _ = await interface.runUntilSignal(name: name, source: .remote, source)
        await resources.shutdown()
        try interface.checkScript()
    }
}

/// A herd that runs in another process, found by what it left in its data directory.
struct RunningHerd {
    /// What it left there.
    /// - Throws: ``Failure`` when no herd runs on `dataDirectory`.
    static func find(_ dataDirectory: String) throws -> ReadyFile {
        guard let herd = ReadyFile.read(dataDirectory + "/herd.json") else {
            throw Failure(
                "no herd runs on \(dataDirectory)",
                why: "\(dataDirectory)/herd.json is missing",
                remedy:
                    "start one with: herd up --data-dir \(dataDirectory); or name the components' URLs"
            )
        }
        return herd
    }

    /// `text` as the beginning of a URL: `host:port` is enough.
    static func url(_ text: String) -> String {
        let url = text.contains("://") ? text : ClientRequest.memberScheme + text
        return url.hasSuffix("/") ? String(url.dropLast()) : url
    }

    /// `text`, a URL's beginning or less, as `host:port`.
    static func address(_ text: String) -> String {
        let url = url(text)
        return url.firstRange(of: "://").map { String(url[$0.upperBound...]) } ?? url
    }
}

extension ReadyFile {
    /// The beginnings of the URLs of all components.
    var urls: [String] {
        components.compactMap { component in
            let isSecured = ComponentKind(rawValue: component.kind)?.speaksTLS ?? true
            let scheme = isSecured ? ClientRequest.memberScheme : "http://"
            return component.addresses["http"].map { scheme + $0 }
        }
    }
}
