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

    /// `remotes: {"host:port": [pattern, …], <name>: {tags: [pattern, …], registry: {…}}}`.
    private static func remotes(
        _ node: ConfigurationNode
    ) throws(ConfigurationError) -> [TagRemote] {
        var table = try node.table()
        var remotes: [TagRemote] = []
        for name in table.keys {
            let remote = try table.require(name)
            if case .mapping = remote.value {
                remotes.append(try registry(name, remote))
                continue
            }
            guard Endpoint(parsing: name) != nil else {
                throw remote.defect(
                    "\(name) is no address of a build-index",
                    remedy: "write it like host:port; for a registry, give it tags and registry"
                )
            }
            remotes.append(TagRemote(address: name, patterns: try patterns(remote)))
        }
        return remotes
    }

    private static func patterns(
        _ node: ConfigurationNode
    ) throws(ConfigurationError) -> [String] {
        var patterns: [String] = []
        for pattern in try node.list() { patterns.append(try pattern.pattern()) }
        return patterns
    }

    /// `{tags: [pattern, …], registry: {address: …}, repository: mirror/{repository}}`.
    private static func registry(
        _ name: String,
        _ node: ConfigurationNode
    ) throws(ConfigurationError) -> TagRemote {
        var table = try node.table()
        let patterns = try patterns(try table.require("tags"))
        guard !patterns.isEmpty else {
            throw node.defect("no tags", remedy: "write tags: [.*] for all of them")
        }
        var registry = RegistryRemote(settings: try table.require("registry"))
        _ = try registry.settings.table()
        if let template = table.take("repository") {
            registry.repository = try template.text()
            let places = registry.repository.ranges(of: RegistryRemote.placeholder)
            guard places.count == 1, registry.repository(for: "a") != nil else {
                throw template.defect(
                    "\(registry.repository) names no repository",
                    remedy: "write it like mirror/\(RegistryRemote.placeholder), in lower case"
                )
            }
        }
        try table.finish()
        return TagRemote(name: name, patterns: patterns, registry: registry)
    }
}
