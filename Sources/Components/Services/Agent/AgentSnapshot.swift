// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import HTTPKit
import SwarmIO
import Telemetry

/// What `GET /status` tells of an agent.
struct AgentSnapshot: Sendable {
    let status: ComponentStatus
    let store: BlobStore
    let seat: SwarmSeat
    let environment: ComponentEnvironment

    /// The agent's state now.
    func snapshot() async -> ComponentSnapshot {
        let driver = await seat.driver.snapshot()
        var snapshot = status.snapshot()
        (snapshot.swarms, snapshot.peerID) = (driver.swarms, driver.peerID)
        let usage = store.usage
        snapshot.storage = await environment.examined(
            StorageStatus(blobCount: usage.blobCount, blobBytes: usage.blobBytes),
            in: store.configuration.cacheDirectory
        )
        return snapshot
    }
}
