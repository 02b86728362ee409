// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
package import Primitives

/// Where a blob store keeps its files and when it removes them.
package struct BlobStoreConfiguration: Sendable {
    /// Uploads and temporary files; wiped at every start. On the same file system as the other two.
    package var uploadDirectory: String
    /// Unfinished downloads.
    package var downloadDirectory: String
    /// Whole blobs.
    package var cacheDirectory: String
    /// Whether labelled uploads outlive the process; all others are wiped when the store is opened.
    package var keepsUploads = false
    /// When blobs go.
    package var cleanup: CleanupPolicy
    /// The bounds that apply to stores: `uploadSessionsMax`, `metaInfoBytesMax` and others.
    package var limits: Limits

    /// Everything under `root`, in the folders `upload`, `download` and `cache`.
    package init(
        root: String,
        cleanup: CleanupPolicy = CleanupPolicy(),
        limits: Limits = Limits()
    ) {
        uploadDirectory = "\(root)/upload"
        downloadDirectory = "\(root)/download"
        cacheDirectory = "\(root)/cache"
        (self.cleanup, self.limits) = (cleanup, limits)
    }
}

/// What a clean-up did.
package struct CleanupReport: Sendable, Hashable {
    /// Blobs and unfinished downloads looked at.
    package var examinedCount = 0
    /// Bytes of all blobs and unfinished downloads looked at.
    package var examinedBytes = 0
    /// Blobs and unfinished downloads removed.
    package var deletedCount = 0
    /// Their bytes.
    package var deletedBytes = 0
    /// Uploads removed because nobody continued them.
    package var deletedUploadCount = 0
    /// Those that would have gone, had they not been in use.
    package var inUseCount = 0
    /// Those that would have gone, had they been written back.
    package var persistedCount = 0
    /// Whether the disk was over its high mark.
    package var isDiskFull = false

    /// Nothing done.
    package init() {}
}
