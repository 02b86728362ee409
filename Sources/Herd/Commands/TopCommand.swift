// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Logging
import TUI
import Terminal

/// `herd top`: the terminal UI over components that run elsewhere.
struct TopCommand: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "top",
            abstract: "Watch a running herd, or the components at URLs, in the terminal UI."
        )
    }

    @Option(help: "The data directory of the running herd.")
    var dataDir = ".herd"
    @Argument(help: "Components to watch instead: http://127.0.0.1:16002")
    var urls: [String] = []
    @OptionGroup var look: InterfaceOptions
    @OptionGroup var logging: LogOptions

    func run() async throws {
        let herd = urls.isEmpty ? try RunningHerd.find(dataDir) : nil
        let display = try look.display()
        let resources = ProcessResources.start(logLevel: logging.level(default: .error))
        let registry = herd?.components.first { $0.kind == "proxy" }?.addresses["registry"]
        let source = RemoteSampler(
            urls: herd?.urls ?? urls.map(RunningHerd.url),
            client: resources.client,
            images: ImageDirectory { reference in
                guard let registry else {
                    throw Failure("cannot read \(reference)", why: "no proxy is known")
                }
                let image = try ImageReference("\(registry)/\(reference)", plainHTTP: true)
                return try await RegistryClient(
                    image,
                    client: resources.client,
                    pool: resources.pool
                ).document(image.name)
            }
        )
        let interface = LiveInterface(on: display, recording: look.recordRun) { _ in
            throw Failure("this can't be done", why: "the components run elsewhere")
        }
        let name = herd == nil ? "remote" : "herd"
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
        let url = text.contains("://") ? text : "http://\(text)"
        return url.hasSuffix("/") ? String(url.dropLast()) : url
    }
}

extension ReadyFile {
    /// The beginnings of the URLs of all components.
    var urls: [String] { components.compactMap { $0.addresses["http"].map { "http://\($0)" } } }
}
