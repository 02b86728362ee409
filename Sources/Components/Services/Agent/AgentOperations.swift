// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import HTTPKit
import Hummingbird
import Primitives
import SwarmIO
import Telemetry

/// An agent's endpoints for those who run it: the blacklist, images fetched ahead.
/// - Source: uber/kraken agent/agentserver/server.go.
struct AgentOperations: Sendable {
    let seat: SwarmSeat
    let docker: DockerDaemon
    let status: ComponentStatus

    func add(to router: Router<ServerContext>) {
        router.get("/x/blacklist") { _, _ in
            let bans = await seat.driver.blacklist()
            return Response.json(
                .array(
                    bans.map { infoHash, ban in
                        let remaining = Duration.seconds(ban.remainingSeconds)
                        return .object([
                            .init("peer_id", ban.peerID.json), .init("info_hash", infoHash.json),
                            .init("remaining", .integer(Int(remaining.nanoseconds))),
                        ])
                    }
                )
            )
        }
        router.get("/preload/tags/{tag}") { request, context in
            try await preload(
                try QualifiedTag(parsing: try context.parameter("tag")),
                into: try request.query("runtime") ?? "docker"
            )
        }
    }

    private func preload(_ tag: QualifiedTag, into runtime: String) async throws -> Response {
        guard runtime == "docker" else {
            throw HTTPProblem(
                .badRequest,
                "cannot preload into \(runtime)",
                detail: "docker is the only runtime that an agent can tell to pull",
                remedy: "let the runtime itself pull the image from the agent's registry"
            )
        }
        guard let registry = status.address("registry") else {
            throw HTTPProblem.unavailable(
                "the registry does not listen yet",
                retryAfter: .seconds(1)
            )
        }
        try await docker.pull(tag, from: registry)
        return .empty()
    }
}
