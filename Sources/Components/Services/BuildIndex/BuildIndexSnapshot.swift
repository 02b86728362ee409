// SPDX-License-Identifier: Apache-2.0

import HTTPKit
import Telemetry

/// What `GET /status` tells of a build-index.
struct BuildIndexSnapshot: Sendable {
    let status: ComponentStatus
    let store: TagStore
    let writeBack: TagWriteBack
    let replication: TagReplication

    /// The build-index's state now.
    func snapshot() async -> ComponentSnapshot {
        var snapshot = status.snapshot()
        snapshot.queues = await writeBack.status() + (await replication.status())
        snapshot.tags = TagStatus(tagCount: await store.count, latest: await store.latestEntries)
        return snapshot
    }
}
