// SPDX-License-Identifier: Apache-2.0

package import HTTPKit
import HTTPTypes
package import Logging
import Primitives
import Telemetry

/// How hosts are probed.
/// - Source: uber/kraken lib/healthcheck: the defaults are its.
package struct ProbePolicy: Hashable, Sendable {
    /// The time between probes.
    package var interval = Duration.seconds(10)
    /// How long a probe may take.
    package var timeout = Duration.seconds(3)
    /// Failed probes in a row that make a host unhealthy.
    package var failsMax = 3
    /// Good probes in a row that make it healthy again.
    package var passesMin = 2

    /// The defaults.
    package init() {}
}

extension HostList {
    /// Probes every host's `/health` now and then, until the task is cancelled: one that is down is left out before anybody
    /// has to wait for it. Nobody is left out when that would leave out all. Without a `policy` nobody is probed.
    package func monitor(_ policy: ProbePolicy?, http: HTTPClient, log: Logger) async {
        guard let policy else { return }
        beginMonitoring(policy)
        while !Task.isCancelled {
            // Probes are made at a rate; a host does not tell when it goes.
            do { try await Task.sleep(for: policy.interval) } catch { return }
            await probe(policy, http, log)
        }
    }

    private func probe(_ policy: ProbePolicy, _ http: HTTPClient, _ log: Logger) async {
        let hosts = await lookedUpHosts()
        // A single host is used whatever its probes say.
        guard hosts.count > 1 else { return }
        let passed = await withTaskGroup(of: (String, Bool).self) { group in
            for host in hosts {
                group.addTask { (host, await Self.answers(host, policy, http)) }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        guard !Task.isCancelled else { return }
        for (host, isHealthy) in record(passed) {
            log.notice(
                isHealthy ? "host is healthy again" : "host does not answer",
                metadata: [LogKey.address: "\(host)"]
            )
        }
    }

    private static func answers(
        _ host: String,
        _ policy: ProbePolicy,
        _ http: HTTPClient
    ) async -> Bool {
        let request = ClientRequest(
            .get,
            "\(ClientRequest.memberScheme)\(host)/health",
            timeout: policy.timeout,
            retry: .never
        )
        do {
            _ = try await http.collect(request, upTo: 1 << 16)
            return true
        } catch { return false }
    }
}
