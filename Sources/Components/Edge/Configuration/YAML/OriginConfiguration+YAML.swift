// SPDX-License-Identifier: Apache-2.0

import Primitives

extension OriginConfiguration {
    /// Reads a Kraken origin's keys; a store directory is required.
    /// - Source: uber/kraken origin/cmd/config.go.
    /// - Throws: ``ConfigurationError``.
    package init(yaml: ConfigurationNode) throws(ConfigurationError) {
        var table = try yaml.table()
        var root = try table.text("data_dir")
        var cleanup = CleanupPolicy()
        if var store = try table.table("castore") {
            root = try store.storeRoot(["upload_dir", "cache_dir"]) ?? root
            try store.cleanup("cache_cleanup", &cleanup)
            try store.finish(ignoring: StoreKeys.withoutEffect)
        }
        guard let root else { throw yaml.defect("no directory", remedy: "set data_dir") }
        self.init(dataDirectory: root)
        self.cleanup = cleanup
        cluster = try table.hosts("cluster") ?? cluster
        backends = try table.backends("backends") ?? backends
        peerIDFactory = try table.take("peer_id_factory")?.choice() ?? peerIDFactory
        try readRing(&table)
        try readBlobServer(&table)
        (egress, ingress) = try table.scheduler("scheduler", &swarm)
        try table.finishComponent(ignoring: ["network_event", "localdb"])
    }

    private mutating func readRing(
        _ table: inout ConfigurationTable
    ) throws(ConfigurationError) {
        if var ring = try table.table("hashring") {
            replicasMax = try ring.integer("max_replica", in: 1...1000) ?? replicasMax
            healthInterval = try ring.duration("refresh_interval") ?? healthInterval
            membershipTimeout =
                try ring.duration("membership_wait_timeout") ?? membershipTimeout
            try ring.finish(ignoring: ["membership_wait_interval"])
        }
        if var healing = try table.table("healing") {
            if let rate = try healing.size("rate") {
                healingRate = rate == .zero ? nil : ByteRate(bytesPerSecond: rate.bytes)
            }
            healingInterval = try healing.duration("interval") ?? healingInterval
            try healing.finish()
        }
        if var health = try table.table("healthcheck") {
            healthFailsMax = try health.integer("fails", in: 1...1000) ?? healthFailsMax
            healthPassesMin = try health.integer("passes", in: 1...1000) ?? healthPassesMin
            healthTimeout = try health.duration("timeout") ?? healthTimeout
            try health.finish()
        }
    }

    private mutating func readBlobServer(
        _ table: inout ConfigurationTable
    ) throws(ConfigurationError) {
        if var server = try table.table("blobserver") {
            duplicateWriteBackStagger =
                try server.duration("duplicate_write_back_stagger") ?? duplicateWriteBackStagger
            if let listener = try server.listener("listener") {
                (host, port) = (listener.host, listener.port)
            }
            try server.finish()
        }
        if var generator = try table.table("metainfogen") {
            if let lengths = generator.take("piece_lengths") {
                pieceLengths = try Self.pieceLengths(lengths)
            }
            try generator.finish()
        }
        if var refresh = try table.table("blobrefresh") {
            let limit = try refresh.size("size_limit")
            refreshBytesMax = limit == .zero ? nil : limit ?? refreshBytesMax
            try refresh.finish()
        }
        try table.retryRules("writeback", &writeBack)
    }

    /// `piece_lengths: {0: 4MB, 2GB: 8MB}`.
    private static func pieceLengths(
        _ node: ConfigurationNode
    ) throws(ConfigurationError) -> PieceLengthTable {
        var table = try node.table()
        var lengths: [ByteCount: ByteCount] = [:]
        for key in table.keys {
            guard let threshold = ByteCount(parsing: key) else {
                throw node.defect("\(key) is no size")
            }
            lengths[threshold] = try table.require(key).size()
        }
        guard let result = PieceLengthTable(lengths) else {
            throw node.defect("piece lengths must be positive")
        }
        return result
    }
}
