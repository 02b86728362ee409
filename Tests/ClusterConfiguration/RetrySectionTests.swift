// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import RetryCore
import Testing

@Suite("Configuration of queues") struct RetrySectionTests {
    private func origin(_ section: String) throws -> (OriginConfiguration, ConfigurationNode) {
        let node = try ConfigurationFile.parse(
            "data_dir: /data\nwriteback: {\(section)}",
            file: "origin.yaml"
        )
        return (try OriginConfiguration(yaml: node), node)
    }

    @Test("reads Kraken's keys and ours; the shortest pause is never above the longest")
    func keys() throws {
        let (configuration, node) = try origin(
            """
            num_incoming_workers: 8, num_retry_workers: 3, retry_interval: 30s, retry_interval_min: 2s,
            attempts_max: 7, incoming_buffer: 1000, poll_retries_interval: 15s
            """
        )
        let rules = configuration.writeBack
        #expect((rules.freshWorkers, rules.retryWorkers, rules.attemptsMax) == (8, 3, 7))
        #expect((rules.pauseMin, rules.pauseMax) == (.seconds(2), .seconds(30)))
        #expect(node.warnings.all.contains { $0.why.contains("incoming_buffer") })
        let (short, _) = try origin("retry_interval: 100ms")
        #expect(short.writeBack.pauseMin == .milliseconds(100))
        #expect(try origin("").0.writeBack == RetryRules())
    }

    @Test(
        "says what is wrong",
        arguments: ["num_retry_workers: 0", "attempts_max: 0", "retries: 3"]
    )
    func defects(_ section: String) {
        let error = #expect(throws: ConfigurationError.self) { try origin(section) }
        #expect(error?.description.contains("origin.yaml:2") == true)
    }
}
