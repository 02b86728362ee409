// SPDX-License-Identifier: Apache-2.0

import HTTPKit
import Primitives
import Synchronization
import Telemetry

/// What `GET /status` tells of a tracker.
final class TrackerSnapshot: Sendable {
    /// Swarms named in a snapshot: what a screen shows, not all that are known.
    private static let swarmsMax = 256

    private let environment: ComponentEnvironment
    private let announces: AnnounceDesk
    private let start = ContinuousClock.now
    private let addresses = Mutex<[String: String]>([:])

    init(environment: ComponentEnvironment, announces: AnnounceDesk) {
        (self.environment, self.announces) = (environment, announces)
    }

    /// Notes where the tracker listens: it serves from now on.
    func serve(at addresses: [String: String]) { self.addresses.withLock { $0 = addresses } }

    /// The tracker's state now.
    func snapshot() -> ComponentSnapshot {
        let addresses = addresses.withLock { $0 }
        var snapshot = ComponentSnapshot(
            kind: .tracker,
            id: environment.id,
            health: addresses.isEmpty ? .starting : .ok,
            addresses: addresses,
            uptimeSeconds: start.duration(to: .now).seconds,
            counters: environment.counters.all()
        )
        snapshot.eventSequence = environment.events.lastSequence
        snapshot.tracking = announces.status(latest: Self.swarmsMax)
        return snapshot
    }
}
