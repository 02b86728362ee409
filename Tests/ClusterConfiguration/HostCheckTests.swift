// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Primitives
import Testing

@Suite("Configuration of host lists") struct HostCheckTests {
    private func tracker(_ origin: String) throws -> TrackerConfiguration {
        let node = try ConfigurationFile.parse("origin: {\(origin)}", file: "tracker.yaml")
        return try TrackerConfiguration(yaml: node)
    }

    @Test("reads names, their time to live, and how hosts are probed")
    func probes() throws {
        let configuration = try tracker(
            """
            hosts: {dns: "origins:80", ttl: 30s}, healthcheck: {filter: {fails: 5, passes: 1,
            timeout: 1s}, monitor: {interval: 20s}}
            """
        )
        #expect(configuration.origins == ["dns:origins:80"])
        var checks = HostChecks()
        (checks.timeToLive, checks.probeInterval) = (.seconds(30), .seconds(20))
        (checks.probeFailsMax, checks.probePassesMin) = (5, 1)
        checks.probeTimeout = .seconds(1)
        #expect(configuration.hostChecks == ["origin": checks])
        #expect(try tracker("hosts: {static: ['a:1']}").hostChecks.isEmpty)
        let off = try tracker("hosts: {static: ['a:1']}, healthcheck: {disabled: true}")
        #expect(off.hostChecks["origin"]?.isProbed == false)
    }

    @Test("reads what agents count")
    func passive() throws {
        let text = """
            data_dir: /data
            tracker: {hosts: {static: ["t:1"]}, healthcheck: {fails: 7, fail_timeout: 1m}}
            build_index: {hosts: {static: ["b:1"]}}
            """
        let node = try ConfigurationFile.parse(text, file: "agent.yaml")
        let checks = try AgentConfiguration(yaml: node).hostChecks
        #expect(checks["tracker"]?.failsMax == 7 && checks["build_index"] == nil)
        #expect(checks["tracker"]?.failTimeout == .minutes(1))
    }

    @Test(
        "says what is wrong",
        arguments: ["filter: {fail: 3}", "filter: {fails: 0}", "monitor: {every: 3s}", "passes: 3"]
    )
    func defects(_ text: String) {
        let error = #expect(throws: ConfigurationError.self) {
            try tracker("hosts: {static: ['a:1']}, healthcheck: {\(text)}")
        }
        #expect(error?.description.contains("tracker.yaml:1") == true)
    }
}
