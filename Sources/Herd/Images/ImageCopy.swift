// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives

/// Copies an image between repositories: first its blobs, then the documents that name them.
struct ImageCopy: Sendable {
    /// Where it is.
    let source: RegistryClient
    /// Where it goes.
    let destination: RegistryClient

    /// Copies everything that the image consists of, as far as the destination lacks it; answers its manifest or index.
    func run(_ progress: TransferProgress) async throws -> ImageDocument {
        let root = try await source.document(source.reference.name)
        let contents = try await ImageContents(of: root) { child in
            try await source.document(child.name.description)
        }
        progress.begin(contents.blobs)
        try await Transfers.forEach(contents.blobs) { blob in
            try await Transfers.repeated { try await copy(blob, progress) }
        }
        progress.end()
        for document in contents.documents {
            let isRoot = document.name == root.name
            let name = isRoot ? destination.reference.name : document.name.description
            try await Transfers.repeated { try await destination.put(document, as: name) }
        }
        return root
    }

    private func copy(_ blob: Descriptor, _ progress: TransferProgress) async throws {
        let isMountable = source.reference.registry == destination.reference.registry
        let attempt = TransferAttempt(progress, blob)
        if try await destination.hasBlob(blob.name) {
            return progress.finish(blob, wasThere: true)
        }
        if isMountable {
            let isMounted = try await destination.mount(
                blob.name,
                from: source.reference.repository
            )
            if isMounted { return progress.finish(blob, wasThere: true) }
        }
        do {
            try await destination.upload(
                blob,
                from: try await source.stream(blob),
                progress: attempt.add
            )
        } catch {
            attempt.takeBack()
            throw error
        }
        progress.finish(blob, wasThere: false)
    }
}
