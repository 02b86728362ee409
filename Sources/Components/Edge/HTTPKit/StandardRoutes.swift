// SPDX-License-Identifier: Apache-2.0

package import Hummingbird
package import Telemetry

/// What every component answers besides its own work.
package struct StandardRoutes: Sendable {
    /// The body of a good `/health` and `/readiness`: `OK` and a newline, except that agents leave the newline out.
    package var okBody = "OK\n"
    /// Throws when the component is not alive: `/health` answers 500 with the reason.
    package var health: @Sendable () async throws -> Void = {}
    /// What `/readiness` says before the reason. Kraken's words, which its agents have otherwise.
    package var notReady = "not ready to serve traffic"
    /// Throws when the component should get no traffic: `/readiness` answers 503 with the reason; nil leaves it out.
    package var readiness: (@Sendable () async throws -> Void)?
    /// The component's state for `/status`; must not wait for a transfer.
    package var snapshot: @Sendable () async -> ComponentSnapshot

    private let environment: ComponentEnvironment

    /// The routes of the component in `environment`.
    package init(
        _ environment: ComponentEnvironment,
        okBody: String = "OK\n",
        notReady: String = "not ready to serve traffic",
        health: @escaping @Sendable () async throws -> Void = {},
        readiness: (@Sendable () async throws -> Void)? = {},
        snapshot: @escaping @Sendable () async -> ComponentSnapshot
    ) {
        self.environment = environment
        (self.okBody, self.notReady) = (okBody, notReady)
        self.health = health
        self.readiness = readiness
        self.snapshot = snapshot
    }

    /// Adds `GET /health`, `/readiness`, `/status`, `/events` and `/metrics` to `router`.
    package func add(to router: Router<ServerContext>) {
        addProbes(to: router)
        environment.snapshots.provide(snapshot)
        router.get("/status") { [snapshot] _, _ in
            Response.json(bytes: try TelemetryJSON.encode(await snapshot()))
        }
        router.get("/metrics") { [environment] _, _ in
            let counters = PrometheusText.exposition(
                of: environment.counters.all(),
                component: environment.id
            )
            let series = environment.metrics?.exposition(component: environment.id) ?? ""
            return Response.text(counters + series, contentType: PrometheusText.contentType)
        }
        router.get("/events") { [environment] request, _ in
            try Response.events(of: environment.events, for: request)
        }
    }

    /// Adds `GET /health` and `/readiness` only.
    package func addProbes(to router: Router<ServerContext>) {
        router.get("/health") { [okBody, health] _, _ in
            do {
                try await health()
            } catch {
                throw HTTPProblem.internalError("\(error)").asText
            }
            return Response.text(okBody)
        }
        guard let readiness else { return }
        router.get("/readiness") { [okBody, notReady] _, _ in
            do {
                try await readiness()
            } catch {
                throw HTTPProblem.unavailable("\(notReady): \(error)").asText
            }
            return Response.text(okBody)
        }
    }
}
