// SPDX-License-Identifier: Apache-2.0

extension AgentConfiguration {
    /// Reads a Kraken agent's keys; `tracker`, `build_index` and a store directory are required.
    /// - Source: uber/kraken agent/cmd/config.go.
    /// - Throws: ``ConfigurationError``.
    package init(yaml: ConfigurationNode) throws(ConfigurationError) {
        var table = try yaml.table()
        var checks: [String: HostChecks] = [:]
        let trackers = try table.upstream("tracker", &checks, ignoring: ["hashring"])
        guard let trackers, !trackers.isEmpty else {
            throw yaml.defect("no trackers", remedy: "list them under tracker.hosts.static")
        }
        guard let buildIndexes = try table.upstream("build_index", &checks), !buildIndexes.isEmpty
        else {
            throw yaml.defect(
                "no build-indexes",
                remedy: "list them under build_index.hosts.static"
            )
        }
        var root = try table.text("data_dir")
        var cleanup = CleanupPolicy()
        if var store = try table.table("store") {
            root = try store.storeRoot(["download_dir", "cache_dir"]) ?? root
            try store.cleanup("cache_cleanup", &cleanup)
            try store.finish(ignoring: StoreKeys.withoutEffect + ["download_cleanup"])
        }
        guard let root else { throw yaml.defect("no directory", remedy: "set data_dir") }
        self.init(dataDirectory: root, trackers: trackers, buildIndexes: buildIndexes)
        hostChecks = checks
        self.cleanup = cleanup
        peerIDFactory = try table.take("peer_id_factory")?.choice() ?? peerIDFactory
        (egress, ingress) = try table.scheduler("scheduler", &swarm)
        for row in try table.take("mirrors")?.list() ?? [] {
            mirrors.append(try MirroredRegistry(row))
        }
        try docker.read("docker_daemon", of: &table)
        if var runtime = try table.table("container_runtime") {
            try docker.read("docker", of: &runtime)
            try runtime.finish(ignoring: ["containerd"])
        }
        try table.finishComponent(ignoring: Self.withoutEffect)
    }

    /// Kraken's keys of an agent that have no counterpart here.
    private static let withoutEffect = [
        "registry", "agentserver", "registry_backup", "network_event",
        "allowed_cidrs",
    ]
}

extension DockerConfiguration {
    /// Lays the section under `key` of `table` over what is there. Kraken has had two places for it.
    fileprivate mutating func read(
        _ key: String,
        of table: inout ConfigurationTable
    ) throws(ConfigurationError) {
        guard var section = try table.table(key) else { return }
        host = try section.text("docker_host") ?? host
        scheme = try section.text("docker_scheme") ?? scheme
        version = try section.text("docker_version") ?? version
        try section.finish(ignoring: ["docker_client_headers"])
    }
}
