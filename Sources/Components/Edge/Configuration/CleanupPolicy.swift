// SPDX-License-Identifier: Apache-2.0

import Primitives

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
