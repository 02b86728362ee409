// SPDX-License-Identifier: Apache-2.0

import HTTPKit
import Primitives
import Synchronization
import Telemetry

/// What `GET /status` tells of a proxy.
final class ProxySnapshot: Sendable {
    private let environment: ComponentEnvironment
    private let start = ContinuousClock.now
    private let addresses = Mutex<[String: String]>([:])

    init(environment: ComponentEnvironment) { self.environment = environment }

    /// Notes that the listener for `purpose` is bound to `address`; answers all that are bound so far.
    func serve(_ address: String, as purpose: String) -> [String: String] {
        addresses.withLock { addresses in
            addresses[purpose] = address
            return addresses
        }
    }

    /// The proxy's state now.
    func snapshot() -> ComponentSnapshot {
        let addresses = addresses.withLock { $0 }
        var snapshot = ComponentSnapshot(
            kind: .proxy,
            id: environment.id,
            health: addresses.count < 2 ? .starting : .ok,
            addresses: addresses,
            uptimeSeconds: start.duration(to: .now).seconds,
            counters: environment.counters.all()
        )
        snapshot.eventSequence = environment.events.lastSequence
        return snapshot
    }
}

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
        blobsDownloaded = counters.counter("blobs_downloaded")
        manifestsPut = counters.counter("manifests_put")
    }
}
