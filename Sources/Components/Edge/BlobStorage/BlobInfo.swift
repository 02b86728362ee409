// SPDX-License-Identifier: Apache-2.0

package import Content

/// What is known of a cached blob without opening it.
package struct BlobInfo: Hashable, Sendable {
    /// The blob.
    package let digest: Digest
    /// Its size.
    package let bytes: Int

    /// A blob `digest` of `bytes` bytes.
    package init(digest: Digest, bytes: Int) { (self.digest, self.bytes) = (digest, bytes) }
}

/// A cached blob as a scan of the disk finds it.
package struct BlobEntry: Hashable, Sendable {
    /// The blob.
    package let digest: Digest
    /// Its size.
    package let bytes: Int
    /// When its bytes were written, in Unix seconds.
    package let modifiedAt: Int64
    /// When it was last used, in Unix seconds, five minutes at most behind; ``modifiedAt`` when that is not known.
    package let lastUsedAt: Int64
    /// Whether it is not written back yet.
    package let isPersisted: Bool
}

/// What a commit does besides putting the blob into the cache.
package struct CommitOptions: Hashable, Sendable {
    /// The piece length of the meta info to be made; nil: none is made.
    package var pieceBytes: Int?
    /// Marks the blob, in the same step, as not written back yet.
    package var isPersisted: Bool
    /// The namespace to be remembered beside the blob.
    package var namespace: Namespace?
    /// Whether the commit returns only when the blob would survive a power cut. Off for what can be fetched again.
    package var isDurable: Bool

    /// A durable commit with meta info when `pieceBytes` is given.
    package init(
        pieceBytes: Int? = nil,
        isPersisted: Bool = false,
        namespace: Namespace? = nil,
        isDurable: Bool = true
    ) {
        (self.pieceBytes, self.isPersisted) = (pieceBytes, isPersisted)
        (self.namespace, self.isDurable) = (namespace, isDurable)
    }
}

/// Where the bytes of a blob that was asked for are or will be.
package enum DownloadTarget: Sendable {
    /// All of them are in the cache.
    case cached(CachedBlob)
    /// They are being fetched; what an earlier run of the process has fetched is there.
    case download(BlobDownload)
}
