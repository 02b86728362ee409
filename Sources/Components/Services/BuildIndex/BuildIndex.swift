// SPDX-License-Identifier: Apache-2.0

import Backends
import ClusterClients
package import ClusterConfiguration
import FoundationEssentials
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
            context: backendContext(counters: environment.counters)
        )
        let origins = OriginCluster(
            hosts: hosts(configuration.origins, "origin"),
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
        try await serve(try await makeParts(backends, origins, store, database))
        await database.close()
        await backends.close()
    }

    /// The list of `entries`, which stand in the section `section`.
    private func hosts(_ entries: [String], _ section: String) -> HostList {
        HostList(entries, environment, checks: configuration.hostChecks[section])
    }

    /// What backends, and registries that tags are replicated to, get of the component.
    /// - Parameter counters: where it is counted how often registries may be read.
    private func backendContext(counters: Counters?) -> BackendContext {
        BackendContext(
            http: environment.httpClient,
            pool: environment.pool,
            limits: limits,
            environment: ProcessInfo.processInfo.environment,
            counters: counters,
            measures: environment.metrics.map { (environment.id, $0) },
            log: environment.log
        )
    }

    private func makeParts(
        _ backends: BackendTable,
        _ origins: OriginCluster,
        _ store: TagStore,
        _ database: RetryDatabase
    ) async throws -> Parts {
        let status = ComponentStatus(.buildIndex, environment, settings: configuration.settings)
        let cluster = hosts(configuration.cluster, "cluster")
        let clients = neighbourClients(cluster, status)
        let backend = TagBackend(table: backends)
        let writeBack = try await TagWriteBack(
            store: store,
            backend: backend,
            neighbours: clients,
            database: database,
            rules: configuration.writeBack,
            environment: environment
        )
        try await writeBack.addPending()
        let reader = TagReader(
            store: store,
            backend: backend,
            interval: configuration.tagCacheInterval,
            limits: limits,
            log: environment.log
        )
        let dependencies = try TagDependencies(
            rules: configuration.tagTypes,
            origins: origins,
            reader: reader,
            limits: limits
        )
        let sources = ReplicationSources(
            store: store,
            backend: backend,
            dependencies: dependencies,
            origins: origins,
            reader: reader,
            lists: makeLists(store, backends),
            limits: limits
        )
        let replication = try await TagReplication(
            sources,
            context: backendContext(counters: nil),
            database: database,
            configuration: configuration,
            environment: environment
        )
        let neighbours = try await TagNeighbours(
            store: store,
            clients: clients,
            stagger: configuration.duplicatePutStagger,
            database: database,
            environment: environment
        )
        followReloads(status, cluster, origins, replication)
        return Parts(
            backends: backends,
            origins: origins,
            store: store,
            reader: reader,
            writeBack: writeBack,
            replication: replication,
            neighbours: neighbours,
            dependencies: dependencies,
            referrers: sources.referrers,
            status: status
        )
    }

    /// Has what can change live follow the configuration.
    private func followReloads(
        _ status: ComponentStatus,
        _ cluster: HostList,
        _ origins: OriginCluster,
        _ replication: TagReplication
    ) {
        environment.reloads.register(
            configuration,
            live: ["cluster.hosts", "origin.hosts", "remotes"],
            status: status,
            settings: { $0.settings }
        ) { old, new in
            // What may fail comes first.
            try await replication.reconfigure(new)
            if old.cluster != new.cluster { cluster.reconfigure(new.cluster) }
            if old.origins != new.origins { origins.hosts.reconfigure(new.origins) }
        }
    }

    private func serve(_ parts: Parts) async throws {
        let server = try makeServer(parts)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await parts.writeBack.run() }
            group.addTask { await parts.neighbours.run() }
            group.addTask { await parts.replication.run() }
            do { try await server.run() } catch {
                group.cancelAll()
                throw error
            }
            await parts.neighbours.stop(within: configuration.drainTimeout)
            await parts.writeBack.stop(within: configuration.drainTimeout)
            await parts.replication.stop(within: Self.replicationDrainTimeout)
            try await group.waitForAll()
        }
    }

    /// How long a stop waits for replications under way. What is left goes on after the next start.
    private static let replicationDrainTimeout = Duration.seconds(2)

    /// What the server is made of.
    private struct Parts {
        let backends: BackendTable
        let origins: OriginCluster
        let store: TagStore
        let reader: TagReader
        let writeBack: TagWriteBack
        let replication: TagReplication
        let neighbours: TagNeighbours
        let dependencies: TagDependencies
        let referrers: TagReferrers
        let status: ComponentStatus
    }

    /// The other build-indexes of `cluster`, this one's.
    private func neighbourClients(
        _ cluster: HostList,
        _ status: ComponentStatus
    ) -> @Sendable () async -> [BuildIndexClient] {
        return { [configuration, http = environment.httpClient] in
            let own = configuration.selfAddress ?? status.address()
            let port = own.flatMap { Int($0.split(separator: ":").last ?? "") } ?? 0
            let isNamed = cluster.isLookedUp
            return await cluster.lookedUpHosts()
                .filter { $0 != own && !(isNamed && HostNames.isLocal($0, port: port)) }
                .map { BuildIndexClient(address: $0, http: http) }
        }
    }

    private func makeLists(_ store: TagStore, _ backends: BackendTable) -> TagLists {
        TagLists(
            store: store,
            backends: backends,
            limits: limits,
            cache: TagListCache(
                interval: configuration.tagCacheInterval,
                bytesMax: limits.listCacheBytesMax
            )
        )
    }

    private func makeService(_ parts: Parts) throws -> TagService {
        TagService(
            store: parts.store,
            backend: TagBackend(table: parts.backends),
            reader: parts.reader,
            writeBack: parts.writeBack,
            replication: parts.replication,
            neighbours: parts.neighbours,
            dependencies: parts.dependencies,
            replicationStagger: configuration.duplicateReplicateStagger,
            writesThrough: configuration.writesThrough,
            immutable: try configuration.immutableTags.map { try NamespacePattern($0) },
            events: environment.events,
            counters: environment.counters,
            log: environment.log
        )
    }

    private func makeServer(_ parts: Parts) throws -> HTTPServer {
        let snapshot = BuildIndexSnapshot(
            status: parts.status,
            store: parts.store,
            writeBack: parts.writeBack,
            replication: parts.replication,
            neighbours: parts.neighbours
        )
        let tags = try makeService(parts)
        let router = Router(context: ServerContext.self)
        BuildIndexRoutes(
            tags: tags,
            lists: parts.referrers.lists,
            referrers: parts.referrers,
            clusterName: parts.replication.clusterName,
            limits: limits,
            tagsRead: environment.counters.counter("tags_read")
        ).add(to: router)
        RetryRoutes(
            [parts.writeBack.queue, parts.replication.queue, parts.neighbours.queue],
            limits: limits
        ).add(to: router)
        StandardRoutes(
            environment,
            readiness: {
                try await parts.backends.checkReadiness(of: .tags)
                if !parts.origins.hosts.isEmpty { try await parts.origins.checkReadiness() }
            },
            snapshot: { await snapshot.snapshot() }
        ).add(to: router)
        return parts.status.listener(
            at: (configuration.host, configuration.port),
            router,
            limits: limits,
            drainTimeout: configuration.drainTimeout
        )
    }
}
