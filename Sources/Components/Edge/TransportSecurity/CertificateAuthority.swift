// SPDX-License-Identifier: Apache-2.0

import Crypto
import Files
package import FoundationEssentials
import Glibc
import Primitives
import SwiftASN1
import X509

/// An authority for one cluster, kept in a directory: `ca.pem` and `ca-key.pem`, and a certificate with its key for each name
/// it was asked for, `origin.pem` and `origin-key.pem`.
///
/// Keys are of the curve P-256. A certificate serves both ends of a connection: every component asks others, too.
package struct CertificateAuthority {
    /// The directory.
    package let directory: String
    private let certificate: Certificate
    private let key: Certificate.PrivateKey

    /// How long an authority is good for.
    static let lifetime = Duration.hours(10 * 365 * 24)
    /// How long before its end a certificate is replaced.
    static let renewalMargin = Duration.hours(30 * 24)
    /// A clock that is behind by less finds a new certificate valid.
    private static let clockSkew = 300.0
    private static let filesBytesMax = 1 << 20

    /// The file of its certificate.
    package var certificatePath: String { "\(directory)/ca.pem" }

    /// The authority in `directory`, made there when there is none.
    /// - Throws: ``TransportSecurityError``.
    package static func open(_ directory: String) throws -> CertificateAuthority {
        try explaining(directory) {
            try Directory.create(directory)
            let (path, keyPath) = ("\(directory)/ca.pem", "\(directory)/ca-key.pem")
            if let text = try read(path), let keyText = try read(keyPath) {
                return CertificateAuthority(
                    directory: directory,
                    certificate: try Certificate(pemEncoded: text),
                    key: try Certificate.PrivateKey(pemEncoded: keyText)
                )
            }
            let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
            let name = try DistinguishedName { CommonName("herd authority") }
            let certificate = try make(
                name,
                issuedBy: (name, key),
                publicKey: key.publicKey,
                lifetime: lifetime,
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                    Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                    SubjectKeyIdentifier(hash: key.publicKey)
                }
            )
            try write(key, to: keyPath)
            try write(certificate, to: path)
            return CertificateAuthority(directory: directory, certificate: certificate, key: key)
        }
    }

    /// Writes the certificate once more, as `ca.crt` into the directory `folder`, where container tools want it.
    /// - Throws: ``TransportSecurityError``.
    package func publish(in folder: String) throws {
        try Self.explaining(folder) {
            try Directory.create(folder)
            try Self.write(certificate, to: "\(folder)/ca.crt")
        }
    }

    /// What was done about one certificate.
    package struct Issue: Sendable {
        /// Its file.
        package let path: String
        /// The file of its key.
        package let keyPath: String
        /// When it ends.
        package let expiry: Date
        /// Whether it was made now; one that is good was kept.
        package let isNew: Bool
    }

    /// The certificate called `file`, for `subjects`: the one that is there, unless it ends soon, is for others or of another
    /// authority, or `renews`.
    /// - Throws: ``TransportSecurityError``.
    package func issue(
        _ file: String,
        for subjects: CertificateSubjects,
        lifetime: Duration,
        renews: Bool = false
    ) throws -> Issue {
        let (path, keyPath) = ("\(directory)/\(file).pem", "\(directory)/\(file)-key.pem")
        return try Self.explaining(path) {
            let names = try subjects.names
            if !renews, let expiry = try kept(path, keyPath, names) {
                return Issue(path: path, keyPath: keyPath, expiry: expiry, isNew: false)
            }
            let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
            let made = try Self.make(
                try DistinguishedName { CommonName(file) },
                issuedBy: (certificate.subject, self.key),
                publicKey: key.publicKey,
                lifetime: lifetime,
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.notCertificateAuthority)
                    Critical(KeyUsage(digitalSignature: true))
                    try ExtendedKeyUsage([.serverAuth, .clientAuth])
                    SubjectAlternativeNames(names)
                    SubjectKeyIdentifier(hash: key.publicKey)
                    try AuthorityKeyIdentifier(
                        keyIdentifier: certificate.extensions.subjectKeyIdentifier?.keyIdentifier
                    )
                }
            )
            // The key first: a certificate is never found without it. In between both sides of a pair are of different
            // age, which whoever reads them takes for a broken pair and tries again.
            try Self.write(key, to: keyPath)
            try Self.write(made, to: path)
            return Issue(path: path, keyPath: keyPath, expiry: made.notValidAfter, isNew: true)
        }
    }

    /// When the certificate in `path` ends, if it is good for `names` still.
    private func kept(_ path: String, _ keyPath: String, _ names: [GeneralName]) throws -> Date? {
        // One that can't be read is replaced.
        guard let text = try Self.read(path), let keyText = try Self.read(keyPath),
            let old = try? Certificate(pemEncoded: text),
            let oldKey = try? Certificate.PrivateKey(pemEncoded: keyText),
            old.publicKey == oldKey.publicKey,
            certificate.publicKey.isValidSignature(old.signature, for: old),
            // As above.
            let oldNames = try? old.extensions.subjectAlternativeNames,
            Set(oldNames) == Set(names)
        else { return nil }
        let margin = Double(Self.renewalMargin.components.seconds)
        return old.notValidAfter > Date().addingTimeInterval(margin) ? old.notValidAfter : nil
    }

    private static func make(
        _ subject: DistinguishedName,
        issuedBy issuer: (name: DistinguishedName, key: Certificate.PrivateKey),
        publicKey: Certificate.PublicKey,
        lifetime: Duration,
        extensions: Certificate.Extensions
    ) throws -> Certificate {
        let now = Date()
        return try Certificate(
            version: .v3,
            serialNumber: Certificate.SerialNumber(),
            publicKey: publicKey,
            notValidBefore: now.addingTimeInterval(-clockSkew),
            notValidAfter: now.addingTimeInterval(Double(lifetime.components.seconds)),
            issuer: issuer.name,
            subject: subject,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: extensions,
            issuerPrivateKey: issuer.key
        )
    }

    // MARK: - Files

    private static func read(_ path: String) throws -> String? {
        try AtomicFile.read(path, bytesMax: filesBytesMax).map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    private static func write(_ key: Certificate.PrivateKey, to path: String) throws {
        try AtomicFile.write(
            Array(try key.serializeAsPEM().pemString.utf8) + [UInt8(ascii: "\n")],
            to: path,
            durable: true,
            permissions: 0o600
        )
    }

    private static func write(_ certificate: Certificate, to path: String) throws {
        let text = try certificate.serializeAsPEM().pemString
        try AtomicFile.write(Array(text.utf8) + [UInt8(ascii: "\n")], to: path, durable: true)
    }

    private static func explaining<Value>(
        _ path: String,
        _ body: () throws -> Value
    ) throws -> Value {
        do { return try body() } catch let error as TransportSecurityError { throw error } catch {
            throw TransportSecurityError(
                path,
                "\(error)",
                remedy: "remove what is broken there, or the directory"
            )
        }
    }
}

/// Whom a certificate is for.
package struct CertificateSubjects: Hashable, Sendable {
    /// Names and addresses of hosts, `*.example.org` among them.
    package var hosts: [String]
    /// Peer ids, in hexadecimal digits.
    package var peers: [String] = []

    /// Hosts called `hosts`, and peers `peers`.
    package init(hosts: [String], peers: [String] = []) {
        (self.hosts, self.peers) = (hosts, peers)
    }

    /// What every certificate is good for, so that clusters on one host need no more.
    static let local = ["localhost", "127.0.0.1", "::1"]

    /// The alternative names in the certificate.
    /// - Throws: ``TransportSecurityError`` for what is no name.
    var names: [GeneralName] {
        get throws {
            var seen: Set<String> = []
            var names: [GeneralName] = []
            for host in hosts + Self.local where seen.insert(host).inserted {
                if let bytes = PackedAddress.parse(host) {
                    names.append(.ipAddress(ASN1OctetString(contentBytes: bytes[...])))
                } else {
                    try Self.checkHost(host)
                    names.append(.dnsName(host))
                }
            }
            return names + peers.map { .uniformResourceIdentifier(PeerIdentity.scheme + $0) }
        }
    }

    private static func checkHost(_ host: String) throws {
        let isPlain = host.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "*"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard isPlain, !host.isEmpty, host.utf8.count <= 253 else {
            throw TransportSecurityError(
                host,
                "it is no name of a host",
                remedy: "leave ports and schemes out"
            )
        }
    }
}

/// Addresses as certificates have them.
private enum PackedAddress {
    /// The 4 or 16 bytes of the address in `text`; nil when it is none.
    static func parse(_ text: String) -> [UInt8]? {
        for (family, count) in [(AF_INET, 4), (AF_INET6, 16)] {
            var bytes = [UInt8](repeating: 0, count: count)
            if inet_pton(family, text, &bytes) == 1 { return bytes }
        }
        return nil
    }
}
