// SPDX-License-Identifier: Apache-2.0

/// Where an agent finds the Docker daemon that it tells to pull images.
/// - Source: uber/kraken lib/dockerdaemon/cli.go.
package struct DockerConfiguration: Hashable, Sendable {
    /// `unix://` and the path of its socket, or `tcp://host:port`.
    package var host = "unix:///var/run/docker.sock"
    /// How it is spoken to over TCP: `http` or `https`.
    package var scheme = "http"
    /// The version of its API.
    package var version = "1.21"

    /// Kraken's defaults.
    package init() {}
}
