// SPDX-License-Identifier: Apache-2.0

package import ClusterClients
package import Content
package import NIOCore

/// Where a registry puts blobs. What it has taken is durable when a call returns.
///
/// All calls may throw ``RegistryError``, which is answered as it is; anything else is answered with 500 and logged.
package protocol BlobSink: Sendable {
    /// Begins an upload to `repository`.
    /// - Throws: ``RegistryError/tooManyRequests(_:)`` at `Limits.uploadSessionsMax`.
    func startUpload(in repository: RepositoryName) async throws -> any BlobUpload

    /// The upload `id` to `repository`; nil when there is none, it has ended, or it belongs to another repository.
    func upload(_ id: String, in repository: RepositoryName) async throws -> (any BlobUpload)?

    /// Makes the blob `digest` of the repository `source` one of `repository`, too; false when there is no such blob.
    func mount(
        _ digest: Digest,
        from source: RepositoryName?,
        in repository: RepositoryName
    ) async throws -> Bool

    /// Stores the manifest `digest`, whose bytes were checked, if all of `references` are there, too.
    /// - Returns: false, with nothing stored, when they are not, or that can't be found out so: look for each, then
    ///   ``putManifest(_:as:in:)``.
    func putManifest(
        _ bytes: [UInt8],
        as digest: Digest,
        ifPresent references: [Digest],
        in repository: RepositoryName
    ) async throws -> Bool

    /// Stores the manifest `digest`, whose bytes were checked.
    func putManifest(
        _ bytes: [UInt8],
        as digest: Digest,
        in repository: RepositoryName
    ) async throws
}

/// A blob on its way in.
package protocol BlobUpload: Sendable {
    /// Its name, for the upload's URL.
    var id: String { get }
    /// How many bytes have been received.
    var bytesReceived: Int { get async }

    /// Appends `body`, which must begin at byte `start` unless that is nil; answers the bytes received altogether.
    ///
    /// What arrived before a body breaks off stays.
    /// - Throws: ``RegistryError/rangeInvalid(bytesReceived:)`` when `start` is not where the bytes received end.
    func append<Body: AsyncSequence & Sendable>(_ body: Body, at start: Int?) async throws -> Int
    where Body.Element == ByteBuffer

    /// Lets an SHA-512 run along with the bytes from here on, because the blob will be named so; without effect once there
    /// are bytes, which are then read again for it.
    func expectSHA512() async

    /// Ends the upload: checks that the bytes hash to `digest` and stores the blob durably.
    /// - Returns: its SHA-256.
    /// - Throws: ``RegistryError`` `.digestInvalid` when they do not; the upload has ended then, too.
    @discardableResult func commit(as digest: ContentDigest) async throws -> Digest

    /// Ends the upload and forgets its bytes.
    func cancel() async
}

/// Where a registry puts tags, and what else it remembers of repositories.
package protocol TagSink: Sendable {
    /// Makes `tag` name `digest` if `condition` is met. The manifest refers to `dependencies`, which were just seen to be there.
    /// - Returns: whether the manifest is known to have been deleted from the repository before; nil when that is not told.
    /// - Throws: ``RegistryError`` 412 when it is not, 409 when the tag may not move.
    func put(
        _ tag: QualifiedTag,
        _ digest: Digest,
        dependencies: [Digest],
        condition: TagCondition
    ) async throws -> Bool?

    /// The same, unless one of `dependencies` is known to have been deleted from the repository.
    /// - Returns: nil, with nothing done, when that can't be found out so: ask whether they were, then
    ///   ``put(_:_:dependencies:condition:)``.
    func put(
        _ tag: QualifiedTag,
        _ digest: Digest,
        unlessDeleted dependencies: [Digest],
        condition: TagCondition
    ) async throws -> TagPutOutcome?

    /// Removes `tag` if `condition` is met; false when there is no such tag.
    /// - Throws: ``RegistryError`` as ``put(_:_:condition:)``.
    func delete(_ tag: QualifiedTag, condition: TagCondition) async throws -> Bool

    /// Removes all tags in `repository` that name `digest`.
    /// - Throws: ``RegistryError`` 409 when one may not be removed.
    func deleteAll(naming digest: Digest, in repository: RepositoryName) async throws

    /// Remembers that the manifest `referrer` has `subject` as its subject, or has no more when `isGone`.
    func noteReferrer(
        _ referrer: Digest,
        of subject: Digest,
        in repository: RepositoryName,
        isGone: Bool
    ) async throws

    /// Remembers that the content `digest`, whose bytes were checked, has the name `alias` in `repository`, too.
    func noteAlias(
        _ alias: SHA512Digest,
        of digest: Digest,
        in repository: RepositoryName
    ) async throws

    /// Remembers that the manifest `digest` was pushed without a tag, or was deleted when `isGone`.
    func noteManifest(_ digest: Digest, in repository: RepositoryName, isGone: Bool) async throws

    /// Remembers that the content `digest` was deleted from `repository`, or that it is there again.
    func noteDeletion(
        of digest: Digest,
        in repository: RepositoryName,
        isUndone: Bool
    ) async throws
}
