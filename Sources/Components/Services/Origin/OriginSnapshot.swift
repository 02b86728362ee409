// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import Files
import HTTPKit
import Logging
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
        var status = StorageStatus(
            blobCount: usage.blobCount,
            blobBytes: usage.blobBytes,
            unfinishedCount: blobs.store.uploadCount
        )
        do {
            let path = blobs.store.configuration.cacheDirectory
            let disk = try await environment.pool.run { try DiskUsage.of(path) }
            status.diskTotalBytes = disk.totalBytes
            status.diskFreeBytes = disk.totalBytes - disk.usedBytes
        } catch {
            environment.log.debug(
                "could not examine the disk",
                metadata: [LogKey.error: "\(error)"]
            )
        }
        return status
    }
}
