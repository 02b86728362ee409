// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Content
import Files
import Logging
import Primitives

/// `herd push SOURCE REF`.
struct PushCommand: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "push",
            abstract: "Push an image from an OCI layout or a docker archive to a registry.",
            discussion: """
                SOURCE is a directory with an OCI image layout, oci:DIR[:TAG], oci-archive:FILE[:TAG] or \
                docker-archive:FILE[:REF]. REF is HOST:PORT/REPOSITORY:TAG.
                """
        )
    }

    @Argument(help: "The image on disk.")
    var source: String
    @Argument(help: "Where to push it: 127.0.0.1:15000/demo/app:v1")
    var reference: String
    @Flag(help: "Speak plain HTTP to hosts other than this one.")
    var plainHttp = false
    @OptionGroup var logging: LogOptions

    func run() async throws {
        let reference = try ImageReference(reference, plainHTTP: plainHttp)
        let image = try ImageSources.open(source)
        let resources = ProcessResources.start(logLevel: logging.level(default: .error))
        let registry = RegistryClient(reference, client: resources.client, pool: resources.pool)
        do {
            try await push(image, to: registry, resources)
        } catch {
            await resources.shutdown()
            throw (error as? RegistryFailure)?.failure ?? error
        }
        await resources.shutdown()
        print("\(reference.registry)/\(reference) \(image.root.digest)")
    }

    private func push(
        _ image: any ImageSource,
        to registry: RegistryClient,
        _ resources: ProcessResources
    ) async throws {
        let contents = try await ImageContents(of: image.root) { child in
            guard let stored = try image.content(child.digest) else {
                throw Failure(
                    "cannot push \(source)",
                    why: "the manifest \(child.digest) is missing"
                )
            }
            let bytes = try stored.read(upTo: Limits().manifestBytesMax)
            return try ImageDocument(bytes, at: "\(child.digest)")
        }
        let progress = TransferProgress("push")
        progress.begin(contents.blobs)
        try await Transfers.forEach(contents.blobs) { blob in
            try await Transfers.repeated {
                if try await registry.hasBlob(blob.digest) {
                    return progress.finish(blob, wasThere: true)
                }
                let stored = try await resources.pool.run { try verified(blob, in: image) }
                let attempt = TransferAttempt(progress)
                do {
                    try await registry.upload(stored, as: blob.digest, progress: attempt.add)
                } catch {
                    attempt.takeBack()
                    throw error
                }
                progress.finish(blob, wasThere: false)
            }
        }
        progress.end()
        for document in contents.documents {
            let isRoot = document.digest == image.root.digest
            let name = isRoot ? registry.reference.name : document.digest.description
            try await Transfers.repeated { try await registry.put(document, as: name) }
        }
    }

    /// The bytes of `blob`, once they are known to be the right ones.
    private func verified(_ blob: Descriptor, in image: any ImageSource) throws -> StoredBytes {
        guard let stored = try image.content(blob.digest) else {
            throw Failure("cannot push \(source)", why: "the blob \(blob.digest) is missing")
        }
        guard stored.range.count == blob.bytes, try Hashing.digest(of: stored) == blob.digest else {
            throw Failure(
                "cannot push \(source)",
                why: "the bytes of \(blob.digest) are others",
                remedy: "the image on disk is damaged: write it again"
            )
        }
        return stored
    }
}
