// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import ClusterConfiguration
import HTTPKit
import Hummingbird
import Primitives
import RegistryAPI
import Telemetry

/// A proxy's two listeners: the registry, and the server for operators.
struct ProxyRoutes: Sendable {
    let blobs: ProxyBlobs
    let tags: ProxyTags
    let origins: OriginCluster
    let buildIndexes: BuildIndexCluster
    /// Whom it asks who may do what; nil: anybody may do everything.
    let gate: (any RegistryGate)?
    let status: ComponentStatus
    let configuration: ProxyConfiguration
    let environment: ComponentEnvironment
    let prefetches: PrefetchQueue

    /// What fetches images ahead.
    var prefetcher: Prefetcher {
        Prefetcher(
            origins: origins,
            buildIndexes: buildIndexes,
            configuration: configuration,
            environment: environment
        )
    }

    /// How many listeners there are.
    static let serverCount = 2

    /// The listeners, which report their addresses when all of them are bound.
    func servers() -> [HTTPServer] {
        let registry = Registry(
            blobs: blobs,
            tags: tags,
            writes: Registry.Writes(blobs: blobs, tags: tags),
            gate: gate,
            limits: configuration.limits
        )
        let standard = StandardRoutes(
            environment,
            readiness: { [buildIndexes, origins] in
                try await buildIndexes.checkReadiness()
                try await origins.checkReadiness()
            },
            snapshot: { [status, blobs, environment] in
                var snapshot = status.snapshot()
                snapshot.storage = await environment.examined(
                    blobs.staging.storage,
                    in: configuration.dataDirectory
                )
                return snapshot
            }
        )
        let registryRouter = Router(context: ServerContext.self)
        registry.add(to: registryRouter)
        standard.addProbes(to: registryRouter)

        let router = Router(context: ServerContext.self)
        standard.add(to: router)
        PrefetchRoutes(prefetcher: prefetcher, queue: prefetches, limits: configuration.limits)
            .add(to: router)
        router.get("/v2/_catalog") { request, context in
            await registry.respond(to: request, context)
        }
        return [
            server("proxy registry", "registry", configuration.registryPort, registryRouter),
            server("proxy", "http", configuration.port, router),
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
}
