// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import ClusterConfiguration
import Primitives

/// Whether the tracker should get traffic: whether an owner of a random blob is ready.
///
/// However many ask, the origins are asked once a second at most; and the answer comes before agents, which wait 5 s, give
/// up.
/// - Source: uber/kraken tracker/trackerserver/server.go, `readinessCheckHandler`.
struct ReadinessDesk: Sendable {
    private static let timeout = Duration.seconds(4)
    private static let timeToLive = Duration.seconds(1)

    /// Why the tracker should get no traffic.
    struct NotReady: Error, CustomStringConvertible {
        let description: String
    }

    private enum Question: Hashable { case areOriginsReady }

    private let cluster: OriginCluster
    private let cache = LookupCache<Question, NotReady?>(answersMax: 1, lookupsMax: 1)

    init(cluster: OriginCluster) { self.cluster = cluster }

    /// Throws ``NotReady`` unless the tracker should get traffic.
    func check() async throws {
        let problem = await cache.value(of: .areOriginsReady, timeout: Self.timeout) {
            do {
                try await cluster.checkReadiness()
                return .init(value: nil, timeToLive: Self.timeToLive)
            } catch {
                return .init(value: NotReady(description: "\(error)"), timeToLive: Self.timeToLive)
            }
        }
        guard let problem else { throw NotReady(description: "no origin has answered in time") }
        if let problem { throw problem }
    }
}
