// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Content
import Files
import Logging
import Primitives

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
    @Flag(help: "Speak plain HTTP to hosts other than this one.")
    var plainHttp = false
    @OptionGroup var logging: LogOptions

    func run() async throws {
        logging.apply()
        let reference = try ImageReference(reference, plainHTTP: plainHttp)
        let (kind, path, name) = try ImagePath.parse(destination)
        guard kind != .ociArchive else {
            throw ValidationError("pull writes oci:DIR or docker-archive:FILE, no oci-archive")
        }
        let resources = ProcessResources.start(logging, default: .error)
        let registry = RegistryClient(reference, client: resources.client, pool: resources.pool)
        let digest: Digest
        do {
            digest = try await pull(registry, resources, kind, path, name)
        } catch {
            await resources.shutdown()
            throw (error as? RegistryFailure)?.failure ?? error
        }
        await resources.shutdown()
        print("\(path) \(digest)")
    }

    private func pull(
        _ registry: RegistryClient,
        _ resources: ProcessResources,
        _ kind: ImagePath.Kind,
        _ path: String,
        _ name: String?
    ) async throws -> Digest {
        let reference = registry.reference
        var root = try await registry.document(reference.name)
        let destination: any ImageDestination
        if kind == .dockerArchive {
            root = try await image(of: root, registry)
            guard case .image(let manifest) = root.content else {
                throw Failure("cannot archive \(reference)", why: "it is no image")
            }
            let called = name ?? "\(reference.repository):\(reference.tag?.name ?? "latest")"
            destination = try DockerArchiveWriter(path: path, manifest: manifest, name: called)
        } else {
            destination = try OCILayoutWriter(path: path)
        }
        let contents = try await ImageContents(of: root) { child in
            try await registry.document(child.digest.description)
        }
        let progress = TransferProgress("pull")
        progress.begin(contents.blobs)
        try await Transfers.forEach(contents.blobs) { blob in
            try await fetch(blob, registry, resources, destination, progress)
        }
        progress.end()
        let called = name ?? reference.tag?.name ?? reference.name
        try await resources.pool.run { try destination.finish(contents.documents, name: called) }
        return root.digest
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
                let attempt = TransferAttempt(progress)
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

    /// The image for one platform, where `document` is a list of them.
    private func image(
        of document: ImageDocument,
        _ registry: RegistryClient
    ) async throws -> ImageDocument {
        guard case .index(let index) = document.content else { return document }
        let wanted = platform ?? "linux/\(Self.architecture)"
        let match = index.manifests.first { child in
            guard let platform = child.platform else { return index.manifests.count == 1 }
            let name = "\(platform.system)/\(platform.architecture)"
            return name == wanted || "\(name)/\(platform.variant)" == wanted
        }
        guard let match else {
            throw Failure(
                "cannot archive \(registry.reference)",
                why: "it has no image for \(wanted)",
                remedy: "name another --platform, or pull to an OCI layout, which takes all of them"
            )
        }
        return try await registry.document(match.digest.description)
    }

    #if arch(arm64)
    private static let architecture = "arm64"
    #else
    private static let architecture = "amd64"
    #endif
}
