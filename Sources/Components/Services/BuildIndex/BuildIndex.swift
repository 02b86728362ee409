// SPDX-License-Identifier: Apache-2.0

import Backends
import ClusterClients
package import ClusterConfiguration
package import HTTPKit
import Hummingbird
package import Primitives
import RetryStorage
import ServiceLifecycle
import Telemetry

/// A build-index: which digest a tag names, here and in the backend.
/// - Source: uber/kraken build-index.
package struct BuildIndexComponent: Service {
    private let configuration: BuildIndexConfiguration
    private let environment: ComponentEnvironment
    private let limits: Limits

    /// The build-index that `configuration` describes, in `environment`.
    package init(
        configuration: BuildIndexConfiguration,
        environment: ComponentEnvironment,
        limits: Limits = Limits()
    ) {
        (self.configuration, self.environment) = (configuration, environment)
        self.limits = limits
    }

    /// Serves until it is told to stop; then running requests finish, and what is due is written
    /// back.
    package func run() async throws {
        let backends = try BackendTable(
            rules: configuration.backends,
            http: environment.httpClient,
            pool: environment.pool,
            limits: limits
        )
        let origins = OriginCluster(
            hosts: HostList(
                configuration.origins,
                pool: environment.pool,
                checks: configuration.hostChecks["origin"]
            ),
            http: environment.httpClient,
            log: environment.log
        )
        async let _ = origins.hosts.monitor(
            ProbePolicy(configuration.hostChecks["origin"]),
            http: environment.httpClient,
            log: environment.log
        )
        let store = TagStore(
            root: configuration.dataDirectory,
            pool: environment.pool,
            limits: limits,
            log: environment.log
        )
        try await store.open()
        let database = try await RetryDatabase(
            path: "\(configuration.dataDirectory)/queue.sqlite",
            pool: environment.pool,
            limits: limits
        )
        let writeBack = try await TagWriteBack(
            store: store,
            backend: TagBackend(table: backends),
            database: database,
            rules: configuration.writeBack,
            environment: environment
        )
        try await writeBack.addPending()
        let dependencies = try TagDependencies(
            rules: configuration.tagTypes,
            origins: origins,
            limits: limits
        )
        let replication = try await TagReplication(
            store: store,
            backend: TagBackend(table: backends),
            dependencies: dependencies,
            origins: origins,
            database: database,
            configuration: configuration,
            environment: environment
        )
        let server = makeServer(backends, origins, store, writeBack, replication, dependencies)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await writeBack.run() }
            group.addTask { await replication.run() }
            do { try await server.run() } catch {
                group.cancelAll()
                throw error
            }
            await writeBack.stop(within: configuration.drainTimeout)
            await replication.stop(within: Self.replicationDrainTimeout)
            try await group.waitForAll()
        }
        await database.close()
        await backends.close()
    }

    /// How long a stop waits for replications under way. What is left goes on after the next start.
    private static let replicationDrainTimeout = Duration.seconds(2)

    private func makeServer(
        _ backends: BackendTable,
        _ origins: OriginCluster,
        _ store: TagStore,
        _ writeBack: TagWriteBack,
        _ replication: TagReplication,
        _ dependencies: TagDependencies
    ) -> HTTPServer {
        let status = ComponentStatus(
            .buildIndex,
            environment,
            settings: configuration.settings
        )
        let snapshot = BuildIndexSnapshot(
            status: status,
            store: store,
            writeBack: writeBack,
            replication: replication
        )
        let cluster = HostList(
            configuration.cluster,
            pool: environment.pool,
            checks: configuration.hostChecks["cluster"]
        )
        let isNamed = HostNames.needLookUp(configuration.cluster)
        let tags = TagService(
            store: store,
            backend: TagBackend(table: backends),
            writeBack: writeBack,
            replication: replication,
            dependencies: dependencies,
            configuration: configuration,
            neighbours: { [configuration, cluster, http = environment.httpClient] in
                let own = configuration.selfAddress ?? status.address()
                let port = own.flatMap { Int($0.split(separator: ":").last ?? "") } ?? 0
                return await cluster.lookedUpHosts()
                    .filter { $0 != own && !(isNamed && HostNames.isLocal($0, port: port)) }
                    .map { BuildIndexClient(address: $0, http: http) }
            },
            events: environment.events,
            counters: environment.counters,
            log: environment.log
        )
        let router = Router(context: ServerContext.self)
        BuildIndexRoutes(
            tags: tags,
            lists: TagLists(store: store, backends: backends, limits: limits),
            configuration: configuration,
            limits: limits,
            tagsRead: environment.counters.counter("tags_read")
        ).add(to: router)
        RetryRoutes([writeBack.queue, replication.queue], limits: limits).add(to: router)
        StandardRoutes(
            environment,
            readiness: { [hasOrigins = !configuration.origins.isEmpty] in
                try await backends.checkReadiness(of: .tags)
                if hasOrigins { try await origins.checkReadiness() }
            },
            snapshot: { await snapshot.snapshot() }
        ).add(to: router)
        return status.listener(
            at: (configuration.host, configuration.port),
            router,
            limits: limits,
            drainTimeout: configuration.drainTimeout
        )
    }
}
