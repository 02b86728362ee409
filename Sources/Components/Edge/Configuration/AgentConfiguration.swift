// SPDX-License-Identifier: Apache-2.0

package import Primitives
package import SwarmCore

/// An agent's settings.
/// - Source: uber/kraken agent/cmd/config.go; the ports are those of its devcluster.
package struct AgentConfiguration: Hashable, Sendable {
    /// The address that all listeners listen on.
    package var host = "127.0.0.1"
    /// The port of the registry, for container runtimes; 0 picks a free one.
    package var registryPort = 16000
    /// The port to listen on for peers; 0 picks a free one.
    package var peerPort = 16001
    /// The port of the server for everything else; 0 picks a free one.
    package var port = 16002
    /// The address that peers are told to dial; nil: ``host``.
    package var peerIP: String?
    /// How the agent gets its peer id.
    package var peerIDFactory = PeerIDFactory.addressHash
    /// Where it stands; empty when unknown.
    package var zone = ""
    /// The directory of everything it stores.
    package var dataDirectory: String
    /// The trackers, `host:port`.
    package var trackers: [String]
    /// How the hosts of a section are looked up and watched; the defaults where it is absent.
    package var hostChecks: [String: HostChecks] = [:]
    /// The build-indexes, `host:port`.
    package var buildIndexes: [String]
    /// Where clients should push instead, `host:port`; nil when not known.
    package var pushAddress: String?
    /// The other registries that it answers for (`mirrors`).
    package var mirrors: [MirroredRegistry] = []
    /// When blobs leave the disk.
    package var cleanup = CleanupPolicy()
    /// The rules of its swarms (`scheduler`).
    package var swarm = SwarmPolicy()
    /// What it sends to peers at most; nil: as fast as they read.
    package var egress: ByteRate?
    /// What it receives from peers at most; nil: as fast as they send.
    package var ingress: ByteRate?
    /// The Docker daemon that `GET /preload` tells to pull (`container_runtime.docker`).
    package var docker = DockerConfiguration()
    /// How long a stop waits for running requests.
    package var drainTimeout = Duration.seconds(5)
    /// The bounds of its store, swarms and listeners.
    package var limits = Limits()

    /// An agent that stores in `dataDirectory` and asks `trackers` and `buildIndexes`.
    package init(dataDirectory: String, trackers: [String], buildIndexes: [String]) {
        (self.dataDirectory, self.trackers) = (dataDirectory, trackers)
        self.buildIndexes = buildIndexes
    }
}
