// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// A proxy's counters, looked up once.
struct ProxyCounters: Sendable {
    /// Tags put.
    let pushes: Counter
    /// Manifests and blobs asked for and found.
    let pulls: Counter
    /// Bytes of blobs received, acknowledged or not.
    let bytesPushed: Counter
    /// Bytes of blobs and manifests sent.
    let bytesPulled: Counter
    /// Uploads under way.
    let uploadSessions: Counter
    /// Uploads removed because nobody continued them.
    let uploadsExpired: Counter
    /// Blobs that the origins took.
    let blobsUploaded: Counter
    /// Their bytes.
    let bytesUploaded: Counter
    /// Blobs that an origin had stored when their last byte was in, but for the end.
    let uploadsFollowed: Counter
    /// Uploads of which an origin had a part that came to nothing.
    let followsGivenUp: Counter
    /// Blobs asked for and found.
    let blobsDownloaded: Counter
    /// Manifests that the origins took.
    let manifestsPut: Counter

    init(_ counters: Counters) {
        pushes = counters.counter("pushes")
        pulls = counters.counter("pulls")
        bytesPushed = counters.counter("bytes_pushed")
        bytesPulled = counters.counter("bytes_pulled")
        uploadSessions = counters.counter("upload_sessions")
        uploadsExpired = counters.counter("upload_sessions_expired")
        blobsUploaded = counters.counter("blobs_uploaded")
        bytesUploaded = counters.counter("bytes_uploaded")
        uploadsFollowed = counters.counter("uploads_followed")
        followsGivenUp = counters.counter("uploads_followed_in_vain")
        blobsDownloaded = counters.counter("blobs_downloaded")
        manifestsPut = counters.counter("manifests_put")
    }
}
