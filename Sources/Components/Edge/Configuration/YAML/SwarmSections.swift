// SPDX-License-Identifier: Apache-2.0

import Primitives

/// Sections about stores and swarms that agents and origins have in common.
extension ConfigurationTable {
    /// Lays the clean-up section under `key` over `policy`.
    /// - Source: uber/kraken lib/store/cleanup.go.
    mutating func cleanup(
        _ key: String,
        _ policy: inout CleanupPolicy
    ) throws(ConfigurationError) {
        guard var section = try table(key) else { return }
        policy.isDisabled = try section.flag("disabled") ?? policy.isDisabled
        policy.interval = try section.duration("interval") ?? policy.interval
        policy.timeToIdle = try section.duration("tti") ?? policy.timeToIdle
        policy.timeToLive = try section.duration("ttl") ?? policy.timeToLive
        policy.diskHighPercent =
            try section.percent("aggressive_threshold") ?? policy.diskHighPercent
        policy.diskLowPercent =
            try section.percent("aggressive_lower_threshold") ?? policy.diskLowPercent
        // Kraken's key really ends in a capital letter.
        let age = try section.duration("aggressive_ttL")
        policy.aggressiveTimeToLive =
            try section.duration("aggressive_ttl") ?? age ?? policy.aggressiveTimeToLive
        try section.finish()
    }

    /// A share of a hundred; zero means absent.
    private mutating func percent(_ key: String) throws(ConfigurationError) -> Int? {
        let percent = try integer(key, in: 0...100)
        return percent == 0 ? nil : percent
    }

    /// The rates in a scheduler's `conn: {bandwidth: {…}}`, which Kraken gives in bits a second.
    mutating func bandwidth() throws(ConfigurationError) -> (egress: ByteRate?, ingress: ByteRate?)
    {
        guard var connection = try table("conn") else { return (nil, nil) }
        guard var section = try connection.table("bandwidth") else {
            try connection.finish(ignoring: SchedulerKeys.connection)
            return (nil, nil)
        }
        let isEnabled = try section.flag("enable") ?? false
        let egress = try section.rate(bits: "egress_bits_per_sec") ?? Self.egressDefault
        let ingress = try section.rate(bits: "ingress_bits_per_sec") ?? Self.ingressDefault
        try section.finish(ignoring: ["token_size"])
        try connection.finish(ignoring: SchedulerKeys.connection)
        return isEnabled ? (egress, ingress) : (nil, nil)
    }

    /// - Source: uber/kraken lib/torrent/scheduler/conn/config.go.
    private static let egressDefault = ByteRate(bytesPerSecond: 1_677_721_600 / 8)
    private static let ingressDefault = ByteRate(bytesPerSecond: 2_516_582_400 / 8)

    private mutating func rate(bits key: String) throws(ConfigurationError) -> ByteRate? {
        guard let bits = try integer(key), bits >= 8 else { return nil }
        return ByteRate(bytesPerSecond: bits / 8)
    }
}

/// Kraken's keys of a scheduler that are not read here.
enum SchedulerKeys {
    /// Of `scheduler.conn`.
    static let connection = ["handshake_timeout", "sender_buffer_size", "receiver_buffer_size"]
    /// Of `scheduler` itself.
    static let all = [
        "seeder_tti", "leecher_tti", "conn_tti", "conn_ttl", "preemption_interval",
        "emit_stats_interval", "disable_preemption", "probe_timeout", "connstate", "dispatch",
        "torrentlog", "log",
    ]
}

/// Kraken's keys of a store that have no counterpart here.
enum StoreKeys {
    static let withoutEffect = [
        "capacity", "upload_cleanup", "memory_cache", "volumes", "read_part_size",
        "write_part_size", "skip_hash_verification",
    ]
}
