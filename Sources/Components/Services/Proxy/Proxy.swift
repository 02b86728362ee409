// SPDX-License-Identifier: Apache-2.0

import AccessControl
import BlobStorage
import ClusterClients
package import ClusterConfiguration
import FoundationEssentials
package import HTTPKit
import Hummingbird
import Logging
import Primitives
import RegistryAPI
import ServiceLifecycle
import Telemetry

/// The component that builders push to: an OCI registry whose blobs are the origins' and whose tags the build-indexes'.
///
/// It keeps nothing: an upload lies on its disk while it comes in, over restarts too, and is acknowledged when the origins
/// have it.
/// - Source: uber/kraken proxy. Where ours differs: blobs are stored under their repository as the namespace, which is
///   what agents ask for, instead of the literal `TODO`; nothing is cached on disk.
package struct ProxyComponent: Service {
    private let configuration: ProxyConfiguration
    private let environment: ComponentEnvironment

    /// The proxy that `configuration` describes, in `environment`.
    package init(configuration: ProxyConfiguration, environment: ComponentEnvironment) {
        (self.configuration, self.environment) = (configuration, environment)
    }

    /// Serves until it is told to stop; running requests get `drainTimeout` to finish.
    package func run() async throws {
        let gatekeeper = try await makeGatekeeper()
        do {
            try await run(behind: gatekeeper)
        } catch {
            await gatekeeper?.close()
            throw error
        }
        await gatekeeper?.close()
    }

    private func run(behind gatekeeper: Gatekeeper?) async throws {
        let origins = OriginCluster(
            hosts: HostList(
                configuration.origins,
                environment,
                checks: configuration.hostChecks["origin"]
            ),
            http: environment.httpClient,
            log: environment.log
        )
        let buildIndexes = BuildIndexCluster(
            hosts: HostList(
                configuration.buildIndexes,
                environment,
                checks: configuration.hostChecks["build_index"]
            ),
            http: environment.httpClient,
            log: environment.log
        )
        async let _ = monitor(origins.hosts, "origin")
        async let _ = monitor(buildIndexes.hosts, "build_index")
        let counters = ProxyCounters(environment.counters)
        let store = try await openStore()
        let staging = UploadStaging(
            store: store,
            origins: origins,
            timeToIdle: configuration.uploadTimeToIdle,
            counters: counters,
            environment: environment
        )
        await staging.resume()
        let blobs = ProxyBlobs(
            origins: origins,
            staging: staging,
            counters: counters,
            environment: environment,
            limits: configuration.limits
        )
        let tags = ProxyTags(
            reading: BuildIndexTags(buildIndexes: buildIndexes, limits: configuration.limits),
            buildIndexes: buildIndexes,
            counters: counters,
            environment: environment
        )
        let status = ComponentStatus(
            .proxy,
            environment,
            listeners: ProxyRoutes.serverCount,
            settings: configuration.settings
        )
        takeChanges(origins, buildIndexes, status)
        let routes = ProxyRoutes(
            blobs: blobs,
            tags: tags,
            origins: origins,
            buildIndexes: buildIndexes,
            gate: gatekeeper,
            status: status,
            configuration: configuration,
            environment: environment,
            prefetches: PrefetchQueue()
        )
        try await serve(routes, staging)
    }

    /// Takes what changes in the configuration while the proxy runs: hosts.
    private func takeChanges(
        _ origins: OriginCluster,
        _ buildIndexes: BuildIndexCluster,
        _ status: ComponentStatus
    ) {
        environment.reloads.register(
            configuration,
            live: ["origin.hosts", "build_index.hosts"],
            status: status,
            settings: { $0.settings }
        ) { old, new in
            if old.origins != new.origins { origins.hosts.reconfigure(new.origins) }
            if old.buildIndexes != new.buildIndexes {
                buildIndexes.hosts.reconfigure(new.buildIndexes)
            }
        }
    }

    private func monitor(_ hosts: HostList, _ section: String) async {
        await hosts.monitor(
            ProbePolicy(configuration.hostChecks[section]),
            http: environment.httpClient,
            log: environment.log
        )
    }

    /// Whom the registry asks who may do what; nil where anybody may do everything.
    private func makeGatekeeper() async throws -> Gatekeeper? {
        if let access = configuration.access {
            return try await Gatekeeper(
                access,
                environment: environment,
                limits: configuration.limits
            )
        }
        guard !LoopbackAddress.contains(configuration.host) else { return nil }
        guard configuration.anonymousByDefault else { throw OpenToAll(host: configuration.host) }
        environment.log.warning(
            "anybody who reaches this registry may push to it and delete: set access to change that",
            metadata: [LogKey.address: "\(configuration.host):\(configuration.registryPort)"]
        )
        return nil
    }

    /// The store for uploads, without blobs that an earlier run was about to deliver.
    private func openStore() async throws -> BlobStore {
        let store = makeStore()
        try await store.open()
        for digest in try await store.digests() { try await store.delete(digest) }
        return store
    }

    private func makeStore() -> BlobStore {
        var store = BlobStoreConfiguration(
            root: configuration.dataDirectory,
            limits: configuration.limits
        )
        store.cleanup.isDisabled = true
        store.keepsUploads = true
        return BlobStore(
            configuration: store,
            pool: environment.pool,
            clock: { Int64(Date().timeIntervalSince1970) },
            log: environment.log
        )
    }

    private func serve(_ routes: ProxyRoutes, _ staging: UploadStaging) async throws {
        try await withThrowingTaskGroup(of: ServeEnd.self) { group in
            for server in routes.servers() {
                group.addTask {
                    try await server.run()
                    return .server
                }
            }
            group.addTask {
                await staging.expirePeriodically()
                return .background
            }
            group.addTask {
                await staging.runFollowers()
                return .background
            }
            group.addTask {
                await routes.prefetches.run(routes.prefetcher)
                return .background
            }
            // The servers return when a stop was asked for and they have drained, or throw when they cannot listen.
            var serving = ProxyRoutes.serverCount
            while serving > 0, let end = try await group.next() {
                if case .server = end { serving -= 1 }
            }
            group.cancelAll()
        }
    }

    private enum ServeEnd { case server, background }
}

/// A registry that anybody could push to, without its configuration saying so.
struct OpenToAll: Error, CustomStringConvertible {
    let host: String

    var description: String {
        """
        anybody who reaches \(host) could push to this registry; set access in its configuration \
        (access: {htpasswd: FILE}, or access: {anonymous: push}), or give --anonymous
        """
    }
}
