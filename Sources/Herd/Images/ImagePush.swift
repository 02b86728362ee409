// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import Primitives

/// Sends an image on disk to a registry: first its blobs, then the documents that name them.
struct ImagePush: Sendable {
    /// The image.
    let image: any ImageSource
    /// What it is called in messages.
    let name: String
    /// Where it goes.
    let registry: RegistryClient
    /// Where files are read.
    let pool: BlockingPool

    /// Everything that the image consists of.
    /// - Throws: ``Failure`` when a manifest is missing or damaged.
    func contents() async throws -> ImageContents {
        try await ImageContents(of: image.root) { child in
            guard let stored = try image.content(child.name) else {
                throw Failure("cannot push \(name)", why: "the manifest \(child.name) is missing")
            }
            let bytes = try await pool.run { try stored.read(upTo: Limits().manifestBytesMax) }
            return try ImageDocument(bytes, at: "\(child.name)", as: child.name)
        }
    }

    /// Sends `contents`, as far as the registry lacks it; `progress` hears of every part.
    func send(_ contents: ImageContents, _ progress: TransferProgress?) async throws {
        progress?.begin(contents.blobs)
        try await Transfers.forEach(contents.blobs) { blob in
            try await Transfers.repeated { try await send(blob, progress) }
        }
        progress?.end()
        for document in contents.documents {
            let isRoot = document.name == image.root.name
            let name = isRoot ? registry.reference.name : document.name.description
            try await Transfers.repeated { try await registry.put(document, as: name) }
        }
    }

    private func send(_ blob: Descriptor, _ progress: TransferProgress?) async throws {
        let attempt = progress.map { TransferAttempt($0, blob) }
        if try await registry.hasBlob(blob.name) {
            progress?.finish(blob, wasThere: true)
            return
        }
        let stored = try await pool.run { try verified(blob) }
        do {
            try await registry.upload(stored, as: blob.name) { attempt?.add($0) }
        } catch {
            attempt?.takeBack()
            throw error
        }
        progress?.finish(blob, wasThere: false)
    }

    /// The bytes of `blob`, once they are known to be the right ones.
    private func verified(_ blob: Descriptor) throws -> StoredBytes {
        guard let stored = try image.content(blob.name) else {
            throw Failure("cannot push \(name)", why: "the blob \(blob.name) is missing")
        }
        guard stored.range.count == blob.bytes, try Hashing.isRight(stored, as: blob.name) else {
            throw Failure(
                "cannot push \(name)",
                why: "the bytes of \(blob.name) are others",
                remedy: "the image on disk is damaged: write it again"
            )
        }
        return stored
    }
}
