// SPDX-License-Identifier: Apache-2.0

package import Content
package import Primitives
package import SwarmCore

/// The rules of a host's swarms and its bandwidth, as they can be replaced while it runs.
package struct SchedulerSettings: Hashable, Sendable {
    /// The rules.
    package var policy = SwarmPolicy()
    /// What it sends to peers at most; nil: as fast as they read.
    package var egress: ByteRate?
    /// What it receives from peers at most; nil: as fast as they send.
    package var ingress: ByteRate?

    /// The rules `policy` within the bandwidths.
    package init(_ policy: SwarmPolicy, egress: ByteRate?, ingress: ByteRate?) {
        (self.policy, self.egress, self.ingress) = (policy, egress, ingress)
    }

    /// Reads the document that Kraken's `PATCH /x/config/scheduler` takes: Go's names of the fields in any case, durations
    /// in nanoseconds. What it does not mention, or sets to zero, has its default.
    /// - Source: uber/kraken lib/torrent/scheduler/config.go.
    /// - Throws: ``ConfigurationError`` saying which key is wrong.
    package init(json: JSON) throws(ConfigurationError) {
        let warnings = ConfigurationWarnings()
        let section = Self.node(json, path: "scheduler", warnings)
        let document = ConfigurationNode(
            value: .mapping([.init(key: "scheduler", line: 1, file: "", value: section)]),
            file: "",
            line: 1,
            path: "",
            warnings: warnings
        )
        var table = try document.table()
        (egress, ingress) = try table.scheduler("scheduler", &policy)
    }

    /// The configuration file's node that says the same as `json`.
    private static func node(
        _ json: JSON,
        path: String,
        _ warnings: ConfigurationWarnings
    ) -> ConfigurationNode {
        let value: ConfigurationNode.Value
        switch json {
        case .null: value = .null
        case .object(let members):
            value = .mapping(
                members.map { member in
                    let key = key(named: member.key)
                    let inner = node(member.value, path: "\(path).\(key)", warnings)
                    return .init(key: key, line: 1, file: "", value: inner)
                }
            )
        case .array(let elements): value = .list(elements.map { node($0, path: path, warnings) })
        case .string(let text): value = .scalar(text)
        default: value = .scalar(json.text)
        }
        return ConfigurationNode(value: value, file: "", line: 1, path: path, warnings: warnings)
    }

    /// The file's key for the field that Go calls `name`: the same without its underscores, but for a few.
    private static func key(named name: String) -> String {
        let name = name.lowercased()
        return renamed[name] ?? keys.first { $0.filter { $0 != "_" } == name } ?? name
    }

    private static let renamed = [
        "maxopenconnectionspertorrent": "max_open_conn", "maxmutualconnections": "max_mutual_conn",
        "agentpipelinelimit": "pipeline_limit",
    ]
    private static let keys = [
        "seeder_tti", "leecher_tti", "conn_tti", "conn_ttl", "preemption_interval",
        "emit_stats_interval", "disable_preemption", "probe_timeout", "disable_blacklist",
        "blacklist_duration", "handshake_timeout", "sender_buffer_size", "receiver_buffer_size",
        "egress_bits_per_sec", "ingress_bits_per_sec", "token_size", "piece_request_min_timeout",
        "piece_request_timeout_per_mb", "piece_request_policy", "origin_pipeline_limit",
        "endgame_threshold", "disable_endgame",
    ]
}
