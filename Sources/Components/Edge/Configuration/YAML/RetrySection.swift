// SPDX-License-Identifier: Apache-2.0

import RetryCore

extension ConfigurationTable {
    /// Reads the section `key` of a persisted queue into `rules`: Kraken's keys, and ours.
    /// - Source: uber/kraken lib/persistedretry/config.go.
    mutating func retryRules(
        _ key: String,
        _ rules: inout RetryRules
    ) throws(ConfigurationError) {
        guard var queue = try table(key) else { return }
        rules.freshWorkers =
            try queue.integer("num_incoming_workers", in: 1...1000) ?? rules.freshWorkers
        rules.retryWorkers =
            try queue.integer("num_retry_workers", in: 1...1000) ?? rules.retryWorkers
        if let longest = try queue.duration("retry_interval") { rules.pauseMax = longest }
        rules.pauseMin = min(
            try queue.duration("retry_interval_min") ?? rules.pauseMin,
            rules.pauseMax
        )
        rules.attemptsMax =
            try queue.integer("attempts_max", in: 1...1_000_000) ?? rules.attemptsMax
        try queue.finish(ignoring: Self.retryKeysWithoutEffect)
    }

    /// Kraken's settings without a counterpart: all tasks wait on disk, and a timer wakes for the first that is due.
    private static let retryKeysWithoutEffect = [
        "incoming_buffer", "retry_buffer", "max_task_throughput", "poll_retries_interval",
        "sync_retry_backoff", "workqueue_metrics_emit_interval",
    ]
}
