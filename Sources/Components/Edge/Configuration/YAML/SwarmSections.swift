// SPDX-License-Identifier: Apache-2.0

import Primitives
import SwarmCore

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

    /// Lays the scheduler's section under `key` over `policy`, and answers the rates in its `conn: {bandwidth: {…}}`.
    ///
    /// Its `policy`, which Kraken does not have, names the rules that the other keys change.
    /// - Source: uber/kraken lib/torrent/scheduler/config.go.
    mutating func scheduler(
        _ key: String,
        _ policy: inout SwarmPolicy
    ) throws(ConfigurationError) -> (egress: ByteRate?, ingress: ByteRate?) {
        guard var section = try table(key) else { return (nil, nil) }
        if let name = section.take("policy") {
            guard let preset = SwarmPolicy.Preset(rawValue: try name.text()) else {
                throw name.defect("unknown", remedy: "use herd or kraken")
            }
            policy = preset.policy
        }
        policy.seederIdleMax = try section.duration("seeder_tti") ?? policy.seederIdleMax
        policy.leecherIdleMax = try section.duration("leecher_tti") ?? policy.leecherIdleMax
        policy.connectionIdleMax = try section.duration("conn_tti") ?? policy.connectionIdleMax
        policy.connectionAgeMax = try section.duration("conn_ttl") ?? policy.connectionAgeMax
        policy.reapInterval = try section.duration("preemption_interval") ?? policy.reapInterval
        try section.connectionState(&policy)
        try section.dispatch(&policy)
        let rates = try section.connection(&policy)
        try section.finish(
            ignoring: [
                "emit_stats_interval", "disable_preemption", "probe_timeout", "torrentlog", "log",
            ]
        )
        return rates
    }

    private mutating func connectionState(
        _ policy: inout SwarmPolicy
    ) throws(ConfigurationError) {
        guard var section = try table("connstate") else { return }
        let most = try section.integer("max_open_conn", in: 0...Limits().peerConnectionsMax)
        policy.connectionsMax = most.flatMap { $0 > 0 ? $0 : nil } ?? policy.connectionsMax
        let mutual = try section.integer("max_mutual_conn")
        policy.mutualConnectionsMax = mutual.flatMap { $0 > 0 ? $0 : nil }
        policy.isBanningDisabled = try section.flag("disable_blacklist") ?? policy.isBanningDisabled
        policy.banDuration = try section.duration("blacklist_duration") ?? policy.banDuration
        policy.banDurationMax = max(policy.banDurationMax, policy.banDuration)
        try section.finish()
    }

    private mutating func dispatch(_ policy: inout SwarmPolicy) throws(ConfigurationError) {
        guard var section = try table("dispatch") else { return }
        policy.requestTimeoutMin =
            try section.duration("piece_request_min_timeout") ?? policy.requestTimeoutMin
        policy.requestTimeoutPerMebibyte =
            try section.duration("piece_request_timeout_per_mb") ?? policy.requestTimeoutPerMebibyte
        if let order = section.take("piece_request_policy") {
            guard let known = SwarmPolicy.RequestOrder(rawValue: try order.text()) else {
                throw order.defect("unknown", remedy: "use rarest_first or default")
            }
            policy.requestOrder = known
        }
        let allowed = 0...Limits().requestsFromPeerMax
        func positive(_ number: Int?) -> Int? { number.flatMap { $0 > 0 ? $0 : nil } }
        let agents = positive(try section.integer("pipeline_limit", in: allowed))
        policy.requestsPerAgent = agents ?? policy.requestsPerAgent
        let origins = positive(try section.integer("origin_pipeline_limit", in: allowed))
        policy.requestsPerOrigin = origins ?? policy.requestsPerOrigin
        // Kraken's endgame begins where one peer's pipeline could hold all that is missing.
        policy.endgamePieces =
            positive(try section.integer("endgame_threshold")) ?? policy.requestsPerAgent
        policy.isEndgameDisabled = try section.flag("disable_endgame") ?? policy.isEndgameDisabled
        try section.finish()
    }

    private mutating func connection(
        _ policy: inout SwarmPolicy
    ) throws(ConfigurationError) -> (egress: ByteRate?, ingress: ByteRate?) {
        guard var section = try table("conn") else { return (nil, nil) }
        policy.handshakeTimeout =
            try section.duration("handshake_timeout") ?? policy.handshakeTimeout
        var rates: (egress: ByteRate?, ingress: ByteRate?) = (nil, nil)
        if var bandwidth = try section.table("bandwidth") {
            let isEnabled = try bandwidth.flag("enable") ?? false
            let egress = try bandwidth.rate(bits: "egress_bits_per_sec") ?? Self.egressDefault
            let ingress = try bandwidth.rate(bits: "ingress_bits_per_sec") ?? Self.ingressDefault
            try bandwidth.finish(ignoring: ["token_size"])
            if isEnabled { rates = (egress, ingress) }
        }
        try section.finish(ignoring: ["sender_buffer_size", "receiver_buffer_size"])
        return rates
    }

    /// - Source: uber/kraken lib/torrent/scheduler/conn/config.go.
    private static let egressDefault = ByteRate(bytesPerSecond: 1_677_721_600 / 8)
    private static let ingressDefault = ByteRate(bytesPerSecond: 2_516_582_400 / 8)

    /// A rate that Kraken gives in bits a second.
    private mutating func rate(bits key: String) throws(ConfigurationError) -> ByteRate? {
        guard let bits = try integer(key), bits >= 8 else { return nil }
        return ByteRate(bytesPerSecond: bits / 8)
    }
}

/// Kraken's keys of a store that have no counterpart here.
enum StoreKeys {
    static let withoutEffect = [
        "capacity", "upload_cleanup", "memory_cache", "volumes", "read_part_size",
        "write_part_size", "skip_hash_verification",
    ]
}
