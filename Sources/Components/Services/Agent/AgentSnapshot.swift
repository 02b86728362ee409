// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import HTTPKit
import Primitives
import SwarmIO
import Synchronization
import Telemetry

/// What `GET /status` tells of an agent.
final class AgentSnapshot: Sendable {
    private let environment: ComponentEnvironment
    private let store: BlobStore
    private let seat: SwarmSeat
    private let start = ContinuousClock.now
    private let addresses = Mutex<[String: String]>([:])

    /// Listeners that an agent has.
    static let listenerCount = 3

    init(environment: ComponentEnvironment, store: BlobStore, seat: SwarmSeat) {
        (self.environment, self.store, self.seat) = (environment, store, seat)
    }

    /// Notes that the listener for `purpose` is bound to `address`; answers all that are bound so far.
    func serve(_ address: String, as purpose: String) -> [String: String] {
        addresses.withLock { addresses in
            addresses[purpose] = address
            return addresses
        }
    }

    /// Where the registry listens; nil before it does.
    var registryAddress: String? { addresses.withLock { $0["registry"] } }

    /// The agent's state now.
    func snapshot() async -> ComponentSnapshot {
        var addresses = addresses.withLock { $0 }
        addresses["peer"] = seat.address
        let swarms = await seat.driver.snapshot()
        var snapshot = ComponentSnapshot(
            kind: .agent,
            id: environment.id,
            health: addresses.count < Self.listenerCount ? .starting : .ok,
            addresses: addresses,
            uptimeSeconds: start.duration(to: .now).seconds,
            counters: environment.counters.all()
        )
        snapshot.eventSequence = environment.events.lastSequence
        snapshot.swarms = swarms.swarms
        let usage = store.usage
        snapshot.storage = StorageStatus(blobCount: usage.blobCount, blobBytes: usage.blobBytes)
        return snapshot
    }
}
