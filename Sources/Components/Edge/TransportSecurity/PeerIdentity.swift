// SPDX-License-Identifier: Apache-2.0

package import NIOSSL

/// The peer ids in a certificate: URIs among its alternative names, `herd-peer:` and 40 hexadecimal digits.
package enum PeerIdentity {
    /// What such a URI begins with.
    static let scheme = "herd-peer:"

    /// The ids in `certificate`, in hexadecimal digits of lower case.
    /// - Throws: when it can't be read.
    package static func ids(in certificate: NIOSSLCertificate) throws -> [String] {
        try ServerName.identifiers(of: certificate).compactMap { uri in
            uri.hasPrefix(scheme) ? uri.dropFirst(scheme.count).lowercased() : nil
        }
    }
}
