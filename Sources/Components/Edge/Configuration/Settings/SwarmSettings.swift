// SPDX-License-Identifier: Apache-2.0

import Primitives
import SwarmCore

/// What the sections that several components have in common say.
extension SettingList {
    /// The rules of swarms and the limits of bandwidth, as ``ConfigurationTable/scheduler(_:_:)`` reads them.
    static func scheduler(
        _ policy: SwarmPolicy,
        _ usual: SwarmPolicy,
        egress: ByteRate?,
        ingress: ByteRate?
    ) -> SettingList<SwarmPolicy> {
        var list = SettingList<SwarmPolicy>(policy, usual: usual)
        list.add("scheduler.policy", \.preset.rawValue)
        list.add("scheduler.seeder_tti", \.seederIdleMax)
        list.add("scheduler.leecher_tti", \.leecherIdleMax)
        list.add("scheduler.conn_tti", \.connectionIdleMax)
        list.add("scheduler.conn_ttl", \.connectionAgeMax)
        list.add("scheduler.preemption_interval", \.reapInterval)
        list.add("scheduler.connstate.max_open_conn", \.connectionsMax)
        list.add("scheduler.connstate.max_mutual_conn", \.mutualConnectionsMax)
        list.add("scheduler.connstate.disable_blacklist", \.isBanningDisabled)
        list.add("scheduler.connstate.blacklist_duration", \.banDuration)
        list.add("scheduler.dispatch.piece_request_min_timeout", \.requestTimeoutMin)
        list.add("scheduler.dispatch.piece_request_timeout_per_mb", \.requestTimeoutPerMebibyte)
        list.add("scheduler.dispatch.piece_request_policy", \.requestOrder.rawValue)
        list.add("scheduler.dispatch.pipeline_limit", \.requestsPerAgent)
        list.add("scheduler.dispatch.origin_pipeline_limit", \.requestsPerOrigin)
        list.add("scheduler.dispatch.endgame_threshold", \.endgamePieces)
        list.add("scheduler.dispatch.disable_endgame", \.isEndgameDisabled)
        list.add("scheduler.conn.handshake_timeout", \.handshakeTimeout)
        let isLimited = egress != nil || ingress != nil
        list.append(
            "scheduler.conn.bandwidth.enable",
            isLimited.settingText,
            isChanged: isLimited
        )
        for (name, rate) in [("egress", egress), ("ingress", ingress)] {
            guard let rate else { continue }
            let bits = rate.bytesPerSecond.multipliedReportingOverflow(by: 8)
            list.append(
                "scheduler.conn.bandwidth.\(name)_bits_per_sec",
                "\(bits.overflow ? .max : bits.partialValue)",
                isChanged: true
            )
        }
        return list
    }

    /// When blobs leave the disk, under the key `section`.
    static func cleanup(_ section: String, _ policy: CleanupPolicy) -> SettingList<CleanupPolicy> {
        var list = SettingList<CleanupPolicy>(policy, usual: CleanupPolicy())
        list.add("\(section).disabled", \.isDisabled)
        list.add("\(section).interval", \.interval)
        list.add("\(section).tti", \.timeToIdle)
        list.add("\(section).ttl", \.timeToLive)
        list.add("\(section).aggressive_threshold", \.diskHighPercent)
        list.add("\(section).aggressive_lower_threshold", \.diskLowPercent)
        list.add("\(section).aggressive_ttl", \.aggressiveTimeToLive)
        return list
    }

    /// Where things are stored for good: the kind and the place of each backend, never what opens it.
    mutating func append(_ rules: [BackendRule]) {
        for (index, rule) in rules.enumerated() {
            let ready = rule.mustBeReady ? ", must_ready" : ""
            let text = "\(rule.namespacePattern) → \(rule.backend.place)\(ready)"
            append("backends[\(index)]", text, isChanged: true)
        }
    }
}

extension BackendConfiguration {
    /// The kind, and where it is, by the keys that hold no secret in any kind.
    var place: String {
        var places = ["endpoint", "addr", "address", "bucket", "root", "root_directory"].compactMap(
            value
        ).filter { !$0.isEmpty && !$0.contains("@") }
        let first = places.isEmpty ? "" : " " + places.removeFirst()
        let rest = places.map { "/" + $0.split(separator: "/").joined(separator: "/") }.joined()
        let names = value("name_path").map { " (\($0))" } ?? ""
        return kind + first + rest + names
    }

    private func value(_ key: String) -> String? {
        guard case .mapping(let entries) = settings.value,
            case .scalar(let text)? = entries.last(where: { $0.key == key })?.value.value
        else { return nil }
        return text
    }
}
