// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import CoreMetrics
package import Telemetry

/// When a process's certificates end.
package struct CertificateExpiries: Hashable, Sendable, CustomStringConvertible {
    /// That which its servers show; nil when they show none.
    package var server: Timestamp?
    /// That which it shows to others.
    package var client: Timestamp?

    package var description: String {
        let parts = [server.map { "server \($0)" }, client.map { "client \($0)" }]
        return parts.compactMap { $0 }.joined(separator: ", ")
    }
}

/// Kraken's gauge `tls_cert_expiry_days`, for each certificate in use.
/// - Source: uber/kraken utils/httputil/tls.go.
struct ExpiryGauges: Sendable {
    private let server: Gauge?
    private let client: Gauge?

    private static let secondsPerDay = 86_400.0

    /// The gauges for what `settings` name.
    init(_ settings: TransportSettings) {
        func gauge(_ certificate: String) -> Gauge {
            Gauge(label: "herd_tls_cert_expiry_days", dimensions: [("cert", certificate)])
        }
        server = settings.server.map { _ in gauge("server") }
        client = settings.isClientSecure ? settings.client.map { _ in gauge("client") } : nil
    }

    /// Notes how long `material` is good for.
    func record(_ material: TransportMaterial) {
        let now = Timestamp.now
        func record(_ expiry: Timestamp?, _ gauge: Gauge?) {
            guard let expiry else { return }
            let seconds = Double(expiry.unixNanoseconds - now.unixNanoseconds) / 1e9
            gauge?.record(seconds / Self.secondsPerDay)
        }
        record(material.expiries.server, server)
        record(material.expiries.client, client)
    }
}
