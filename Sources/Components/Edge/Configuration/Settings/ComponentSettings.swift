// SPDX-License-Identifier: Apache-2.0

import Primitives
import RetryCore
import SwarmCore
package import Telemetry

// Configurations as their files would say them. Where a value comes from the command line, the key is the flag's.

extension AgentConfiguration {
    /// What is in force, secrets left out.
    package var settings: [SettingStatus] {
        let usual = AgentConfiguration(dataDirectory: "", trackers: [], buildIndexes: [])
        var list = SettingList(self, usual: usual)
        list.add("agent-registry-port", \.registryPort)
        list.add("peer-port", \.peerPort)
        list.add("agent-server-port", \.port)
        list.add("peer-ip", \.peerIP)
        list.add("zone", \.zone)
        list.add("data_dir", \.dataDirectory)
        list.addHosts("tracker.hosts", \.trackers)
        list.addHosts("build_index.hosts", \.buildIndexes)
        list.add("peer_id_factory", \.peerIDFactory)
        for mirror in mirrors {
            let mark = mirror.isDefault ? " (default)" : ""
            list.append(
                "mirrors.\(mirror.registry)",
                (mirror.prefix.isEmpty ? "\"\"" : mirror.prefix) + mark,
                isChanged: true
            )
        }
        list.append(SettingList<Self>.cleanup("store.cache_cleanup", cleanup))
        list.append(
            SettingList<Self>
                .scheduler(
                    swarm,
                    usual.swarm,
                    egress: egress,
                    ingress: ingress
                )
        )
        list.add("container_runtime.docker.docker_host", \.docker.host)
        list.add("container_runtime.docker.docker_scheme", \.docker.scheme)
        list.add("container_runtime.docker.docker_version", \.docker.version)
        return list.settings
    }
}

extension OriginConfiguration {
    /// What is in force, secrets left out.
    package var settings: [SettingStatus] {
        let usual = OriginConfiguration(dataDirectory: "")
        var list = SettingList(self, usual: usual)
        list.add("blobserver-port", \.port)
        list.add("peer-port", \.peerPort)
        list.add("peer-ip", \.peerIP)
        list.add("zone", \.zone)
        list.add("cluster-name", \.clusterName)
        list.add("data_dir", \.dataDirectory)
        list.addHosts("cluster", \.cluster)
        list.add("hashring.max_replica", \.replicasMax)
        list.add("hashring.refresh_interval", \.healthInterval)
        list.add("hashring.membership_wait_timeout", \.membershipTimeout)
        list.add("healthcheck.fails", \.healthFailsMax)
        list.add("healthcheck.passes", \.healthPassesMin)
        list.add("healthcheck.timeout", \.healthTimeout)
        list.append(
            "healing.rate",
            ByteCount(healingRate?.bytesPerSecond ?? 0).settingText,
            isChanged: healingRate != usual.healingRate
        )
        list.add("healing.interval", \.healingInterval)
        list.append(backends)
        list.append(
            "metainfogen.piece_lengths",
            pieceLengths.settingText,
            isChanged: pieceLengths != usual.pieceLengths
        )
        list.add("blobserver.duplicate_write_back_stagger", \.duplicateWriteBackStagger)
        list.addRetries("writeback", \.writeBack)
        list.add("blobrefresh.size_limit", \.refreshBytesMax)
        list.add("peer_id_factory", \.peerIDFactory)
        list.append(SettingList<Self>.cleanup("castore.cache_cleanup", cleanup))
        list.append(
            SettingList<Self>
                .scheduler(
                    swarm,
                    usual.swarm,
                    egress: egress,
                    ingress: ingress
                )
        )
        return list.settings
    }
}

extension TrackerConfiguration {
    /// What is in force, secrets left out.
    package var settings: [SettingStatus] {
        var list = SettingList(self, usual: TrackerConfiguration(origins: []))
        list.add("port", \.port)
        list.addHosts("origin.hosts", \.origins)
        list.add("trackerserver.announce_interval", \.announceInterval)
        list.add("trackerserver.announce_limit", \.handoutAgentsMax)
        list.add("peerhandoutpolicy.priority", \.handoutOrder)
        list.add("peerstore.local.ttl", \.peerTimeToLive)
        list.add("originstore.locations_ttl", \.locationsTimeToLive)
        list.add("originstore.locations_error_ttl", \.locationsErrorTimeToLive)
        list.add("originstore.origin_context_ttl", \.originContextTimeToLive)
        list.add("originstore.origin_unavailable_ttl", \.originUnavailableTimeToLive)
        return list.settings
    }
}

extension BuildIndexConfiguration {
    /// What is in force, secrets left out.
    package var settings: [SettingStatus] {
        let usual = BuildIndexConfiguration(dataDirectory: "", origins: [], backends: [])
        var list = SettingList(self, usual: usual)
        list.add("port", \.port)
        list.add("data_dir", \.dataDirectory)
        list.addHosts("cluster.hosts", \.cluster)
        list.addHosts("origin.hosts", \.origins)
        list.append(backends)
        for (index, rule) in tagTypes.enumerated() {
            list.append(
                "tag_types[\(index)]",
                "\(rule.namespacePattern) → \(rule.type.rawValue)",
                isChanged: tagTypes != usual.tagTypes
            )
        }
        for remote in remotes {
            list.append("remotes.\(remote.name)", remote.settingText, isChanged: true)
        }
        list.add("tagserver.duplicate_put_stagger", \.duplicatePutStagger)
        list.addRetries("tag_replication", \.tagReplication)
        list.add("tagserver.duplicate_replicate_stagger", \.duplicateReplicateStagger)
        list.add("tag_store.write_through", \.writesThrough)
        list.addRetries("writeback", \.writeBack)
        list.add("tag_cache_interval", \.tagCacheInterval)
        for pattern in immutableTags { list.append("immutable_tags", pattern, isChanged: true) }
        return list.settings
    }
}

extension ProxyConfiguration {
    /// What is in force, secrets left out.
    package var settings: [SettingStatus] {
        let usual = ProxyConfiguration(dataDirectory: "", origins: [], buildIndexes: [])
        var list = SettingList(self, usual: usual)
        list.add("port", \.registryPort)
        list.add("server-port", \.port)
        list.add("data_dir", \.dataDirectory)
        list.addHosts("origin.hosts", \.origins)
        list.addHosts("build_index.hosts", \.buildIndexes)
        list.add("upload_tti", \.uploadTimeToIdle)
        list.add("server.prefetch_min_blob_size", \.prefetchBytesMin)
        list.add("server.prefetch_max_blob_size", \.prefetchBytesMax)
        if let access {
            list.append(access)
        } else if anonymousByDefault {
            list.add("anonymous", \.anonymousByDefault)
        }
        return list.settings
    }
}

extension SettingList where Configuration == ProxyConfiguration {
    /// Adds who may do what; where passwords and keys are is told, they themselves are not here.
    fileprivate mutating func append(_ access: AccessConfiguration) {
        func add(_ key: String, _ value: (any SettingValue)?) {
            guard let value else { return }
            append("access.\(key)", value.settingText, isChanged: true)
        }
        add("anonymous", access.anonymous.rawValue)
        add("htpasswd", access.passwordFile)
        if access.passwordFile != nil { add("realm", access.realm) }
        if let tokens = access.tokens {
            if !tokens.keyFiles.isEmpty { add("tokens.keys", tokens.keyFiles) }
            add("tokens.jwks", tokens.keySetURL)
            if tokens.keySetURL != nil { add("tokens.refresh_interval", tokens.refreshInterval) }
            add("tokens.issuer", tokens.issuer)
            add("tokens.service", tokens.service)
            add("tokens.realm", tokens.realm)
        }
        for (index, rule) in access.rules.enumerated() {
            let users = rule.users?.joined(separator: ", ") ?? "anybody"
            let actions = rule.actions.map(\.rawValue).sorted().joined(separator: ", ")
            add("rules[\(index)]", "\(rule.repository): \(users): \(actions)")
        }
    }
}

extension TestfsConfiguration {
    /// What is in force.
    package var settings: [SettingStatus] {
        var list = SettingList(self, usual: TestfsConfiguration())
        list.add("port", \.port)
        list.add("directory", \.directory)
        list.add("file_bytes_max", \.fileBytesMax)
        return list.settings
    }
}

extension TagRemote {
    /// The tags, and what registry they go to as what; nothing that could be secret.
    var settingText: String {
        guard let registry else { return patterns.settingText }
        let place = BackendConfiguration(kind: "registry", settings: registry.settings).place
        return "\(patterns.settingText) → \(place)/\(registry.repository)"
    }
}
