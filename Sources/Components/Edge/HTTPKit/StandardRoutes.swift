// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPTypes
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

    /// Adds `GET /health`, `/readiness`, `/status`, `/config`, `/events` and `/metrics` to `router`.
    package func add(to router: Router<ServerContext>) {
        addProbes(to: router)
        environment.snapshots.provide(snapshot)
        router.get("/status") { [snapshot] request, _ in
            // Nobody wants to hear every time what hardly ever changes.
            var brief = await snapshot()
            brief.settings = nil
            return try Self.status(brief, for: request)
        }
        router.get("/config") { [snapshot] _, _ in
            Response.json(bytes: try TelemetryJSON.encode(await snapshot().settings ?? []))
        }
        router.get("/metrics") { [environment, snapshot] _, _ in
            let levels = SnapshotMetrics.exposition(of: await snapshot())
            let counters = PrometheusText.exposition(
                of: environment.counters.all(),
                component: environment.id
            )
            let series = environment.metrics?.exposition(component: environment.id) ?? ""
            return Response.text(
                counters + levels + series,
                contentType: PrometheusText.contentType
            )
        }
        router.get("/events") { [environment] request, _ in
            try Response.events(of: environment.events, for: request)
        }
    }

    /// `/status`, or `/status?swarm=sha256:…` with the peers of that blob's swarm alone.
    ///
    /// The latter has an `ETag` that stays the same while nothing but the time has changed; 304 says so to who knows it.
    private static func status(
        _ snapshot: ComponentSnapshot,
        for request: Request
    ) throws -> Response {
        guard let text = request.uri.queryParameters["swarm"] else {
            return Response.json(bytes: try TelemetryJSON.encode(snapshot))
        }
        let brief = try snapshot.focused(on: String(text))
        let tag = try entityTag(of: brief)
        if request.headers[.ifNoneMatch] == tag {
            return Response(status: .notModified, headers: [.eTag: tag])
        }
        var response = Response.json(bytes: try TelemetryJSON.encode(brief))
        response.headers[.eTag] = tag
        return response
    }

    /// A weak validator: a sum over everything that does not change by itself as time passes.
    private static func entityTag(of snapshot: ComponentSnapshot) throws -> String {
        var still = snapshot
        (still.takenAt, still.uptimeSeconds) = (Timestamp(unixNanoseconds: 0), 0)
        still.swarms = still.swarms?.map { swarm in
            var swarm = swarm
            swarm.ageSeconds = 0
            swarm.peers = swarm.peers.map { peer in
                var peer = peer
                peer.ageSeconds = 0
                return peer
            }
            swarm.bans = swarm.bans?.map {
                BanStatus(peerID: $0.peerID, reason: $0.reason, remainingSeconds: 0)
            }
            return swarm
        }
        // FNV-1a: nobody gains by two states with one sum.
        var sum: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in try TelemetryJSON.encode(still) {
            sum = (sum ^ UInt64(byte)) &* 0x100_0000_01B3
        }
        return "W/\"\(String(sum, radix: 16))\""
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

extension ComponentSnapshot {
    /// The snapshot with the peers of only that swarm whose blob is `text`.
    /// - Throws: 400 when that is no digest.
    fileprivate func focused(on text: String) throws(HTTPProblem) -> ComponentSnapshot {
        let digest: Digest
        do {
            digest = try Digest(parsing: text)
        } catch {
            throw .badRequest("swarm is no digest: \(error)")
        }
        var snapshot = self
        snapshot.swarms = swarms?.map { swarm in
            guard swarm.digest != digest else { return swarm }
            var brief = swarm
            (brief.peers, brief.bans) = ([], nil)
            return brief
        }
        return snapshot
    }
}
