// SPDX-License-Identifier: Apache-2.0

package import Primitives

/// Where a blob store keeps its files and when it removes them.
package struct BlobStoreConfiguration: Sendable {
    /// Uploads and temporary files; wiped at every start. On the same file system as the other two.
    package var uploadDirectory: String
    /// Unfinished downloads.
    package var downloadDirectory: String
    /// Whole blobs.
    package var cacheDirectory: String
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

/// When the clean-up removes blobs; it never removes one that is in use or not written back.
/// - Source: uber/kraken lib/store/cleanup.go, whose keys and defaults these are.
package struct CleanupPolicy: Sendable, Hashable {
    /// Whether nothing is ever removed (`disabled`).
    package var isDisabled = false
    /// The time between two clean-ups (`interval`).
    package var interval = Duration.minutes(30)
    /// A blob that was not used for so long goes (`tti`).
    package var timeToIdle = Duration.hours(6)
    /// A blob so old goes, used or not; nil: no blob is too old (`ttl`).
    package var timeToLive: Duration?
    /// From so many per cent of the disk in use on, more is removed; nil: never (`aggressive_threshold`).
    package var diskHighPercent: Int?
    /// Then the least recently used blobs go until only so many per cent are in use (`aggressive_lower_threshold`);
    /// nil: then blobs older than ``aggressiveTimeToLive`` go instead.
    package var diskLowPercent: Int?
    /// The age from which on blobs go while the disk is too full (`aggressive_ttl`).
    package var aggressiveTimeToLive = Duration.hours(1)

    /// The defaults.
    package init() {}
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
