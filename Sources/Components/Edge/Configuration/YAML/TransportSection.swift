// SPDX-License-Identifier: Apache-2.0

extension TransportSettings {
    /// The section `tls` of a component's configuration, Kraken's keys with `client_certificates` and `exempt_loopback` added:
    ///
    /// ```yaml
    /// tls:
    ///   name: herd
    ///   cas: [{path: ca.pem}]
    ///   server: {disabled: false, cert: {path: …}, key: {path: …}, passphrase: {path: …}}
    ///   client: {disabled: false, cert: {path: …}, key: {path: …}, passphrase: {path: …}}
    /// ```
    ///
    /// Servers speak TLS where a certificate is given and they are not disabled; others are asked over it where `cas` or a
    /// certificate is given and the client is not disabled. (Kraken asks over TLS where nothing is said.) Beside it stands
    /// `peer_tls: off`, `accept` or `require`.
    package init(yaml document: ConfigurationNode) throws(ConfigurationError) {
        var whole = try document.table()
        try self.init(takingFrom: &whole)
    }

    init(takingFrom whole: inout ConfigurationTable) throws(ConfigurationError) {
        self.init()
        if var section = try whole.table("tls") { try take(&section) }
        guard let node = whole.take("peer_tls") else { return }
        peers = try node.choice()
        guard peers == .off || (peer != nil && !authorities.isEmpty) else {
            throw node.defect(
                "peers need a certificate, and authorities to believe each other",
                remedy: "set tls.cas and tls.client.cert with its key"
            )
        }
    }

    /// Reads `section`, whose keys are those of `tls`.
    package init(section: inout ConfigurationTable) throws(ConfigurationError) {
        self.init()
        try take(&section)
    }

    private mutating func take(
        _ section: inout ConfigurationTable
    ) throws(ConfigurationError) {
        let named = try section.text("name")
        name = named?.isEmpty == false ? named : nil
        if let rows = try section.take("cas")?.list() {
            for row in rows {
                var file = try row.table()
                if let path = try file.text("path"), !path.isEmpty { authorities.append(path) }
                try file.finish()
            }
        }
        if var table = try section.table("server") {
            if let node = table.take("client_certificates") {
                clientCertificates = try node.choice()
            }
            exemptsLoopback = try table.flag("exempt_loopback") ?? exemptsLoopback
            server = try Self.identity(&table).identity
        }
        if var table = try section.table("client") {
            (client, isClientDisabled) = try Self.identity(&table)
        }
        isClientSecure = !isClientDisabled && (client != nil || !authorities.isEmpty)
        try section.finish()
    }

    private static func identity(
        _ side: inout ConfigurationTable
    ) throws(ConfigurationError) -> (identity: Identity?, isDisabled: Bool) {
        let isDisabled = try side.flag("disabled") ?? false
        var paths: [String: String] = [:]
        for key in ["cert", "key", "passphrase"] {
            guard var file = try side.table(key) else { continue }
            if let path = try file.text("path"), !path.isEmpty { paths[key] = path }
            try file.finish()
        }
        try side.finish()
        guard !isDisabled, let certificate = paths["cert"] else { return (nil, isDisabled) }
        guard let key = paths["key"] else {
            throw side.defect("cert has no key beside it", remedy: "add key: {path: …}")
        }
        return (
            Identity(certificate: certificate, key: key, passphrase: paths["passphrase"]),
            isDisabled
        )
    }
}
