// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import ClusterClients
import ClusterConfiguration
import Content
import HTTPKit
import Logging
import Primitives
import Telemetry

/// Copies blobs to the other origins that own them.
struct Replicator: Sendable {
    let store: BlobStore
    let ring: OriginRing
    let configuration: OriginConfiguration
    let environment: ComponentEnvironment

    /// Why a copy is made, and so what its receiver does with it.
    enum Reason: String {
        /// A client has uploaded the blob here: the copies are written back, later, should this origin fail to.
        case upload
        /// It was fetched from the backend: the copies are only kept.
        case refresh
    }

    /// Copies `digest` to its other owners at once, and waits for all of them. A failure is reported, not thrown: the blob
    /// is safe here, and the owner that lacks it fetches it from the backend.
    func replicate(_ digest: Digest, _ namespace: Namespace, _ reason: Reason) async {
        let owners = ring.otherOwners(of: digest)
        guard !owners.isEmpty else { return }
        let blob: CachedBlob
        do {
            guard let cached = try await store.cachedBlob(digest) else { return }
            blob = cached
        } catch {
            return report(error, digest, to: owners.joined(separator: ","))
        }
        await withDiscardingTaskGroup { group in
            for (index, owner) in owners.enumerated() {
                group.addTask { await self.copy(blob, namespace, to: owner, index, reason) }
            }
        }
    }

    private func copy(
        _ blob: CachedBlob,
        _ namespace: Namespace,
        to owner: String,
        _ index: Int,
        _ reason: Reason
    ) async {
        let start = ContinuousClock.now
        let purpose: UploadPurpose =
            switch reason {
            case .upload:
                .duplicate(delay: configuration.duplicateWriteBackStagger * (index + 1))
            case .refresh: .transfer
            }
        do {
            try await OriginClient(address: owner, http: environment.httpClient).upload(
                blob.digest,
                namespace: namespace,
                from: .file(blob.file, 0..<blob.bytes),
                purpose: purpose
            )
            environment.counters.counter("blobs_replicated").add()
            environment.events.record(
                ClusterEvent(
                    .replicationDone,
                    blob: blob.digest,
                    bytes: blob.bytes,
                    tookMilliseconds: Int(start.duration(to: .now).seconds * 1000),
                    reason: reason.rawValue,
                    detail: ["to": owner]
                )
            )
        } catch {
            report(error, blob.digest, to: owner)
        }
    }

    private func report(_ error: any Error, _ digest: Digest, to owner: String) {
        environment.counters.counter("blobs_replication_failed").add()
        environment.log.warning(
            "could not copy a blob to another origin",
            metadata: [
                LogKey.blobDigest: "\(digest)", LogKey.ringMember: "\(owner)",
                LogKey.error: "\(error)",
            ]
        )
        environment.events.record(
            ClusterEvent(
                .replicationFailed,
                blob: digest,
                reason: "\(error)",
                detail: ["to": owner]
            )
        )
    }
}
