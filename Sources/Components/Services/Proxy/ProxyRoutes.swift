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
    let snapshot: ProxySnapshot
    let configuration: ProxyConfiguration
    let environment: ComponentEnvironment

    /// How many listeners there are.
    let serverCount = 2

    /// The listeners, which report their addresses when all of them are bound.
    func servers() -> [HTTPServer] {
        let registry = Registry(
            blobs: blobs,
            tags: tags,
            writes: Registry.Writes(blobs: blobs, tags: tags),
            limits: configuration.limits
        )
        let standard = StandardRoutes(
            environment,
            readiness: { try await checkReadiness() },
            snapshot: { [snapshot] in snapshot.snapshot() }
        )
        let registryRouter = Router(context: ServerContext.self)
        registry.add(to: registryRouter)
        standard.addProbes(to: registryRouter)

        let router = Router(context: ServerContext.self)
        standard.add(to: router)
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
        var options = ServerOptions(environment, limits: configuration.limits)
        options.drainTimeout = configuration.drainTimeout
        return HTTPServer(
            name: name,
            address: (configuration.host, port),
            router: router,
            options: options
        ) { [environment, snapshot, serverCount, host = configuration.host] port in
            let addresses = snapshot.serve("\(host):\(port)", as: purpose)
            if addresses.count == serverCount { environment.onReady(addresses) }
        }
    }

    private func checkReadiness() async throws {
        do {
            try await buildIndexes.checkReadiness()
            try await origins.checkReadiness()
        } catch {
            throw NotReady(why: "\(error)")
        }
    }
}

/// Why a proxy should get no traffic, in Kraken's words.
private struct NotReady: Error, CustomStringConvertible {
    let why: String
    var description: String { "not ready to serve traffic: \(why)" }
}
