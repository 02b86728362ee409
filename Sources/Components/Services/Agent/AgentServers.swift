// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import ClusterConfiguration
import HTTPKit
import Hummingbird
import RegistryAPI
import SwarmIO
import Telemetry

/// An agent's two HTTP listeners: the registry for container runtimes, and the server for everything else.
struct AgentServers: Sendable {
    let configuration: AgentConfiguration
    let environment: ComponentEnvironment
    let blobs: AgentBlobs
    let trackers: TrackerRing
    let status: ComponentStatus

    /// The listeners, which report their addresses when all are bound.
    func make() -> [HTTPServer] {
        let buildIndexes = BuildIndexCluster(
            hosts: HostList(
                configuration.buildIndexes,
                environment,
                checks: configuration.hostChecks["build_index"]
            ),
            http: environment.httpClient,
            log: environment.log
        )
        takeChanges(buildIndexes)
        let bytesServed = environment.counters.counter("bytes_served")
        let registry = Registry(
            blobs: AgentRegistry(
                blobs: blobs,
                limits: configuration.limits,
                bytesServed: bytesServed
            ),
            tags: BuildIndexTags(buildIndexes: buildIndexes, limits: configuration.limits),
            mirrors: RegistryMirrors(configuration.mirrors),
            pushAddress: configuration.pushAddress,
            limits: configuration.limits
        )
        let snapshot = AgentSnapshot(
            status: status,
            store: blobs.store,
            seat: blobs.seat,
            environment: environment
        )
        let standard = StandardRoutes(
            environment,
            okBody: "OK",
            notReady: "agent not ready",
            health: { [seat = blobs.seat] in await seat.driver.probe() },
            readiness: { [trackers] in
                async let tags: Void = buildIndexes.checkReadiness()
                async let peers: Void = trackers.checkReadiness()
                _ = try await (tags, peers)
            },
            snapshot: { await snapshot.snapshot() }
        )
        let registryRouter = Router(context: ServerContext.self)
        registry.add(to: registryRouter)
        standard.addProbes(to: registryRouter)
        let router = Router(context: ServerContext.self)
        AgentRoutes(blobs: blobs, buildIndexes: buildIndexes, bytesServed: bytesServed)
            .add(to: router)
        AgentOperations(
            seat: blobs.seat,
            docker: DockerDaemon(configuration: configuration.docker, http: environment.httpClient),
            status: status
        ).add(to: router)
        SchedulerRoute(environment.reloads, AgentConfiguration.self, limits: configuration.limits) {
            ($0.swarm, $0.egress, $0.ingress) = ($1.policy, $1.egress, $1.ingress)
        }.add(to: router)
        standard.add(to: router)
        return [
            server("agent registry", "registry", configuration.registryPort, registryRouter),
            server("agent", "http", configuration.port, router),
        ]
    }

    private func server(
        _ name: String,
        _ purpose: String,
        _ port: Int,
        _ router: Router<ServerContext>
    ) -> HTTPServer {
        status.listener(
            name,
            as: purpose,
            at: (configuration.host, port),
            router,
            limits: configuration.limits,
            drainTimeout: configuration.drainTimeout
        )
    }

    /// Takes what changes in the configuration while the agent runs: hosts, the swarm's rules, and bandwidth.
    private func takeChanges(_ buildIndexes: BuildIndexCluster) {
        environment.reloads.register(
            configuration,
            live: ["tracker.hosts", "build_index.hosts", "scheduler"],
            status: status,
            settings: { $0.settings }
        ) { [trackers, status, seat = blobs.seat] old, new in
            let settings = SchedulerSettings(new.swarm, egress: new.egress, ingress: new.ingress)
            // What may fail comes first.
            if old.swarm == new.swarm {
                await seat.driver.limit(egress: settings.egress, ingress: settings.ingress)
            } else {
                try await seat.reload(settings)
                status.serve(seat.address, as: "peer")
            }
            if old.trackers != new.trackers { trackers.hosts.reconfigure(new.trackers) }
            if old.buildIndexes != new.buildIndexes {
                buildIndexes.hosts.reconfigure(new.buildIndexes)
            }
        }
    }
}
