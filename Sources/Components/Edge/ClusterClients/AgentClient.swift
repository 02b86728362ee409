// SPDX-License-Identifier: Apache-2.0

package import Content
package import HTTPKit
import HTTPTypes
import Primitives

/// One agent's HTTP API, as far as others ask it.
package struct AgentClient: Sendable {
    private let host: HostConnection

    /// How long an agent may take to fetch a blob.
    private static let fetchTimeout = Duration.hours(6)

    /// The agent at `address`, `host:port`, reached through `http`.
    package init(address: String, http: HTTPClient) {
        host = HostConnection(address: address, http: http)
    }

    /// Has the agent fetch the blob `name` through the swarm; returns once it has all of it, and says whether it had it before.
    /// What a SHA-512 stands for the agent asks of the repository that `namespace` is the name of.
    /// - Throws: ``ClusterError``; `.notFound` when nobody has the blob, or the agent is not one of ours.
    package func prefetch(
        _ name: ContentDigest,
        namespace: Namespace
    ) async throws -> PrefetchOutcome {
        let path = "/namespace/\(URLEncoding.pathSegment(namespace.name))/blobs/\(name)/prefetch"
        let answer = try await host.exchange(
            .post,
            path,
            timeout: Self.fetchTimeout,
            accepting: [200, 201]
        )
        return answer.status == 200 ? .held : .started
    }
}
