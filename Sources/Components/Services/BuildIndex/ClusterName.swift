// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import ClusterConfiguration
import Synchronization

/// What other clusters know this one by: its origins, as long as the configuration says no other name.
final class ClusterName: Sendable {
    private let names: Mutex<[String]>

    init(_ configuration: BuildIndexConfiguration) { names = Mutex(Self.names(configuration)) }

    /// Takes what `configuration` says from now on.
    func replace(_ configuration: BuildIndexConfiguration) {
        names.withLock { $0 = Self.names(configuration) }
    }

    private static func names(_ configuration: BuildIndexConfiguration) -> [String] {
        (configuration.originName.map { [$0] } ?? configuration.origins).map(HostNames.plain)
    }

    /// Where other clusters reach an origin of this one; nil when none is configured.
    var anyOrigin: String? { names.withLock { $0.randomElement() } }

    /// The name in a ``ReplicationPath``.
    var identity: String { names.withLock { $0.sorted().joined(separator: "|") } }
}
