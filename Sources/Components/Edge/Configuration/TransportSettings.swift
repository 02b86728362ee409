// SPDX-License-Identifier: Apache-2.0

package import Telemetry

/// How a component's connections are closed to others: Kraken's section `tls`. The default closes none.
/// - Source: uber/kraken utils/httputil/tls.go, nginx/nginx.go.
package struct TransportSettings: Hashable, Sendable {
    /// A certificate and its key, as files in PEM.
    package struct Identity: Hashable, Sendable {
        /// The certificate, and those between it and its authority.
        package var certificate: String
        /// Its private key.
        package var key: String
        /// The file that holds the key's passphrase; nil when it has none.
        package var passphrase: String?

        /// The certificate in the file `certificate` with the key in the file `key`.
        package init(certificate: String, key: String, passphrase: String? = nil) {
            (self.certificate, self.key, self.passphrase) = (certificate, key, passphrase)
        }
    }

    /// Which requests need a certificate of the client.
    package enum ClientCertificates: String, CaseIterable, Hashable, Sendable {
        /// All but GET and HEAD, as in Kraken.
        case writes
        /// All but GET of `/health` and `/readiness`.
        case always
        /// None.
        case never
    }

    /// How peers are spoken to. Kraken's speak in the open.
    package enum Peers: String, CaseIterable, Hashable, Sendable {
        /// In the open.
        case off
        /// In the open; whoever comes over TLS is let in, too: the step before ``require``.
        case accept
        /// Over TLS only, and only with those whose certificate names their peer id.
        case require
    }

    /// The name that certificates of servers must have, whatever host was asked; nil: that host. Kraken's `name`.
    package var name: String?
    /// Files of the authorities that certificates may come from, besides the system's for servers. Kraken's `cas`.
    package var authorities: [String] = []
    /// What the component's servers show; nil: they speak plain HTTP.
    package var server: Identity?
    /// Which requests need a certificate.
    package var clientCertificates = ClientCertificates.writes
    /// Whether requests from the loopback need none, as in Kraken.
    package var exemptsLoopback = true
    /// Whether the other components are asked over TLS.
    package var isClientSecure = false
    /// Whether others are to be asked in the open, whatever else is said. Kraken's `client.disabled`.
    package var isClientDisabled = false
    /// What is shown to other components; nil: nothing.
    package var client: Identity?
    /// How peers are spoken to; ``peer`` is shown to them.
    package var peers = Peers.off

    /// What is shown to peers: what is shown to other components, else what servers show.
    package var peer: Identity? { peers == .off ? nil : client ?? server }

    /// Nothing closed.
    package init() {}

    /// Whether anything is closed.
    package var isUsed: Bool { server != nil || isClientSecure || peers != .off }

    /// What is in force, for whoever asks.
    package var settings: [SettingStatus] {
        guard isUsed else { return [] }
        func status(_ key: String, _ value: String) -> SettingStatus {
            SettingStatus(key: key, value: value, isChanged: true)
        }
        return [
            status("tls.server", server?.certificate ?? "plain"),
            status("tls.server.client_certificates", clientCertificates.rawValue),
            status("tls.server.exempt_loopback", "\(exemptsLoopback)"),
            status(
                "tls.client",
                isClientSecure ? client?.certificate ?? "no certificate" : "plain"
            ),
            status("tls.cas", authorities.joined(separator: " ")),
            status("tls.name", name ?? "the host asked"),
            status("peer_tls", peers.rawValue),
        ]
    }
}
