// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Primitives
import TransportSecurity

extension DataDirectory {
    /// How the components of a herd on `host` speak TLS: its authority and the one certificate that all of them show are
    /// made here, and made again before they end.
    /// - Throws: ``Failure``.
    func transport(host: String) throws -> TransportSettings {
        do { return try settings(host) } catch let error as TransportSecurityError {
            throw Failure("cannot make certificates", why: error.description)
        }
    }

    private func settings(_ host: String) throws -> TransportSettings {
        let authority = try CertificateAuthority.open(path + "/tls")
        let own = try authority.issue(
            "herd",
            for: CertificateSubjects(hosts: [host, "herd"]),
            lifetime: Self.certificateLifetime
        )
        try authority.publish(in: path + "/tls/trust")
        var settings = TransportSettings()
        settings.authorities = [authority.certificatePath]
        settings.server = .init(certificate: own.path, key: own.keyPath)
        (settings.isClientSecure, settings.client) = (true, settings.server)
        return settings
    }

    /// A year: who runs a herd longer starts it again, or runs `herd certs` on its directory.
    private static var certificateLifetime: Duration { .hours(365 * 24) }
}
