// SPDX-License-Identifier: Apache-2.0

package import ClusterClients
package import Content
package import Files
package import HTTPKit
package import NIOCore

/// Where a registry reads blobs: an agent's swarm, a proxy's origins.
///
/// Blobs are not scoped to repositories; the repository serves as the namespace that says which backend has them.
///
/// All calls may throw ``RegistryError``, which is answered as it is; anything else is answered with 500 and logged.
package protocol BlobSource: Sendable {
    /// The blob `digest`, whose bytes are not fetched yet; nil when there is none.
    func blob(_ digest: Digest, in repository: RepositoryName) async throws -> BlobContent?

    /// The size of the blob `digest`; nil when there is none.
    ///
    /// This is what a client asks before it uploads, so a source may say that there is none when it cannot find out.
    func blobSize(_ digest: Digest, in repository: RepositoryName) async throws -> Int?

    /// All bytes of the manifest `digest`, checked against it; nil when there is none.
    /// - Throws: ``RegistryError`` when it has more than `Limits.manifestBytesMax` bytes.
    func manifest(_ digest: Digest, in repository: RepositoryName) async throws -> [UInt8]?

    /// The SHA-512 of the bytes of the blob `digest`, all of which are read for it; nil when there is none.
    func sha512(of digest: Digest, in repository: RepositoryName) async throws -> SHA512Digest?
}

extension BlobSource {
    /// The size of what ``blob(_:in:)`` finds.
    package func blobSize(_ digest: Digest, in repository: RepositoryName) async throws -> Int? {
        try await blob(digest, in: repository)?.bytes
    }
}

/// A blob that can be read: how big it is and how its bytes are sent.
package struct BlobContent: Sendable {
    /// How the bytes come.
    package enum Body: Sendable {
        /// From a whole, verified file; `pin` is kept until the last byte is sent.
        case file(SharedFile, pin: (any Sendable)?)
        /// From parts of files that are written to the writer in order, as they are there.
        case fileParts(@Sendable (Range<Int>, FileBodyWriter) async throws -> Void)
        /// As buffers. Called before the answer's head is sent, so that what fails at once becomes an error answer.
        case buffers(
            @Sendable (Range<Int>) async throws -> any AsyncSequence<ByteBuffer, any Error>
                & Sendable
        )
    }

    /// The size of the blob.
    package let bytes: Int
    /// How the bytes come.
    package let body: Body

    /// A blob of `bytes` bytes.
    package init(bytes: Int, body: Body) { (self.bytes, self.body) = (bytes, body) }
}

/// Where a registry reads tags.
package protocol TagSource: Sendable {
    /// What `tag` names; nil when there is no such tag.
    func digest(of tag: QualifiedTag) async throws -> Digest?

    /// The page of `repository`'s tags that `page` asks for, in lexical order; nil when the repository is unknown.
    func tags(of repository: RepositoryName, page: PageRequest) async throws -> NamePage?

    /// The page of all repositories that `page` asks for, in lexical order.
    func repositories(page: PageRequest) async throws -> NamePage

    /// The page of what has `subject` as its subject in `repository`, after the referrer `last`; with `artifactType` of that
    /// type only.
    func referrers(
        of subject: ContentDigest,
        in repository: RepositoryName,
        artifactType: String?,
        after last: Digest?
    ) async throws -> ReferrerPage

    /// Whether the content `digest` was deleted from `repository`, whatever other repositories have it.
    func isDeleted(_ digest: Digest, in repository: RepositoryName) async throws -> Bool

    /// Those of `digests` of which ``isDeleted(_:in:)`` is true.
    func deleted(
        among digests: [Digest],
        in repository: RepositoryName
    ) async throws -> Set<Digest>
}

extension TagSource {
    package func deleted(
        among digests: [Digest],
        in repository: RepositoryName
    ) async throws -> Set<Digest> {
        try await deletedOneByOne(among: digests, in: repository)
    }

    /// The same, asked about each by itself.
    func deletedOneByOne(
        among digests: [Digest],
        in repository: RepositoryName
    ) async throws -> Set<Digest> {
        var deleted = Set<Digest>()
        for digest in digests where try await isDeleted(digest, in: repository) {
            deleted.insert(digest)
        }
        return deleted
    }

    /// The SHA-256 of what `digest` names in `repository`; nil when that is not known there.
    func resolve(_ digest: ContentDigest, in repository: RepositoryName) async throws -> Digest? {
        switch digest {
        case .sha256(let digest): digest
        case .sha512(let digest): try await resolve(digest, in: repository)
        }
    }

    /// What the SHA-512 `digest` stands for in `repository`; nil when that is not known there.
    func resolve(_ digest: SHA512Digest, in repository: RepositoryName) async throws -> Digest? {
        let tag = ReservedTag.alias(digest).tag
        return try await self.digest(of: QualifiedTag(repository: repository, tag: tag))
    }
}
