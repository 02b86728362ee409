// SPDX-License-Identifier: Apache-2.0

import NIOCore
package import NIOSSL
import SwiftASN1
import X509

/// The name that all servers of a cluster share in their certificates, whatever their hosts are called: Kraken's `tls.name`.
package struct ServerName: Hashable, Sendable {
    private let name: String

    /// The name `name`.
    package init(_ name: String) { self.name = name.lowercased() }

    /// Fails unless `certificate`, whose chain has been verified, is for this name.
    /// - Throws: ``ServerNameMismatch``.
    package func check(_ certificate: NIOSSLCertificate?) throws {
        let names = try certificate.map { try Self.names(of: $0) } ?? []
        guard names.contains(where: matches) else {
            throw ServerNameMismatch(expected: name, found: names)
        }
    }

    /// The alternative names of `certificate` that are names of hosts; its common name counts for nothing, as in browsers.
    static func names(of certificate: NIOSSLCertificate) throws -> [String] {
        let parsed = try X509.Certificate(derEncoded: try certificate.toDERBytes())
        return try (parsed.extensions.subjectAlternativeNames ?? SubjectAlternativeNames([]))
            .compactMap { if case .dnsName(let name) = $0 { name.lowercased() } else { nil } }
    }

    /// The alternative names of `certificate` that are URIs.
    static func identifiers(of certificate: NIOSSLCertificate) throws -> [String] {
        let parsed = try X509.Certificate(derEncoded: try certificate.toDERBytes())
        return try (parsed.extensions.subjectAlternativeNames ?? SubjectAlternativeNames([]))
            .compactMap {
                if case .uniformResourceIdentifier(let uri) = $0 { uri } else { nil }
            }
    }

    /// Whether `pattern`, in which `*` may stand for the first label, is this name.
    /// - Source: RFC 6125 §6.4.3.
    private func matches(_ pattern: String) -> Bool {
        guard pattern.hasPrefix("*.") else { return pattern == name }
        guard let dot = name.firstIndex(of: "."), dot != name.startIndex else { return false }
        return name[dot...] == pattern.dropFirst()
    }
}

/// A server whose certificate is for others.
package struct ServerNameMismatch: Error, CustomStringConvertible {
    /// The name that it must have.
    package let expected: String
    /// Those that it has.
    package let found: [String]

    package var description: String {
        let names = found.isEmpty ? "no name" : found.joined(separator: ", ")
        return "the server's certificate is for \(names), not for \(expected); "
            + "make one for that name, or say another tls.name"
    }
}
