// SPDX-License-Identifier: Apache-2.0

import Primitives

/// How the hosts of one section (`origin`, `build_index`, `cluster`, `tracker`) are looked up and watched.
/// - Source: uber/kraken lib/hostlist, lib/upstream, lib/healthcheck; the defaults are its.
package struct HostChecks: Hashable, Sendable {
    /// The age at which addresses of a name are looked up again (`hosts.ttl`).
    package var timeToLive = Duration.seconds(5)
    /// Whether hosts are probed (`healthcheck.disabled`); agents never probe.
    package var isProbed = true
    /// The time between probes (`healthcheck.monitor.interval`).
    package var probeInterval = Duration.seconds(10)
    /// How long a probe may take (`healthcheck.filter.timeout`).
    package var probeTimeout = Duration.seconds(3)
    /// Failed probes in a row that leave a host out (`healthcheck.filter.fails`).
    package var probeFailsMax = 3
    /// Good probes in a row that take it back (`healthcheck.filter.passes`).
    package var probePassesMin = 2
    /// Requests without an answer within ``failTimeout`` that leave a host out (`healthcheck.fails`).
    package var failsMax = 3
    /// How long those are remembered, and the host is left out (`healthcheck.fail_timeout`).
    package var failTimeout = Duration.minutes(5)

    /// The defaults.
    package init() {}
}
