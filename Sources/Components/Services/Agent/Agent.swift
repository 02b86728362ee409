// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import ClusterClients
package import ClusterConfiguration
import FoundationEssentials
package import HTTPKit
import Hummingbird
import Primitives
import RegistryAPI
import ServiceLifecycle
import Telemetry

/// The component on every host: a read-only registry whose blobs come from the swarm, and that seeds what it has.
/// - Source: uber/kraken agent. Where ours differs: a blob is served while it arrives.
package struct AgentComponent: Service {
    private let configuration: AgentConfiguration
    private let environment: ComponentEnvironment

    /// The agent that `configuration` describes, in `environment`.
    package init(configuration: AgentConfiguration, environment: ComponentEnvironment) {
        (self.configuration, self.environment) = (configuration, environment)
    }

    /// Serves until it is told to stop; running requests get `drainTimeout` to finish.
    package func run() async throws {
        let store = makeStore()
        try await store.open()
        let trackers = TrackerRing(
            hosts: HostList(
                configuration.trackers,
                environment,
                checks: configuration.hostChecks["tracker"]
            ),
            http: environment.httpClient,
            log: environment.log
        )
        let seat = SwarmSeat(
            configuration: configuration,
            environment: environment,
            store: store,
            trackers: trackers
        )
        try await seat.start()
        do {
            try await serve(store, seat, trackers)
        } catch {
            await seat.stop()
            throw error
        }
        await seat.stop()
    }

    private func makeStore() -> BlobStore {
        var store = BlobStoreConfiguration(
            root: configuration.dataDirectory,
            limits: configuration.limits
        )
        store.cleanup = configuration.cleanup
        return BlobStore(
            configuration: store,
            pool: environment.pool,
            clock: { Int64(Date().timeIntervalSince1970) },
            log: environment.log
        )
    }

    private func serve(
        _ store: BlobStore,
        _ seat: SwarmSeat,
        _ trackers: TrackerRing
    ) async throws {
        let status = ComponentStatus(
            .agent,
            environment,
            listeners: 3,
            settings: configuration.settings
        )
        status.serve(seat.address, as: "peer")
        let servers = AgentServers(
            configuration: configuration,
            environment: environment,
            blobs: AgentBlobs(
                store: store,
                seat: seat,
                desk: MetaInfoDesk(
                    trackers: trackers,
                    host: seat.host,
                    limits: configuration.limits
                )
            ),
            trackers: trackers,
            status: status
        ).make()
        try await withThrowingTaskGroup(of: Ending.self) { group in
            for server in servers {
                group.addTask {
                    try await server.run()
                    return .server
                }
            }
            group.addTask {
                await store.cleanUpPeriodically()
                return .chore
            }
            group.addTask {
                await seat.resume()
                return .chore
            }
            // The servers return when a stop was asked for and they have drained, or throw when they cannot listen.
            var serving = servers.count
            while serving > 0, let ending = try await group.next() {
                if case .server = ending { serving -= 1 }
            }
            group.cancelAll()
        }
    }

    private enum Ending { case server, chore }
}
