// SPDX-License-Identifier: Apache-2.0

import Primitives

extension TrackerConfiguration {
    /// Reads a Kraken tracker's keys; `origin` is required.
    /// - Source: uber/kraken tracker/cmd/config.go.
    /// - Throws: ``ConfigurationError``.
    package init(yaml: ConfigurationNode) throws(ConfigurationError) {
        var table = try yaml.table()
        var checks: [String: HostChecks] = [:]
        guard let origins = try table.upstream("origin", &checks), !origins.isEmpty else {
            throw yaml.defect("no origins", remedy: "list them under origin.hosts.static")
        }
        self.init(origins: origins)
        hostChecks = checks
        if var server = try table.table("trackerserver") {
            announceInterval = try server.duration("announce_interval") ?? announceInterval
            handoutAgentsMax =
                try server.integer("announce_limit", in: 1...limits.handoutPeersMax)
                ?? handoutAgentsMax
            if let listener = try server.listener("listener") {
                (host, port) = (listener.host, listener.port)
            }
            try server.finish(ignoring: ["get_metainfo_limit"])
        }
        if var policy = try table.table("peerhandoutpolicy") {
            handoutOrder = try policy.take("priority")?.choice() ?? handoutOrder
            try policy.finish()
        }
        if var store = try table.table("peerstore") {
            if var local = try store.table("local") {
                peerTimeToLive = try local.duration("ttl") ?? peerTimeToLive
                try local.finish()
            }
            try store.finish(ignoring: ["redis"])
        }
        if var store = try table.table("originstore") {
            locationsTimeToLive = try store.duration("locations_ttl") ?? locationsTimeToLive
            locationsErrorTimeToLive =
                try store.duration("locations_error_ttl") ?? locationsErrorTimeToLive
            originContextTimeToLive =
                try store.duration("origin_context_ttl") ?? originContextTimeToLive
            originUnavailableTimeToLive =
                try store.duration("origin_unavailable_ttl") ?? originUnavailableTimeToLive
            try store.finish()
        }
        try table.finishComponent()
    }
}
