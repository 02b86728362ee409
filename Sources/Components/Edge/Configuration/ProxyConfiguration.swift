// SPDX-License-Identifier: Apache-2.0

package import Primitives

/// A proxy's settings.
/// - Source: uber/kraken proxy/cmd/config.go; the ports are those of its devcluster.
package struct ProxyConfiguration: Hashable, Sendable {
    /// The address that both listeners listen on.
    package var host: String
    /// The port of the registry, for docker and its like; 0 picks a free one.
    package var registryPort: Int
    /// The port of the server for operators; 0 picks a free one.
    package var port: Int
    /// The directory for uploads under way; made when absent. Those that an earlier run left in it go on.
    package var dataDirectory: String
    /// The origins, `host:port`; any of them knows who owns a blob.
    package var origins: [String]
    /// How the hosts of a section are looked up and watched; the defaults where it is absent.
    package var hostChecks: [String: HostChecks] = [:]
    /// The build-indexes, `host:port`.
    package var buildIndexes: [String]
    /// Who may push and pull (`access`); nil where nothing is said: anybody, but only where ``anonymousByDefault`` or the
    /// loopback allow that.
    package var access: AccessConfiguration?
    /// Whether anybody may push and pull where ``access`` says nothing, on whatever address (`--anonymous`).
    package var anonymousByDefault = false
    /// How long an upload may lie still before its bytes are removed. Kraken: 6 h; a client that has not come back
    /// within the hour starts anew anyway.
    package var uploadTimeToIdle: Duration
    /// Blobs that are smaller are not fetched ahead; manifests are, whatever their size.
    package var prefetchBytesMin = ByteCount(0)
    /// Blobs that are larger are not fetched ahead.
    package var prefetchBytesMax = ByteCount(50_000_000_000)
    /// How long a stop waits for running requests. A push that is cut off begins again, so it gets its time.
    package var drainTimeout: Duration
    /// The bounds of its uploads, caches and listeners.
    package var limits: Limits

    /// A proxy in front of `origins` and `buildIndexes`.
    package init(
        host: String = "127.0.0.1",
        registryPort: Int = 15000,
        port: Int = 15005,
        dataDirectory: String,
        origins: [String],
        buildIndexes: [String],
        uploadTimeToIdle: Duration = .hours(1),
        drainTimeout: Duration = .seconds(10),
        limits: Limits = Limits()
    ) {
        (self.host, self.registryPort, self.port) = (host, registryPort, port)
        self.dataDirectory = dataDirectory
        (self.origins, self.buildIndexes) = (origins, buildIndexes)
        (self.uploadTimeToIdle, self.drainTimeout) = (uploadTimeToIdle, drainTimeout)
        self.limits = limits
    }
}
