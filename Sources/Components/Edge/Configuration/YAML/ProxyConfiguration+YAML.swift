// SPDX-License-Identifier: Apache-2.0

import Primitives

extension ProxyConfiguration {
    /// Reads a Kraken proxy's keys; `origin`, `build_index` and a store directory are required.
    /// - Source: uber/kraken proxy/cmd/config.go.
    /// - Throws: ``ConfigurationError``.
    package init(yaml: ConfigurationNode) throws(ConfigurationError) {
        var table = try yaml.table()
        var checks: [String: HostChecks] = [:]
        guard let origins = try table.upstream("origin", &checks), !origins.isEmpty else {
            throw yaml.defect("no origins", remedy: "list them under origin.hosts.static")
        }
        guard let buildIndexes = try table.upstream("build_index", &checks), !buildIndexes.isEmpty
        else {
            throw yaml.defect(
                "no build-indexes",
                remedy: "list them under build_index.hosts.static"
            )
        }
        var root = try table.text("data_dir")
        if var store = try table.table("castore") {
            root = try store.storeRoot(["upload_dir", "cache_dir"]) ?? root
            try store.finish(
                ignoring: ["capacity", "cache_cleanup", "upload_cleanup", "memory_cache"]
            )
        }
        guard let root else { throw yaml.defect("no directory", remedy: "set data_dir") }
        self.init(dataDirectory: root, origins: origins, buildIndexes: buildIndexes)
        hostChecks = checks
        if var server = try table.table("server") {
            if let listener = try server.listener("listener") {
                (host, port) = (listener.host, listener.port)
            }
            prefetchBytesMin = try server.size("prefetch_min_blob_size") ?? prefetchBytesMin
            // In Kraken 0 stands for the default.
            if let max = try server.size("prefetch_max_blob_size"), max.bytes > 0 {
                prefetchBytesMax = max
            }
            try server.finish()
        }
        access = try table.access("access")
        uploadTimeToIdle = try table.duration("upload_tti") ?? uploadTimeToIdle
        try table.finishComponent(ignoring: ["registry", "registryoverride"])
    }
}
