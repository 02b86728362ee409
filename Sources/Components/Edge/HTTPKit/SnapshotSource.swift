// SPDX-License-Identifier: Apache-2.0

import Synchronization
package import Telemetry

/// How to look at a component without asking it over HTTP: what `GET /status` answers, before it is written down.
package final class SnapshotSource: Sendable {
    private let take = Mutex<(@Sendable () async -> ComponentSnapshot)?>(nil)

    /// A source of nothing yet.
    package init() {}

    /// Leaves `snapshot` as the way to look at the component, until it is restarted or ``withdraw()``n.
    package func provide(_ snapshot: @escaping @Sendable () async -> ComponentSnapshot) {
        take.withLock { $0 = snapshot }
    }

    /// The component has ended: there is nothing to look at.
    package func withdraw() { take.withLock { $0 = nil } }

    /// The component's state now; nil while there is none.
    package func snapshot() async -> ComponentSnapshot? {
        let take = take.withLock { $0 }
        return await take?()
    }
}
