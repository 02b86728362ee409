// SPDX-License-Identifier: Apache-2.0

import Backends
import BlobStorage
package import ClusterConfiguration
import Content
import FoundationEssentials
package import HTTPKit
import Hummingbird
import Logging
import Primitives
import RetryStorage
import ServiceLifecycle
import Telemetry

/// An origin: keeps its share of the cluster's blobs on disk, seeds them, and copies them to storage for good.
/// - Source: uber/kraken origin.
package struct OriginComponent: Service {
    private let configuration: OriginConfiguration
    private let environment: ComponentEnvironment

    /// The origin that `configuration` describes, in `environment`.
    package init(configuration: OriginConfiguration, environment: ComponentEnvironment) {
        (self.configuration, self.environment) = (configuration, environment)
    }

    /// Serves until it is told to stop; then running requests finish, and what is due is written back.
    package func run() async throws {
        let backends = try BackendTable(
            rules: configuration.backends,
            context: BackendContext(
                http: environment.httpClient,
                pool: environment.pool,
                limits: configuration.limits,
                environment: ProcessInfo.processInfo.environment,
                counters: environment.counters,
                measures: environment.metrics.map { (environment.id, $0) },
                log: environment.log
            )
        )
        let store = BlobStore(
            configuration: BlobStoreConfiguration(
                root: configuration.dataDirectory,
                cleanup: configuration.cleanup,
                limits: configuration.limits
            ),
            pool: environment.pool,
            clock: { Timestamp.now.unixNanoseconds / 1_000_000_000 },
            log: environment.log
        )
        try await store.open()
        let background = BackgroundTasks()
        let writeBack = try await WriteBackQueue(
            store: store,
            backends: backends,
            configuration: configuration,
            environment: environment
        )
        let leases = try await OriginLeases(
            directory: configuration.dataDirectory,
            limits: configuration.limits,
            pool: environment.pool,
            log: environment.log
        )
        let blobs = makeBlobs(store, leases, backends, writeBack, background)
        try await blobs.ring.join()
        backends.shareBandwidth(among: blobs.ring.memberCount)
        let seeder = OriginSeeder(
            blobs: blobs,
            configuration: configuration,
            environment: environment
        )
        let status = makeStatus()
        status.serve(try await seeder.start(), as: "peer")
        takeChanges(seeder, blobs.ring, status)
        let healer = Healer(
            store: store,
            ring: blobs.ring,
            configuration: configuration,
            environment: environment
        )
        let server = makeServer(blobs, seeder, healer, backends, status)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await blobs.writeBack.run() }
            let outcome = await serve(server, blobs, healer, background)
            await seeder.stop()
            await blobs.writeBack.stop(within: Self.writeBackDrainTimeout)
            try await group.waitForAll()
            try outcome.get()
        }
        // Those of peers that were interrupted: they begin anew elsewhere.
        await blobs.store.discardUploads()
        await writeBack.close()
        await backends.close()
    }

    private func makeStatus() -> ComponentStatus {
        ComponentStatus(.origin, environment, listeners: 2, settings: configuration.settings)
    }

    /// Takes what changes in the configuration while the origin runs: the ring's members, the swarms' rules, the bandwidth.
    private func takeChanges(
        _ seeder: OriginSeeder,
        _ ring: OriginRing,
        _ status: ComponentStatus
    ) {
        environment.reloads.register(
            configuration,
            live: ["cluster", "scheduler"],
            status: status,
            settings: { $0.settings }
        ) { old, new in
            // What may fail comes first.
            if old.cluster != new.cluster { try await ring.reconfigure(new.cluster) }
            if old.swarm == new.swarm {
                await seeder.limit(egress: new.egress, ingress: new.ingress)
            } else {
                try await seeder.reload(
                    SchedulerSettings(new.swarm, egress: new.egress, ingress: new.ingress)
                )
                status.serve(seeder.address, as: "peer")
            }
        }
    }

    /// How long a stop waits for blobs that are being written back. What is left goes on after the next start.
    private static let writeBackDrainTimeout = Duration.seconds(2)

    /// Serves, with everything that has to go on beside it.
    private func serve(
        _ server: HTTPServer,
        _ blobs: OriginBlobs,
        _ healer: Healer,
        _ background: BackgroundTasks
    ) async -> Result<Void, any Error> {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await blobs.ring.watch() }
            group.addTask { await healer.run() }
            group.addTask { await background.run() }
            group.addTask { await blobs.store.cleanUpPeriodically() }
            group.addTask { await takeStock(of: blobs) }
            defer {
                background.stop()
                group.cancelAll()
            }
            do { return .success(try await server.run()) } catch { return .failure(error) }
        }
    }

    /// Finds what an earlier run has left: how much there is, and what is owed to the backend.
    private func takeStock(of blobs: OriginBlobs) async {
        await blobs.writeBack.addPersisted { blobs.ring.ownRank(of: $0) }
        do {
            _ = try await blobs.store.measure()
        } catch {
            environment.log.warning(
                "could not count the blobs",
                metadata: [LogKey.error: "\(error)"]
            )
        }
    }

    private func makeBlobs(
        _ store: BlobStore,
        _ leases: OriginLeases,
        _ backends: BackendTable,
        _ writeBack: WriteBackQueue,
        _ background: BackgroundTasks
    ) -> OriginBlobs {
        // Limits are a backend's, not a component's: as in Kraken, the ring's members share them.
        let ring = OriginRing(
            configuration: configuration,
            environment: environment,
            onMembers: { backends.shareBandwidth(among: $0) }
        )
        let replicator = Replicator(
            store: store,
            ring: ring,
            configuration: configuration,
            environment: environment
        )
        return OriginBlobs(
            store: store,
            leases: leases,
            ring: ring,
            refresher: BlobRefresher(
                store: store,
                backends: backends,
                replicator: replicator,
                background: background,
                configuration: configuration,
                environment: environment
            ),
            replicator: replicator,
            writeBack: writeBack,
            configuration: configuration,
            environment: environment
        )
    }

    private func makeServer(
        _ blobs: OriginBlobs,
        _ seeder: OriginSeeder,
        _ healer: Healer,
        _ backends: BackendTable,
        _ status: ComponentStatus
    ) -> HTTPServer {
        let snapshot = OriginSnapshot(
            status: status,
            blobs: blobs,
            seeder: seeder,
            healer: healer,
            environment: environment
        )
        let router = Router(context: ServerContext.self)
        let routes = OriginRoutes(blobs: blobs, seeder: seeder)
        routes.add(to: router)
        routes.addCollection(to: router, backends)
        RetryRoutes([blobs.writeBack.queue], limits: configuration.limits).add(to: router)
        SchedulerRoute(environment.reloads, OriginConfiguration.self, limits: configuration.limits)
        {
            ($0.swarm, $0.egress, $0.ingress) = ($1.policy, $1.egress, $1.ingress)
        }.add(to: router)
        StandardRoutes(
            environment,
            readiness: { try await backends.checkReadiness(of: .blobs) },
            snapshot: { await snapshot.snapshot() }
        )
        .add(to: router)
        return status.listener(
            at: (configuration.host, configuration.port),
            router,
            limits: configuration.limits,
            drainTimeout: configuration.drainTimeout
        ) {
            blobs.ring.serve(at: $0)
        }
    }
}

/// Why an origin cannot start.
package struct OriginError: Error, Hashable, Sendable, CustomStringConvertible {
    let own: String
    let cluster: [String]

    package var description: String {
        "the origin \(own) is not among the cluster's origins \(cluster.joined(separator: ", ")); "
            + "add it there, or set its own address as the others know it"
    }
}
