// SPDX-License-Identifier: Apache-2.0

import ClusterClients
package import ClusterConfiguration
package import HTTPKit
import Hummingbird
import Primitives
import ServiceLifecycle
import Telemetry

/// The component that introduces peers to each other: it knows who has or wants which blob, and never touches a blob.
/// - Source: uber/kraken tracker.
package struct TrackerComponent: Service {
    private let configuration: TrackerConfiguration
    private let environment: ComponentEnvironment

    /// The tracker that `configuration` describes, in `environment`.
    package init(configuration: TrackerConfiguration, environment: ComponentEnvironment) {
        (self.configuration, self.environment) = (configuration, environment)
    }

    /// Serves until it is told to stop; running requests get `drainTimeout` to finish.
    package func run() async throws {
        let cluster = OriginCluster(
            hosts: HostList(
                configuration.origins,
                environment,
                checks: configuration.hostChecks["origin"]
            ),
            http: environment.httpClient,
            log: environment.log
        )
        async let _ = cluster.hosts.monitor(
            ProbePolicy(configuration.hostChecks["origin"]),
            http: environment.httpClient,
            log: environment.log
        )
        let announces = AnnounceDesk(
            origins: OriginDirectory(
                cluster: cluster,
                configuration: configuration,
                environment: environment
            ),
            configuration: configuration,
            environment: environment,
            seed: .random(in: .min ... .max)
        )
        let metaInfo = MetaInfoDesk(
            cluster: cluster,
            configuration: configuration,
            environment: environment
        )
        let readiness = ReadinessDesk(cluster: cluster)
        let status = ComponentStatus(.tracker, environment, settings: configuration.settings)
        environment.reloads.register(
            configuration,
            live: ["origin.hosts"],
            status: status,
            settings: { $0.settings }
        ) { old, new in
            if old.origins != new.origins { cluster.hosts.reconfigure(new.origins) }
        }
        let snapshot = TrackerSnapshot(status: status, announces: announces)
        let router = Router(context: ServerContext.self)
        TrackerRoutes(announces: announces, metaInfo: metaInfo, limits: configuration.limits)
            .add(to: router)
        StandardRoutes(
            environment,
            readiness: { try await readiness.check() },
            snapshot: { snapshot.snapshot() }
        )
        .add(to: router)
        let server = status.listener(
            at: (configuration.host, configuration.port),
            router,
            limits: configuration.limits,
            drainTimeout: configuration.drainTimeout
        )
        try await server.run()
    }
}
