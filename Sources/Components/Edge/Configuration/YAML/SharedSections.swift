// SPDX-License-Identifier: Apache-2.0

import Primitives

/// Sections that several components' configurations have in common.
extension ConfigurationTable {
    /// The members under `key`, where Kraken writes `key: {hosts: {static: […]}, healthcheck: …}`; how they are watched goes
    /// into `checks`, under the same key.
    /// - Source: uber/kraken lib/upstream and lib/hostlist.
    mutating func upstream(
        _ key: String,
        _ checks: inout [String: HostChecks],
        ignoring ignored: [String] = []
    ) throws(ConfigurationError) -> [String]? {
        guard var section = try table(key) else { return nil }
        var own = HostChecks()
        let hosts = try section.hosts("hosts", &own)
        try section.healthCheck(&own)
        try section.finish(ignoring: ignored)
        if own != HostChecks() { checks[key] = own }
        return hosts
    }

    /// Reads `healthcheck`, in which Kraken has `filter` and `monitor` where it probes, `fails` and `fail_timeout` where it only
    /// counts requests without an answer.
    private mutating func healthCheck(
        _ checks: inout HostChecks
    ) throws(ConfigurationError) {
        guard var health = try table("healthcheck") else { return }
        checks.isProbed = try health.flag("disabled").map { !$0 } ?? checks.isProbed
        checks.failsMax = try health.integer("fails", in: 1...1000) ?? checks.failsMax
        checks.failTimeout = try health.duration("fail_timeout") ?? checks.failTimeout
        if var filter = try health.table("filter") {
            checks.probeFailsMax =
                try filter.integer("fails", in: 1...1000) ?? checks.probeFailsMax
            checks.probePassesMin =
                try filter.integer("passes", in: 1...1000) ?? checks.probePassesMin
            checks.probeTimeout = try filter.duration("timeout") ?? checks.probeTimeout
            try filter.finish()
        }
        if var monitor = try health.table("monitor") {
            checks.probeInterval = try monitor.duration("interval") ?? checks.probeInterval
            try monitor.finish()
        }
        try health.finish()
    }

    /// The members under `key`, where Kraken writes `key: {static: […]}` or `key: {dns: name:port}`; a name to be looked up
    /// is written `dns:name:port`.
    mutating func hosts(_ key: String) throws(ConfigurationError) -> [String]? {
        var checks = HostChecks()
        return try hosts(key, &checks)
    }

    private mutating func hosts(
        _ key: String,
        _ checks: inout HostChecks
    ) throws(ConfigurationError) -> [String]? {
        guard var section = try table(key) else { return nil }
        checks.timeToLive = try section.duration("ttl") ?? checks.timeToLive
        let fixed = try section.take("static")?.addresses()
        let named = section.take("dns")
        try section.finish()
        switch (fixed, named) {
        case (let fixed?, nil): return fixed
        case (nil, let name?):
            return ["dns:\(try name.address())"]
        case (nil, nil): throw section.defect("either static or dns is needed")
        case (.some, .some): throw section.defect("static and dns exclude each other")
        }
    }

    /// The address in a listener block `{net: tcp, addr: host:port}`. A unix socket, behind which Kraken's nginx stands,
    /// counts as absent: the port comes from the command line then.
    mutating func listener(_ key: String) throws(ConfigurationError) -> Endpoint? {
        guard let node = take(key) else { return nil }
        var section = try node.table()
        let network = try section.text("net") ?? "tcp"
        let address = section.take("addr")
        try section.finish()
        guard network != "unix" else {
            node.warnings.add(
                node.defect("a unix socket is not used; Herd listens on the port of the flags")
            )
            return nil
        }
        guard network == "tcp", let address else {
            throw node.defect("expected net: tcp and addr: host:port")
        }
        // Go's ":8080" means every interface.
        let text = try address.text()
        guard let endpoint = Endpoint(parsing: text.hasPrefix(":") ? "0.0.0.0" + text : text) else {
            throw address.defect("\(text) is no address", remedy: "write it like 0.0.0.0:15002")
        }
        return endpoint
    }

    /// The directory that holds a store, from its `data_dir` or from Kraken's `upload_dir`, `download_dir`, `cache_dir`,
    /// which must be the directories `upload`, `download`, `cache` of one parent.
    mutating func storeRoot(_ keys: [String]) throws(ConfigurationError) -> String? {
        var root = try text("data_dir")
        for key in keys {
            guard let node = take(key) else { continue }
            let path = try node.text()
            let parts = path.split(separator: "/")
            let name = key.dropLast("_dir".count)
            guard let last = parts.last, last == name else {
                throw node.defect("\(path) is not named \(name)", remedy: "use data_dir instead")
            }
            let slash = path.hasPrefix("/") ? "/" : ""
            let parent = slash + parts.dropLast().joined(separator: "/")
            guard root == nil || root == parent else {
                throw node.defect("\(path) is not below \(root ?? "")")
            }
            root = parent
        }
        return root
    }

    /// The table of backends, `backends: [{namespace, backend: {<kind>: …}, bandwidth, must_ready}]`, with the
    /// credentials under `auth:`. What stands below a kind is read by that backend.
    /// - Source: uber/kraken lib/backend/manager.go.
    mutating func backends(_ key: String) throws(ConfigurationError) -> [BackendRule]? {
        let credentials = take("auth")
        guard let rows = try take(key)?.list() else { return nil }
        var rules: [BackendRule] = []
        for row in rows {
            var table = try row.table()
            let pattern = try table.require("namespace").pattern()
            var backend = try table.require("backend").backend()
            backend.credentials = credentials
            let mustBeReady = try table.flag("must_ready") ?? false
            let bandwidth = try table.backendBandwidth("bandwidth")
            try table.finish()
            rules.append(
                BackendRule(
                    namespacePattern: pattern,
                    backend: backend,
                    bandwidth: bandwidth,
                    mustBeReady: mustBeReady
                )
            )
        }
        return rules
    }

    /// `{enable, egress_bits_per_sec, ingress_bits_per_sec}`; nil when absent or not enabled.
    private mutating func backendBandwidth(
        _ key: String
    ) throws(ConfigurationError) -> BackendBandwidth? {
        guard var section = try table(key) else { return nil }
        // Kraken's documents say enabled, its code says enable.
        let (enable, enabled) = (try section.flag("enable"), try section.flag("enabled"))
        let egress = try section.integer("egress_bits_per_sec", in: 8...Int.max)
        let ingress = try section.integer("ingress_bits_per_sec", in: 8...Int.max)
        try section.finish(ignoring: ["token_size"])
        guard enable ?? enabled ?? false else { return nil }
        var bandwidth = BackendBandwidth.unsaid
        if let egress { bandwidth.egress = ByteRate(bytesPerSecond: egress / 8) }
        if let ingress { bandwidth.ingress = ByteRate(bytesPerSecond: ingress / 8) }
        return bandwidth
    }
}

extension ConfigurationNode {
    /// The one backend in `{<kind>: {…}}`.
    package func backend() throws(ConfigurationError) -> BackendConfiguration {
        var kinds = try table()
        guard kinds.keys.count == 1, let kind = kinds.keys.first else {
            throw defect("expected exactly one kind of backend")
        }
        return BackendConfiguration(kind: kind, settings: try kinds.require(kind))
    }
}

extension ConfigurationNode {
    /// A regular expression.
    func pattern() throws(ConfigurationError) -> String {
        let text = try text()
        do {
            _ = try Regex(text)
        } catch {
            throw defect("\(text) is no regular expression")
        }
        return text
    }

    /// How names become paths.
    package func namePath() throws(ConfigurationError) -> NamePath { try choice() }

    /// One of the words that `Choice` knows.
    package func choice<Choice: RawRepresentable & CaseIterable>(
        _ type: Choice.Type = Choice.self
    ) throws(ConfigurationError) -> Choice where Choice.RawValue == String {
        let text = try text()
        guard let choice = Choice(rawValue: text) else {
            let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw defect("\(text) is unknown", remedy: "use one of \(words)")
        }
        return choice
    }
}

extension ConfigurationTable {
    /// ``finish(ignoring:)`` for the whole configuration of a component, whose `tls`, `peer_tls` and `zap` are checked and left to
    /// ``TransportSettings`` and ``LogSettings``.
    mutating func finishComponent(
        ignoring more: [String] = []
    ) throws(ConfigurationError) {
        _ = try TransportSettings(takingFrom: &self)
        _ = try LogSettings(takingFrom: &self)
        try finish(ignoring: KrakenKeys.operations + more)
    }
}

/// Kraken's keys that say how it runs, not what it does: nothing in Herd corresponds to them.
enum KrakenKeys {
    /// In every component's configuration.
    static let operations = ["metrics", "nginx", "auth", "backend_manager"]
}
