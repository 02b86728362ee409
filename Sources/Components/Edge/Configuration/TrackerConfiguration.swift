// SPDX-License-Identifier: Apache-2.0

package import Primitives

/// A tracker's settings.
/// - Source: uber/kraken tracker/cmd/config.go; the defaults are its, but where a comment says otherwise.
package struct TrackerConfiguration: Hashable, Sendable {
    /// The address to listen on.
    package var host: String
    /// The port to listen on; 0 picks a free one. 15003 as in Kraken's devcluster.
    package var port: Int
    /// The origins, `host:port`; any of them knows who owns a blob.
    package var origins: [String]
    /// How the hosts of a section are looked up and watched; the defaults where it is absent.
    package var hostChecks: [String: HostChecks] = [:]
    /// How long peers are told to wait between announces.
    package var announceInterval: Duration
    /// The most agents in one handout; the blob's origins come on top.
    package var handoutAgentsMax: Int
    /// In which order a handout names its peers; agents dial in that order.
    package var handoutOrder: TrackerHandoutOrder
    /// How long a peer is handed out after its last announce.
    package var peerTimeToLive: Duration
    /// How long the owners of a blob are remembered.
    package var locationsTimeToLive: Duration
    /// How long a failure to learn the owners is remembered.
    package var locationsErrorTimeToLive: Duration
    /// How long an origin's peer address is trusted before it is asked for again.
    package var originContextTimeToLive: Duration
    /// How long an origin that did not answer is left out of handouts before it is asked again. Kraken: a minute, which
    /// hides a restarted origin for longer than agents wait; asking every 2 s costs a refused connection each.
    package var originUnavailableTimeToLive: Duration
    /// How long an announce waits for the origins before it is answered with the agents alone.
    package var originLookupTimeout: Duration
    /// How long meta info is cached. (Kraken leaves this and the next two to nginx.)
    package var metaInfoTimeToLive: Duration
    /// How long any other answer to a request for meta info is cached.
    package var metaInfoErrorTimeToLive: Duration
    /// How long a request for meta info waits for the origins. Below the 10 s after which agents give up on a tracker:
    /// a slow origin must not look like a dead tracker.
    package var metaInfoTimeout: Duration
    /// How long a stop waits for running requests.
    package var drainTimeout: Duration
    /// The bounds of its tables, caches and listener.
    package var limits: Limits

    /// A tracker over `origins`.
    package init(
        host: String = "127.0.0.1",
        port: Int = 15003,
        origins: [String],
        announceInterval: Duration = .seconds(3),
        handoutAgentsMax: Int = 50,
        handoutOrder: TrackerHandoutOrder = .completeness,
        peerTimeToLive: Duration = .hours(5),
        locationsTimeToLive: Duration = .seconds(10),
        locationsErrorTimeToLive: Duration = .seconds(1),
        originContextTimeToLive: Duration = .seconds(10),
        originUnavailableTimeToLive: Duration = .seconds(2),
        originLookupTimeout: Duration = .seconds(2),
        metaInfoTimeToLive: Duration = .minutes(5),
        metaInfoErrorTimeToLive: Duration = .seconds(1),
        metaInfoTimeout: Duration = .seconds(9),
        drainTimeout: Duration = .seconds(5),
        limits: Limits = Limits()
    ) {
        (self.host, self.port, self.origins) = (host, port, origins)
        (self.announceInterval, self.handoutAgentsMax) = (announceInterval, handoutAgentsMax)
        (self.handoutOrder, self.peerTimeToLive) = (handoutOrder, peerTimeToLive)
        self.locationsTimeToLive = locationsTimeToLive
        self.locationsErrorTimeToLive = locationsErrorTimeToLive
        self.originContextTimeToLive = originContextTimeToLive
        self.originUnavailableTimeToLive = originUnavailableTimeToLive
        self.originLookupTimeout = originLookupTimeout
        self.metaInfoTimeToLive = metaInfoTimeToLive
        self.metaInfoErrorTimeToLive = metaInfoErrorTimeToLive
        self.metaInfoTimeout = metaInfoTimeout
        (self.drainTimeout, self.limits) = (drainTimeout, limits)
    }
}

/// In which order a handout names its peers; the raw value is the name in Kraken's `peerhandoutpolicy.priority`.
package enum TrackerHandoutOrder: String, Hashable, Sendable, CaseIterable {
    /// As they come: agents at random, then origins.
    case unordered = "default"
    /// Agents that have the whole blob, then origins, then the other agents.
    case completeness
}
