// SPDX-License-Identifier: Apache-2.0

import HTTPKit
import Telemetry

/// What `GET /status` tells of a tracker.
struct TrackerSnapshot: Sendable {
    let status: ComponentStatus
    let announces: AnnounceDesk

    /// Swarms named in a snapshot: what a screen shows, not all that are known.
    private static let swarmsMax = 256

    /// The tracker's state now.
    func snapshot() -> ComponentSnapshot {
        var snapshot = status.snapshot()
        snapshot.tracking = announces.status(latest: Self.swarmsMax)
        return snapshot
    }
}
