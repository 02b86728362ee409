// SPDX-License-Identifier: Apache-2.0

import HTTPKit
import Primitives
import Synchronization
import Telemetry

/// What `GET /status` tells of a build-index.
final class BuildIndexStatus: Sendable {
    private let environment: ComponentEnvironment
    private let store: TagStore
    private let writeBack: TagWriteBack
    private let start = ContinuousClock.now
    private let boundAddress = Mutex<String?>(nil)

    init(_ environment: ComponentEnvironment, store: TagStore, writeBack: TagWriteBack) {
        (self.environment, self.store, self.writeBack) = (environment, store, writeBack)
    }

    /// Where it listens; nil before it does.
    var address: String? { boundAddress.withLock { $0 } }

    func serve(at address: String) { boundAddress.withLock { $0 = address } }

    func snapshot() async -> ComponentSnapshot {
        let address = address
        var snapshot = ComponentSnapshot(
            kind: .buildIndex,
            id: environment.id,
            health: address == nil ? .starting : .ok,
            addresses: address.map { ["http": $0] } ?? [:],
            uptimeSeconds: start.duration(to: .now).seconds,
            counters: environment.counters.all()
        )
        snapshot.eventSequence = environment.events.lastSequence
        snapshot.queues = [await writeBack.status()]
        snapshot.tags = TagStatus(tagCount: await store.count, latest: await store.latestEntries)
        return snapshot
    }
}
