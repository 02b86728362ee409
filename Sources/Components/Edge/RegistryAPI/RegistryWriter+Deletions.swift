// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import HTTPKit
import HTTPTypes
import Hummingbird

extension RegistryWriter {
    /// Removes a tag; or a manifest, and with it all tags that name it and its place among its subject's referrers.
    func deleteManifest(
        _ name: RepositoryName,
        _ reference: ManifestReference,
        _ request: Request
    ) async throws -> Response {
        switch reference {
        case .tag(let tag):
            let tag = QualifiedTag(repository: name, tag: tag)
            let condition = try TagCondition(headers: request.headers)
            guard try await sink.tags.delete(tag, condition: condition) else {
                throw RegistryError.manifestUnknown(reference.description)
            }
        case .digest(let asked):
            guard let digest = try await tags.resolve(asked, in: name),
                try await !tags.isDeleted(digest, in: name),
                let bytes = try await blobs.manifest(digest, in: name),
                // Some other blob is no manifest, whatever it is asked for as.
                let manifest = try? ManifestDocument(parsing: bytes, limits: limits, aliases: [:])
            else { throw RegistryError.manifestUnknown(reference.description) }
            try await sink.tags.deleteAll(naming: digest, in: name)
            if let subject = manifest.subject?.name.key {
                try await sink.tags.noteReferrer(digest, of: subject, in: name, isGone: true)
            }
            try await sink.tags.noteManifest(digest, in: name, isGone: true)
            // Last: until then the request can be repeated.
            try await sink.tags.noteDeletion(of: digest, in: name, isUndone: false)
        }
        return .empty(.accepted)
    }

    /// Removes a blob from the repository; other repositories keep it.
    func deleteBlob(_ name: RepositoryName, _ asked: ContentDigest) async throws -> Response {
        guard let digest = try await tags.resolve(asked, in: name),
            try await !tags.isDeleted(digest, in: name),
            try await blobs.blobSize(digest, in: name) != nil
        else { throw RegistryError.blobUnknown(asked) }
        try await sink.tags.noteDeletion(of: digest, in: name, isUndone: false)
        return .empty(.accepted)
    }
}
