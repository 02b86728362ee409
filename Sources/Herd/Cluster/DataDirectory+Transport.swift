// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import Primitives
import TransportSecurity

extension DataDirectory {
    /// How the components of `plan` speak TLS, peers among themselves, too: their authority and the one certificate that all of
    /// them show are made here, and made again before they end. It names all their peer ids: they are one process.
    /// - Throws: ``Failure``.
    func transport(_ plan: ClusterPlan) throws -> TransportSettings {
        do { return try settings(plan) } catch let error as TransportSecurityError {
            throw Failure("cannot make certificates", why: error.description)
        }
    }

    private func settings(_ plan: ClusterPlan) throws -> TransportSettings {
        let authority = try CertificateAuthority.open(path + "/tls")
        let own = try authority.issue(
            "herd",
            for: CertificateSubjects(
                hosts: [plan.options.host, "herd"],
                peers: plan.components.compactMap(\.peerID?.hex)
            ),
            lifetime: Self.certificateLifetime
        )
        try authority.publish(in: path + "/tls/trust")
        var settings = TransportSettings()
        settings.authorities = [authority.certificatePath]
        settings.server = .init(certificate: own.path, key: own.keyPath)
        (settings.isClientSecure, settings.client) = (true, settings.server)
        settings.peers = .require
        return settings
    }

    /// A year: who runs a herd longer starts it again, or runs `herd certs` on its directory.
    private static var certificateLifetime: Duration { .hours(365 * 24) }
}
