// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import HTTPKit
import SwarmIO
import Telemetry

/// What `GET /status` tells of an origin.
struct OriginSnapshot: Sendable {
    let status: ComponentStatus
    let blobs: OriginBlobs
    let seeder: OriginSeeder
    let healer: Healer
    let environment: ComponentEnvironment

    /// The origin's state now.
    func snapshot() async -> ComponentSnapshot {
        var snapshot = status.snapshot()
        snapshot.gauges = ["refreshes_pending": Double(blobs.refresher.pendingCount)]
        snapshot.storage = await storage()
        snapshot.ring = blobs.ring.status()
        snapshot.ring?.healing = healer.status
        snapshot.queues = await blobs.writeBack.status()
        let seeds = await seeder.snapshot()
        (snapshot.swarms, snapshot.peerID) = (seeds.swarms, seeds.peerID)
        return snapshot
    }

    private func storage() async -> StorageStatus {
        let usage = blobs.store.usage
        let status = StorageStatus(
            blobCount: usage.blobCount,
            blobBytes: usage.blobBytes,
            unfinishedCount: blobs.store.uploadCount
        )
        return await environment.examined(
            status,
            in: blobs.store.configuration.cacheDirectory
        )
    }
}
