// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import ClusterClients
import Content
import HTTPKit
import OrderedCollections
import Primitives

/// How blobs are cut: asked of the trackers once, however many clients want to know at a time.
actor MetaInfoDesk {
    private let trackers: TrackerRing
    private let store: BlobStore
    private let countMax: Int
    private var flights: [Digest: Task<MetaInfo, any Error>] = [:]
    /// What trackers said lately, oldest first: a client asks for a blob's size before it asks for the blob.
    private var recent: OrderedDictionary<Digest, MetaInfo> = [:]

    /// Documents kept in memory; each may have megabytes, so they are few.
    private static let recentMax = 64

    init(trackers: TrackerRing, store: BlobStore, limits: Limits) {
        (self.trackers, self.store) = (trackers, store)
        countMax = min(Self.recentMax, limits.metaInfoCacheMax)
    }

    /// The meta info of `digest`; waits while the origins fetch the blob from their backend.
    /// - Throws: `ClusterError`, `.notFound` when nobody has the blob.
    func metaInfo(of digest: Digest, namespace: Namespace) async throws -> MetaInfo {
        if let known = recent[digest] { return known }
        if let flight = flights[digest] { return try await flight.value }
        // A task of its own: the client that asked first may leave, the others still wait.
        let flight = Task { [trackers, store] in
            if let kept = try await store.metaInfo(of: digest) { return kept }
            return try await trackers.metaInfo(of: digest, namespace: namespace)
        }
        flights[digest] = flight
        defer { flights[digest] = nil }
        let metaInfo = try await flight.value
        recent[digest] = metaInfo
        while recent.count > countMax { recent.removeFirst() }
        return metaInfo
    }

    /// Forgets what is known of `digest`: the blob was deleted, and may be cut otherwise next time.
    func forget(_ digest: Digest) { recent[digest] = nil }
}
