// SPDX-License-Identifier: Apache-2.0

package import Content
import HTTPKit
import HTTPTypes

/// What a client asks of the registry: wholly read and valid, before anything is done.
/// - Source: OCI distribution specification 1.1, "Endpoints".
package enum RegistryRequest: Hashable, Sendable {
    /// Whether this is a registry.
    case ping
    /// The names of all repositories.
    case repositories(PageRequest)
    /// The names of a repository's tags.
    case tags(RepositoryName, PageRequest)
    /// A manifest: GET and HEAD.
    case manifest(RepositoryName, ManifestReference)
    /// Store a manifest, and tag it unless it is named by its digest; a tagged one may be said to have that digest.
    case putManifest(RepositoryName, ManifestReference, digest: ContentDigest?)
    /// Remove a tag, or a manifest with all tags that name it.
    case deleteManifest(RepositoryName, ManifestReference)
    /// A blob: GET and HEAD.
    case blob(RepositoryName, ContentDigest)
    /// Remove a blob from the repository.
    case deleteBlob(RepositoryName, ContentDigest)
    /// The manifests that have another one as their subject.
    case referrers(RepositoryName, ReferrerRequest)
    /// Begin an upload.
    case startUpload(RepositoryName, UploadStart)
    /// How far an upload is.
    case uploadStatus(RepositoryName, id: String)
    /// Append a chunk.
    case appendChunk(RepositoryName, id: String, ChunkRange?)
    /// Append the last chunk, which may be empty, and store the blob.
    case finishUpload(RepositoryName, id: String, ContentDigest, ChunkRange?)
    /// Forget an upload.
    case cancelUpload(RepositoryName, id: String)

    /// Whether it needs a registry that can be written to.
    package var isWrite: Bool {
        switch self {
        case .ping, .repositories, .tags, .manifest, .blob, .referrers: false
        case .putManifest, .deleteManifest, .deleteBlob, .startUpload, .uploadStatus, .appendChunk,
            .finishUpload, .cancelUpload:
            true
        }
    }

    /// The template of its path, by which metrics and traces tell requests apart.
    package var route: String {
        switch self {
        case .ping: "/v2/"
        case .repositories: "/v2/_catalog"
        case .tags: "/v2/{name}/tags/list"
        case .manifest, .putManifest, .deleteManifest: "/v2/{name}/manifests/{reference}"
        case .blob, .deleteBlob: "/v2/{name}/blobs/{digest}"
        case .referrers: "/v2/{name}/referrers/{digest}"
        case .startUpload: "/v2/{name}/blobs/uploads/"
        case .uploadStatus, .appendChunk, .finishUpload, .cancelUpload:
            "/v2/{name}/blobs/uploads/{id}"
        }
    }

    /// The repository it concerns, if it concerns one.
    package var repository: RepositoryName? {
        switch self {
        case .ping, .repositories: nil
        case .tags(let name, _), .manifest(let name, _), .putManifest(let name, _, _),
            .deleteManifest(let name, _), .blob(let name, _), .deleteBlob(let name, _),
            .referrers(let name, _), .startUpload(let name, _), .uploadStatus(let name, _),
            .appendChunk(let name, _, _), .finishUpload(let name, _, _, _),
            .cancelUpload(let name, _):
            name
        }
    }
}

/// How a manifest is named.
package enum ManifestReference: Hashable, Sendable, CustomStringConvertible {
    case tag(Tag)
    case digest(ContentDigest)

    package var description: String {
        switch self {
        case .tag(let tag): tag.description
        case .digest(let digest): digest.description
        }
    }
}

/// Which referrers a client wants.
package struct ReferrerRequest: Hashable, Sendable {
    /// Whose; nil when its digest is of an algorithm that nothing is stored under.
    package let subject: ContentDigest?
    /// Of which type only.
    package var artifactType: String?
    /// Those up to and including this one are left out.
    package var last: Digest?
}

/// How an upload begins.
package enum UploadStart: Hashable, Sendable {
    /// Bytes follow in further requests; `isSHA512` when the client says that it will name the blob so.
    case session(isSHA512: Bool = false)
    /// The body is the whole blob.
    case whole(ContentDigest)
    /// The blob may be there already, in that repository or in any.
    case mount(ContentDigest, from: RepositoryName?)
}

/// Which bytes of a blob a chunk claims to be.
package struct ChunkRange: Hashable, Sendable {
    /// Offset of the first byte.
    package let start: Int
    /// How many bytes.
    package let count: Int

    /// Reads `<first>-<last>`, both inclusive, with or without the `bytes` and total that RFC 9110 has around them.
    package init?(parsing text: String) {
        var range = text.filter { $0 != " " }[...]
        if range.hasPrefix("bytes") { range = range.dropFirst(5) }
        if let slash = range.firstIndex(of: "/") { range = range[..<slash] }
        let parts = range.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let first = Self.offset(parts[0]), let last = Self.offset(parts[1]),
            first <= last
        else { return nil }
        (start, count) = (first, last - first + 1)
    }

    private static func offset(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int(text).flatMap { $0 < Int.max ? $0 : nil }
    }
}
