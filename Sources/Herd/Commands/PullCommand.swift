// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Content
import Files
import Logging
import Primitives
import Telemetry

/// `herd pull REF DEST`.
struct PullCommand: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "pull",
            abstract: "Pull an image from a registry to an OCI layout or a docker archive.",
            discussion: """
                REF is HOST:PORT/REPOSITORY:TAG or …@DIGEST. DEST is a directory for an OCI image layout, \
                oci:DIR[:TAG], or docker-archive:FILE (a name that ends in .tar is one).
                """
        )
    }

    @Argument(help: "The image: 127.0.0.1:16000/demo/app:v1")
    var reference: String
    @Argument(help: "Where to put it.")
    var destination: String
    @Option(help: "Which image of a multi-platform one goes into a docker archive: linux/arm64")
    var platform: String?
    @Flag(
        help:
            "Print a receipt: where each blob came from, how long it took, how often it was tried."
    )
    var explain = false
    @Flag(help: "Print what was pulled as JSON.")
    var json = false
    @Option(
        help: "For --explain: the HTTP address of the agent pulled from, http://127.0.0.1:16002"
    )
    var agent: String?
    @Option(help: "For --explain without --agent: the data directory of the running herd.")
    var dataDir = ".herd"
    @Flag(help: "Speak plain HTTP to hosts other than this one.")
    var plainHttp = false
    @OptionGroup var transport: TransportOptions
    @OptionGroup var logging: LogOptions

    func run() async throws {
        logging.apply()
        let reference = try ImageReference(reference, plainHTTP: plainHttp)
        let (kind, path, name) = try ImagePath.parse(destination)
        guard kind != .ociArchive else {
            throw ValidationError("pull writes oci:DIR or docker-archive:FILE, no oci-archive")
        }
        let resources = try await transport.start(logging)
        let registry = RegistryClient(reference, client: resources.client, pool: resources.pool)
        let (start, progress) = (ContinuousClock.now, TransferProgress("pull"))
        var receipt: TransferReceipt
        do {
            let digest = try await pull(registry, resources, kind, path, name, progress)
            receipt = TransferReceipt(
                reference: reference,
                digest: digest,
                rows: progress.rows,
                took: start.duration(to: .now)
            )
            if explain {
                let sources = LayerSources(agent: try agentURL(reference), http: resources.client)
                receipt.sources = try await sources.ask(
                    // Agents are not told what an SHA-512 stands for.
                    about: progress.rows.compactMap {
                        if case .sha256(let digest) = $0.blob.name { digest } else { nil }
                    },
                    since: start
                )
            }
        } catch {
            await resources.shutdown()
            throw (error as? RegistryFailure)?.failure ?? error
        }
        await resources.shutdown()
        if json { return print(receipt.json.text) }
        if explain { for line in receipt.lines { print(line) } }
        print("\(path) \(receipt.digest)")
    }

    /// The HTTP address of the agent that is pulled from: the one named, or that of the running herd whose registry it is.
    private func agentURL(_ reference: ImageReference) throws -> String {
        if let agent { return RunningHerd.url(agent) }
        let registry = reference.host
        let found = try RunningHerd.find(dataDir).components.first {
            $0.kind == ComponentKind.agent.rawValue && $0.addresses["registry"] == registry
        }
        guard let address = found?.addresses["http"] else {
            throw Failure(
                "cannot tell where \(reference) came from",
                why: "\(registry) is no agent of the herd on \(dataDir)",
                remedy: "name the agent's HTTP address with --agent"
            )
        }
        return RunningHerd.url(address)
    }

    private func pull(
        _ registry: RegistryClient,
        _ resources: ProcessResources,
        _ kind: ImagePath.Kind,
        _ path: String,
        _ name: String?,
        _ progress: TransferProgress
    ) async throws -> ContentDigest {
        let reference = registry.reference
        var root = try await registry.document(reference.name)
        let destination: any ImageDestination
        if kind == .dockerArchive {
            root = try await PlatformChoice(platform).image(of: root, registry)
            guard case .image(let manifest) = root.content else {
                throw Failure("cannot archive \(reference)", why: "it is no image")
            }
            let called = name ?? "\(reference.repository):\(reference.tag?.name ?? "latest")"
            destination = try DockerArchiveWriter(path: path, manifest: manifest, name: called)
        } else {
            destination = try OCILayoutWriter(path: path)
        }
        let contents = try await ImageContents(of: root) { child in
            try await registry.document(child.name.description)
        }
        progress.begin(contents.blobs)
        try await Transfers.forEach(contents.blobs) { blob in
            try await fetch(blob, registry, resources, destination, progress)
        }
        progress.end()
        let called = name ?? reference.tag?.name ?? reference.name
        try await resources.pool.run { try destination.finish(contents.documents, name: called) }
        return root.name
    }

    private func fetch(
        _ blob: Descriptor,
        _ registry: RegistryClient,
        _ resources: ProcessResources,
        _ destination: any ImageDestination,
        _ progress: TransferProgress
    ) async throws {
        let pool = resources.pool
        guard let place = try await pool.run({ try destination.place(blob) }) else {
            return progress.finish(blob, wasThere: true)
        }
        do {
            try await Transfers.repeated {
                let attempt = TransferAttempt(progress, blob)
                do {
                    try await registry.download(
                        blob,
                        into: place.file,
                        at: place.offset,
                        progress: attempt.add
                    )
                } catch {
                    attempt.takeBack()
                    throw error
                }
            }
            try await pool.run { try destination.keep(place) }
        } catch {
            destination.drop(place)
            throw error
        }
        progress.finish(blob, wasThere: false)
    }
}
