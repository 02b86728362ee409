// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Files
package import NIOSSL
import Telemetry

/// What the files of one moment say, ready for use.
struct TransportMaterial: Sendable {
    let server: NIOSSLContext?
    let client: TLSConfiguration?
    let peers: PeerContexts?
    let expiries: CertificateExpiries

    /// Reads the files of `settings`.
    /// - Throws: ``TransportSecurityError``.
    init(_ settings: TransportSettings) throws {
        let authorities = try settings.authorities.flatMap(Self.certificates)
        var expiries = CertificateExpiries()
        if let identity = settings.server {
            let own = try Self.read(identity)
            expiries.server = own.expiry
            server = try Self.context(
                Self.serverConfiguration(own, authorities, settings),
                of: identity
            )
        } else {
            server = nil
        }
        if settings.isClientSecure {
            let own = try settings.client.map(Self.read)
            expiries.client = own?.expiry
            let configuration = Self.clientConfiguration(own, authorities, settings)
            client = configuration
            // The HTTP client makes its own; what is wrong shall show here.
            _ = try Self.context(configuration, of: settings.client)
        } else {
            client = nil
        }
        peers = try settings.peer.map { identity in
            let (server, client) = Self.peerConfigurations(try Self.read(identity), authorities)
            return PeerContexts(
                server: try Self.context(server, of: identity),
                client: try Self.context(client, of: identity)
            )
        }
        self.expiries = expiries
    }

    /// Peers are believed for an authority of the cluster and the id that it has certified, wherever they are.
    private static func peerConfigurations(
        _ own: Own,
        _ authorities: [NIOSSLCertificate]
    ) -> (server: TLSConfiguration, client: TLSConfiguration) {
        let chain = own.chain.map { NIOSSLCertificateSource.certificate($0) }
        var server = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain,
            privateKey: .privateKey(own.key)
        )
        var client = TLSConfiguration.makeClientConfiguration()
        (client.certificateChain, client.privateKey) = (chain, .privateKey(own.key))
        (server.minimumTLSVersion, client.minimumTLSVersion) = (.tlsv13, .tlsv13)
        server.trustRoots = .certificates(authorities)
        client.trustRoots = .certificates(authorities)
        server.certificateVerification = .noHostnameVerification
        client.certificateVerification = .noHostnameVerification
        return (server, client)
    }

    private struct Own {
        let chain: [NIOSSLCertificate]
        let key: NIOSSLPrivateKey
        let expiry: Timestamp
    }

    private static func serverConfiguration(
        _ own: Own,
        _ authorities: [NIOSSLCertificate],
        _ settings: TransportSettings
    ) -> TLSConfiguration {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: own.chain.map { .certificate($0) },
            privateKey: .privateKey(own.key)
        )
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        // Only the cluster's own authorities may vouch for a client: the system's vouch for the whole world.
        configuration.trustRoots = .certificates(authorities)
        configuration.certificateVerification =
            authorities.isEmpty || settings.clientCertificates == .never
            ? .none : .optionalVerification
        return configuration
    }

    private static func clientConfiguration(
        _ own: Own?,
        _ authorities: [NIOSSLCertificate],
        _ settings: TransportSettings
    ) -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.additionalTrustRoots = [.certificates(authorities)]
        // With a name that all servers share it is ours to compare: see ``ServerName``.
        configuration.certificateVerification =
            settings.name == nil ? .fullVerification : .noHostnameVerification
        if let own {
            configuration.certificateChain = own.chain.map { .certificate($0) }
            configuration.privateKey = .privateKey(own.key)
        }
        return configuration
    }

    // MARK: - Files

    private static func context(
        _ configuration: TLSConfiguration,
        of identity: TransportSettings.Identity?
    ) throws -> NIOSSLContext {
        do { return try NIOSSLContext(configuration: configuration) } catch {
            throw TransportSecurityError(
                identity?.certificate ?? "tls.client",
                "it can't be used with the key \(identity?.key ?? "-"): \(error)",
                remedy: "give the key that the certificate was made for"
            )
        }
    }

    private static func read(_ identity: TransportSettings.Identity) throws -> Own {
        let chain = try certificates(identity.certificate)
        guard let first = chain.first else {
            throw TransportSecurityError(
                identity.certificate,
                "no certificate is in it",
                remedy: "write it in PEM, -----BEGIN CERTIFICATE-----"
            )
        }
        let expiry = Timestamp(unixNanoseconds: Int64(first.notValidAfter) * 1_000_000_000)
        guard expiry > .now else {
            throw TransportSecurityError(
                identity.certificate,
                "it was valid until \(expiry)",
                remedy: "make a new one: herd certs --help"
            )
        }
        return Own(chain: chain, key: try key(identity), expiry: expiry)
    }

    private static func certificates(_ path: String) throws -> [NIOSSLCertificate] {
        let bytes = try bytes(of: path)
        do { return try NIOSSLCertificate.fromPEMBytes(bytes) } catch {
            throw TransportSecurityError(
                path,
                "it holds no certificate in PEM",
                remedy: "write it as -----BEGIN CERTIFICATE-----"
            )
        }
    }

    private static func key(_ identity: TransportSettings.Identity) throws -> NIOSSLPrivateKey {
        let bytes = try bytes(of: identity.key)
        do {
            guard let path = identity.passphrase else {
                return try NIOSSLPrivateKey(bytes: bytes, format: .pem)
            }
            let passphrase = trimmed(try Self.bytes(of: path))
            return try NIOSSLPrivateKey(bytes: bytes, format: .pem) { setter in setter(passphrase) }
        } catch let error as TransportSecurityError {
            throw error
        } catch {
            throw TransportSecurityError(
                identity.key,
                "it is no private key in PEM, or its passphrase is another",
                remedy: "check tls' key and passphrase"
            )
        }
    }

    /// `text` without what editors add at its end.
    private static func trimmed(_ text: [UInt8]) -> [UInt8] {
        let spaces: Set<UInt8> = [0x20, 0x09, 0x0a, 0x0d]
        let end = text.lastIndex { !spaces.contains($0) }.map { $0 + 1 } ?? 0
        return Array(text[..<end].drop { spaces.contains($0) })
    }

    /// Bytes of the largest file: a bundle of all public authorities has a quarter of that.
    private static let fileBytesMax = 1 << 20

    private static func bytes(of path: String) throws -> [UInt8] {
        let found: [UInt8]?
        do { found = try AtomicFile.read(path, bytesMax: fileBytesMax) } catch {
            throw TransportSecurityError(path, "\(error)", remedy: "check the path and its rights")
        }
        guard let found else {
            throw TransportSecurityError(path, "there is no such file", remedy: "check the path")
        }
        return found
    }
}

/// What connections between peers begin with.
package struct PeerContexts: Sendable {
    /// At the end that was dialled.
    package let server: NIOSSLContext
    /// At the end that dials.
    package let client: NIOSSLContext
}

/// A certificate or key that can't be used.
package struct TransportSecurityError: Error, CustomStringConvertible {
    /// The file.
    package let path: String
    /// What is wrong with it.
    package let why: String
    /// What to do.
    package let remedy: String

    init(_ path: String, _ why: String, remedy: String) {
        (self.path, self.why, self.remedy) = (path, why, remedy)
    }

    package var description: String { "cannot use \(path): \(why); \(remedy)" }
}
