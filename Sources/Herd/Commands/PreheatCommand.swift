// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Content
import Logging
import Primitives
import Telemetry

/// `herd preheat REF`: has agents fetch an image before anybody asks them for it.
struct PreheatCommand: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "preheat",
            abstract: "Have agents fetch an image ahead, with progress.",
            discussion: """
                REF is HOST:PORT/REPOSITORY:TAG or …@DIGEST at a proxy or agent. Every agent fetches all of it through the \
                swarm: of a multi-platform image all platforms, unless one is chosen. Ends when all agents have all of it.
                """
        )
    }

    @Argument(help: "The image: 127.0.0.1:15000/demo/app:v1")
    var reference: String
    @Option(
        parsing: .upToNextOption,
        help: "Agents' HTTP addresses: http://127.0.0.1:16002; otherwise all of the running herd."
    )
    var agents: [String] = []
    @Option(help: "Fetch that platform of a multi-platform image only: linux/arm64")
    var platform: String?
    @Option(help: "The data directory of the running herd.")
    var dataDir = ".herd"
    @Flag(help: "Print what came of it as JSON.")
    var json = false
    @Flag(help: "Speak plain HTTP to hosts other than this one.")
    var plainHttp = false
    @OptionGroup var transport: TransportOptions
    @OptionGroup var logging: LogOptions

    func run() async throws {
        logging.apply()
        let reference = try ImageReference(reference, plainHTTP: plainHttp)
        let herd = try agents.isEmpty ? RunningHerd.find(dataDir) : nil
        let addresses = try agentAddresses(herd)
        let resources = try await transport.start(logging, herd: herd)
        let results: [PreheatResult]
        do {
            let registry = RegistryClient(reference, client: resources.client, pool: resources.pool)
            let blobs = try await blobs(registry)
            let preheat = Preheat(
                repository: reference.repository,
                blobs: blobs,
                http: resources.client,
                progress: PreheatProgress(agents: addresses.count, blobs: blobs)
            )
            results = await preheat.run(at: addresses)
        } catch {
            await resources.shutdown()
            throw (error as? RegistryFailure)?.failure ?? error
        }
        await resources.shutdown()
        if json {
            print(JSON.object([.init("agents", .array(results.map(\.json)))]).text)
        } else {
            for result in results { print(result.line) }
        }
        let failed = results.filter { $0.failure != nil }
        guard failed.isEmpty else {
            throw Failure(
                "\(failed.count) of \(results.count) agents do not have all of \(reference)",
                why: failed.map { "\($0.agent): \($0.failure ?? "")" }.joined(separator: "\n  ")
            )
        }
    }

    private func agentAddresses(_ herd: ReadyFile?) throws -> [String] {
        guard let herd else { return agents.map(RunningHerd.address) }
        let found = herd.components.filter { $0.kind == ComponentKind.agent.rawValue }
        guard !found.isEmpty else {
            throw Failure("there is nobody to preheat", why: "the running herd has no agents")
        }
        return found.compactMap { $0.addresses["http"] }
    }

    /// The image's manifests and blobs, each once.
    private func blobs(_ registry: RegistryClient) async throws -> [PreheatBlob] {
        var root = try await registry.document(registry.reference.name)
        var blobs: [PreheatBlob] = []
        if let platform, case .index = root.content {
            // Clients ask for the index first.
            blobs.append(PreheatBlob(name: .sha256(root.digest), bytes: root.bytes.count))
            root = try await PlatformChoice(platform).image(of: root, registry)
        }
        let contents = try await ImageContents(of: root) { child in
            try await registry.document(child.name.description)
        }
        blobs += contents.documents.map {
            PreheatBlob(name: .sha256($0.digest), bytes: $0.bytes.count)
        }
        return blobs + contents.blobs.map { PreheatBlob(name: $0.name, bytes: $0.bytes) }
    }
}
