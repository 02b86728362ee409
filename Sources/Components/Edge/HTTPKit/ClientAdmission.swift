// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import HTTPTypes
import NIOCore
import NIOSSL

/// Which requests over TLS are let in without a certificate of the client.
/// - Source: uber/kraken nginx/config (the `$ssl_client_verify` rule).
struct ClientAdmission: Sendable {
    private let needed: TransportSettings.ClientCertificates
    private let exemptsLoopback: Bool

    init(_ settings: TransportSettings) {
        (needed, exemptsLoopback) = (settings.clientCertificates, settings.exemptsLoopback)
    }

    /// What to answer to `request` on `channel`; nil when it is let in.
    func refusal(of request: HTTPRequest, on channel: any Channel) -> HTTPProblem? {
        guard isCertificateNeeded(for: request) else { return nil }
        if exemptsLoopback, Self.isLoopback(channel.remoteAddress) { return nil }
        let handler = try? channel.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self)
        // One that was shown and did not verify has failed the handshake.
        if handler?.peerCertificate != nil { return nil }
        return HTTPProblem(
            .forbidden,
            "this request needs a certificate of the client",
            remedy: "send one that an authority in tls.cas has signed"
        )
    }

    private func isCertificateNeeded(for request: HTTPRequest) -> Bool {
        let isRead = request.method == .get || request.method == .head
        return switch needed {
        case .never: false
        case .writes: !isRead
        case .always: !isRead || !Self.probes.contains(request.path ?? "")
        }
    }

    /// What orchestrators ask, who have no certificate.
    private static let probes: Set<String> = ["/health", "/readiness"]

    private static func isLoopback(_ address: SocketAddress?) -> Bool {
        guard let ip = address?.ipAddress else { return false }
        return ip == "::1" || ip.hasPrefix("127.") || ip.hasPrefix("::ffff:127.")
    }
}
