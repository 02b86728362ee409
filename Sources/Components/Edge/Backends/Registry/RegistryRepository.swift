// SPDX-License-Identifier: Apache-2.0

package import Content
import HTTPKit
import HTTPTypes
import NIOCore

/// A repository of a registry that images are written to.
/// - Source: OCI distribution specification 1.1.
package struct RegistryRepository: Sendable {
    /// What it is called there.
    package let name: RepositoryName
    let destination: RegistryDestination

    var source: RegistrySource { destination.source }

    /// Manifests of any kind: what was put is compared, not used.
    private static let anyManifest = RegistrySource.manifestTypes + ", */*"

    /// What `reference`, a tag or a digest, names; nil when it names nothing.
    /// - Throws: ``BackendError``, here as in every call.
    package func digest(of reference: String) async throws -> Digest? {
        try await found {
            try await source.digest(of: reference, in: name, accept: Self.anyManifest)
        }
    }

    /// Whether there is the manifest `reference`.
    package func hasManifest(_ reference: ContentDigest) async throws -> Bool {
        let what = "look for the manifest \(reference) in \(name)"
        return try await has("manifests/\(reference)", what, accept: Self.anyManifest)
    }

    /// Whether there is something at `path` below the repository's URL.
    func has(_ path: String, _ what: String, accept: String? = nil) async throws -> Bool {
        try await found {
            try await exchange(what) { base in
                ClientRequest(
                    .head,
                    "\(base)/\(path)",
                    headers: try await source.headers(name.name, accept: accept)
                )
            }
        } != nil
    }

    /// The bytes of the manifest that `reference` names; nil when it names nothing.
    package func manifest(_ reference: String) async throws -> [UInt8]? {
        try await found {
            let (_, body) = try await exchange("read \(name):\(reference)") { base in
                ClientRequest(
                    .get,
                    "\(base)/manifests/\(reference)",
                    headers: try await source.headers(name.name, accept: Self.anyManifest)
                )
            }
            return Array(body.readableBytesView)
        }
    }

    /// What `read` gets; nil when the registry does not have it.
    private func found<Value>(_ read: () async throws -> Value) async throws -> Value? {
        do { return try await read() } catch let error as BackendError
            where error.code == .notFound
        { return nil }
    }

    /// Makes `reference`, a tag or the digest of `bytes`, name the manifest `bytes`.
    package func put(
        _ bytes: [UInt8],
        _ mediaType: ManifestMediaType,
        as reference: String
    ) async throws {
        _ = try await exchange("put \(name):\(reference)") { base in
            var headers = try await source.headers(name.name)
            headers[.contentType] = mediaType.rawValue
            return ClientRequest(
                .put,
                "\(base)/manifests/\(reference)",
                headers: headers,
                body: .bytes(ByteBuffer(bytes: bytes)),
                acceptedStatuses: [200, 201, 202]
            )
        }
    }

    /// Whether the registry keeps account of referrers itself; otherwise whoever pushes one has to put it into the index under
    /// the subject's referrers tag.
    package func listsReferrers(of subject: ContentDigest) async throws -> Bool {
        let what = "list the referrers of \(subject) in \(name)"
        let (response, body) = try await exchange(what) { base in
            ClientRequest(
                .get,
                "\(base)/referrers/\(subject)",
                headers: try await source.headers(
                    name.name,
                    accept: ManifestMediaType.ociIndex.rawValue
                ),
                acceptedStatuses: [200, 400, 404, 405, 406, 501]
            )
        }
        guard response.status.code == 200 else { return false }
        // A page for people at this address is no list.
        return (try? JSON(parsing: body.readableBytesView))?["manifests"] != nil
    }

    /// Sends what `make` says with the beginning of this repository's URLs.
    func exchange(
        _ what: String,
        by transport: BackendTransport? = nil,
        _ make: (_ base: String) async throws -> ClientRequest
    ) async throws -> (response: ClientResponse, body: ByteBuffer) {
        try await source.asking { base in
            try await (transport ?? source.transport).collect(what) {
                var request = try await make("\(base)/\(name)")
                request.timeout = max(request.timeout, source.settings.transport.timeout)
                return request
            }
        }
    }
}

// MARK: - Deletions

/// How a deletion ended.
package enum RegistryDeletion: Hashable, Sendable {
    /// It is gone.
    case done
    /// It was not there.
    case wasNotThere
    /// The registry does not delete it, and will not the next time.
    case refused(String)
}

extension RegistryRepository {
    /// Removes a tag, and nothing else.
    ///
    /// Registries that remove by digest only, as Docker's of version 2, are given a manifest of nothing under the tag, and then told
    /// to delete that: what the tag named may have other names.
    package func delete(_ tag: Tag) async throws -> RegistryDeletion {
        let outcome = try await delete(tag.name)
        guard case .refused = outcome else { return outcome }
        let placeholder = Self.placeholder(for: tag)
        let digest = Digest(hashing: placeholder).description
        // Without the tag first: where nothing is deleted, it must go on naming what it names.
        guard try await isDeleted(placeholder, digest, under: digest),
            try await isDeleted(placeholder, digest, under: tag.name)
        else { return outcome }
        return .done
    }

    /// Removes the manifest `digest` with all its tags.
    package func delete(_ digest: Digest) async throws -> RegistryDeletion {
        guard try await hasManifest(.sha256(digest)) else { return .wasNotThere }
        return try await delete(digest.description)
    }

    /// Whether `digest` is what is put under a tag that is about to be deleted.
    package func isPlaceholder(_ digest: Digest, of tag: Tag) -> Bool {
        digest == Digest(hashing: Self.placeholder(for: tag))
    }

    private static let emptyConfig = Array("{}".utf8)

    /// An artifact of nothing, another one for each tag.
    /// - Source: OCI image specification 1.1, "Guidance for an Empty Descriptor".
    private static func placeholder(for tag: Tag) -> [UInt8] {
        let empty = JSON.object([
            .init("mediaType", .string("application/vnd.oci.empty.v1+json")),
            .init("digest", .string(Digest(hashing: emptyConfig).description)),
            .init("size", .integer(emptyConfig.count)),
        ])
        return JSON.object([
            .init("schemaVersion", .integer(2)),
            .init("mediaType", .string(ManifestMediaType.ociManifest.rawValue)),
            .init("config", empty),
            .init("layers", .array([empty])),
            .init("annotations", .object([.init("deleted-tag", .string(tag.name))])),
        ]).utf8
    }

    /// Puts `placeholder` under `reference`, and deletes it by its digest; false when one of the two is refused.
    private func isDeleted(
        _ placeholder: [UInt8],
        _ digest: String,
        under reference: String
    ) async throws -> Bool {
        do {
            let config = ContentDigest.sha256(Digest(hashing: Self.emptyConfig))
            _ = try await send(config) {
                RegistryContent(ByteBuffer(bytes: Self.emptyConfig))
            }
            try await put(placeholder, .ociManifest, as: reference)
        } catch let error as BackendError where !error.mayPass { return false }
        return try await delete(digest) == .done
    }

    private func delete(_ reference: String) async throws -> RegistryDeletion {
        let accepted: Set = [200, 202, 204, 400, 403, 404, 405, 409, 501]
        do {
            let (response, body) = try await exchange("delete \(name):\(reference)") { base in
                ClientRequest(
                    .delete,
                    "\(base)/manifests/\(reference)",
                    headers: try await source.headers(name.name),
                    acceptedStatuses: accepted
                )
            }
            switch response.status.code {
            case 200, 202, 204: return .done
            case 404:
                // Unless it is the request that is not known there.
                guard try await digest(of: reference) != nil else { return .wasNotThere }
                return .refused("status 404, though it is there")
            default: return .refused("status \(response.status.code): \(body.excerpt)")
            }
        } catch let error as BackendError where error.code == .failed {
            // It was let look, or it would not have come to this: it is deleting that is not allowed.
            return .refused(error.description)
        }
    }
}
