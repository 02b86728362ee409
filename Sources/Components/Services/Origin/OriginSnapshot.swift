// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import Files
import HTTPKit
import Logging
import Primitives
import Synchronization
import Telemetry

/// What `GET /status` tells of an origin.
final class OriginSnapshot: Sendable {
    private let blobs: OriginBlobs
    private let seeder: OriginSeeder
    private let environment: ComponentEnvironment
    private let start = ContinuousClock.now
    private let addresses = Mutex<[String: String]>([:])

    init(blobs: OriginBlobs, seeder: OriginSeeder, environment: ComponentEnvironment) {
        (self.blobs, self.seeder, self.environment) = (blobs, seeder, environment)
    }

    /// Notes where the origin listens: it serves from now on.
    func serve(at addresses: [String: String]) { self.addresses.withLock { $0 = addresses } }

    /// The origin's state now.
    func snapshot() async -> ComponentSnapshot {
        let addresses = addresses.withLock { $0 }
        var snapshot = ComponentSnapshot(
            kind: .origin,
            id: environment.id,
            health: addresses.isEmpty ? .starting : .ok,
            addresses: addresses,
            uptimeSeconds: start.duration(to: .now).seconds,
            counters: environment.counters.all()
        )
        snapshot.eventSequence = environment.events.lastSequence
        snapshot.gauges = ["refreshes_pending": Double(blobs.refresher.pendingCount)]
        snapshot.storage = await storage()
        snapshot.ring = blobs.ring.status()
        snapshot.queues = [await blobs.writeBack.status()]
        snapshot.swarms = await seeder.swarms()
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
