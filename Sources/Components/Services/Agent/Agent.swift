// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import ClusterClients
package import ClusterConfiguration
import Content
import FoundationEssentials
package import HTTPKit
import Hummingbird
import Logging
import Primitives
import RegistryAPI
import ServiceLifecycle
import SwarmCore
import SwarmIO
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
            hosts: HostList(configuration.trackers),
            http: environment.httpClient,
            log: environment.log
        )
        let port = PeerPort()
        let host = AgentHost(trackers: trackers, ip: peerIP, port: port)
        let driver = makeDriver(store, host)
        let makePeerID: (@Sendable (Int) -> PeerID)?
        switch configuration.peerIDFactory {
        case .random: makePeerID = nil
        case .addressHash:
            makePeerID = { [peerIP] in PeerID(hashOfAddress: peerIP, port: $0) }
        }
        port.value = try await driver.start(makePeerID: makePeerID)
        do {
            try await serve(store, driver, trackers, peerPort: port.value)
        } catch {
            await driver.stop()
            throw error
        }
        await driver.stop()
    }

    private var peerIP: String { configuration.peerIP ?? configuration.host }

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

    private func makeDriver(_ store: BlobStore, _ host: AgentHost) -> SwarmDriver {
        var generator = SystemRandomNumberGenerator()
        let driver = SwarmDriverConfiguration(
            peerID: PeerID(randomFrom: &generator),
            host: configuration.host,
            port: configuration.peerPort,
            role: .agent,
            policy: configuration.swarm,
            limits: configuration.limits,
            egress: configuration.egress,
            ingress: configuration.ingress,
            seed: generator.next()
        )
        return SwarmDriver(
            configuration: driver,
            eventLoop: environment.eventLoopGroup.next(),
            store: store,
            host: host,
            events: environment.events,
            counters: environment.counters,
            log: environment.log
        )
    }

    private func serve(
        _ store: BlobStore,
        _ driver: SwarmDriver,
        _ trackers: TrackerRing,
        peerPort: Int
    ) async throws {
        let snapshot = AgentSnapshot(environment: environment, store: store, driver: driver)
        _ = snapshot.serve("\(peerIP):\(peerPort)", as: "peer")
        let servers = AgentServers(
            configuration: configuration,
            environment: environment,
            blobs: AgentBlobs(
                store: store,
                driver: driver,
                desk: MetaInfoDesk(trackers: trackers, store: store, limits: configuration.limits)
            ),
            trackers: trackers,
            snapshot: snapshot
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
                await resume(driver)
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

    private func resume(_ driver: SwarmDriver) async {
        do {
            try await driver.resumeUnfinished()
        } catch {
            environment.log.warning(
                "could not look for unfinished downloads",
                metadata: [LogKey.error: "\(error)"]
            )
        }
    }
}
