// SPDX-License-Identifier: Apache-2.0

import HTTPKit
import Telemetry

/// What `GET /status` tells of a build-index.
struct BuildIndexSnapshot: Sendable {
    let status: ComponentStatus
    let store: TagStore
    let writeBack: TagWriteBack
    let replication: TagReplication
    let neighbours: TagNeighbours

    /// The build-index's state now.
    func snapshot() async -> ComponentSnapshot {
        var snapshot = status.snapshot()
        let owed = await (writeBack.status(), replication.status(), neighbours.status())
        snapshot.queues = owed.0 + owed.1 + owed.2
        snapshot.tags = TagStatus(tagCount: await store.count, latest: await store.latestEntries)
        return snapshot
    }
}
