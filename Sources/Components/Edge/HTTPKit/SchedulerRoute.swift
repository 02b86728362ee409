// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
import Content
package import Hummingbird
package import Primitives

/// Kraken's request to a running component for other rules of its swarms; they are in force until the file is read again.
/// - Source: uber/kraken agent/agentserver/server.go, origin/blobserver/server.go.
package struct SchedulerRoute: Sendable {
    private let change: @Sendable (SchedulerSettings) async throws -> Bool
    private let limits: Limits

    /// The route of a component with a `Configuration`, which has registered at `reloads`; `set` makes settings a part of it.
    package init<Configuration: Sendable>(
        _ reloads: LiveReload,
        _: Configuration.Type,
        limits: Limits,
        set: @escaping @Sendable (inout Configuration, SchedulerSettings) -> Void
    ) {
        self.limits = limits
        change = { settings in
            try await reloads.amend { (configuration: inout Configuration) in
                set(&configuration, settings)
            } != nil
        }
    }

    /// Adds it to `router`.
    package func add(to router: Router<ServerContext>) {
        router.patch("/x/config/scheduler") { request, _ in
            let document = try await request.json(upTo: limits.jsonBodyBytesMax)
            guard document.members != nil else {
                throw HTTPProblem.badRequest("the scheduler's settings are a JSON object")
            }
            let settings: SchedulerSettings
            do { settings = try SchedulerSettings(json: document) } catch {
                throw HTTPProblem.badRequest("\(error)")
            }
            guard try await change(settings) else {
                throw HTTPProblem.unavailable("the component has not started yet")
            }
            return Response.empty()
        }
    }
}
