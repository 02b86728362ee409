// SPDX-License-Identifier: Apache-2.0

extension BuildIndexConfiguration {
    /// Reads a Kraken build-index's keys; `origin`, `backends` and a store directory are required.
    /// - Source: uber/kraken build-index/cmd/config.go.
    /// - Throws: ``ConfigurationError``.
    package init(yaml: ConfigurationNode) throws(ConfigurationError) {
        var table = try yaml.table()
        var checks: [String: HostChecks] = [:]
        guard let origins = try table.upstream("origin", &checks), !origins.isEmpty else {
            throw yaml.defect("no origins", remedy: "list them under origin.hosts.static")
        }
        guard let backends = try table.backends("backends"), !backends.isEmpty else {
            throw yaml.defect("no backends", remedy: "say where tags are stored under backends")
        }
        var root = try table.text("data_dir")
        if var store = try table.table("store") {
            root = try store.storeRoot(["upload_dir", "cache_dir"]) ?? root
            try store.finish(ignoring: ["cache_cleanup", "upload_cleanup"])
        }
        guard let root else { throw yaml.defect("no directory", remedy: "set data_dir") }
        self.init(dataDirectory: root, origins: origins, backends: backends)
        cluster = try table.upstream("cluster", &checks) ?? cluster
        hostChecks = checks
        if let rows = try table.take("tag_types")?.list() { tagTypes = try Self.tagTypes(rows) }
        for pattern in try table.take("immutable_tags")?.list() ?? [] {
            immutableTags.append(try pattern.pattern())
        }
        tagCacheInterval = try table.duration("tag_cache_interval") ?? tagCacheInterval
        if let remotes = table.take("remotes") { self.remotes = try Self.remotes(remotes) }
        if var server = try table.table("tagserver") {
            duplicatePutStagger =
                try server.duration("duplicate_put_stagger") ?? duplicatePutStagger
            duplicateReplicateStagger =
                try server.duration("duplicate_replicate_stagger") ?? duplicateReplicateStagger
            if let listener = try server.listener("listener") {
                (host, port) = (listener.host, listener.port)
            }
            try server.finish()
        }
        if var store = try table.table("tag_store") {
            writesThrough = try store.flag("write_through") ?? writesThrough
            try store.finish()
        }
        try table.retryRules("writeback", &writeBack)
        try table.retryRules("tag_replication", &tagReplication)
        try table.finishComponent(ignoring: ["localdb"])
    }

    private static func tagTypes(
        _ rows: [ConfigurationNode]
    ) throws(ConfigurationError) -> [TagTypeRule] {
        var rules: [TagTypeRule] = []
        for row in rows {
            var table = try row.table()
            let pattern = try table.require("namespace").pattern()
            let type = try table.require("type").choice(TagType.self)
            try table.finish()
            rules.append(TagTypeRule(namespacePattern: pattern, type: type))
        }
        return rules
    }

    /// `remotes: {"host:port": [pattern, …]}`.
    private static func remotes(
        _ node: ConfigurationNode
    ) throws(ConfigurationError) -> [TagRemote] {
        var table = try node.table()
        var remotes: [TagRemote] = []
        for address in table.keys {
            guard Endpoint(parsing: address) != nil else {
                throw node.defect("\(address) is no address", remedy: "write it like host:port")
            }
            var patterns: [String] = []
            for pattern in try table.require(address).list() {
                patterns.append(try pattern.pattern())
            }
            remotes.append(TagRemote(address: address, patterns: patterns))
        }
        return remotes
    }
}
