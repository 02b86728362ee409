// SPDX-License-Identifier: Apache-2.0

import Crypto
import CryptoExtras
import Foundation

/// Makes tokens, by hand, so that what checks them is not what made them.
struct TokenForge {
    /// Signs the bytes of a token's first two parts.
    let sign: (Data) throws -> Data
    let algorithm: String
    let publicPEM: String
    var keyID: String?

    static func p256(_ key: P256.Signing.PrivateKey = .init()) -> TokenForge {
        TokenForge(
            sign: { try key.signature(for: $0).rawRepresentation },
            algorithm: "ES256",
            publicPEM: key.publicKey.pemRepresentation
        )
    }

    static func ed25519(_ key: Curve25519.Signing.PrivateKey = .init()) -> TokenForge {
        let der = Data([0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00])
        let base64 = (der + key.publicKey.rawRepresentation).base64EncodedString()
        return TokenForge(
            sign: { try key.signature(for: $0) },
            algorithm: "EdDSA",
            publicPEM: "-----BEGIN PUBLIC KEY-----\n\(base64)\n-----END PUBLIC KEY-----\n"
        )
    }

    static func rsa(_ algorithm: String = "RS256") throws -> TokenForge {
        let key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
        return TokenForge(
            sign: { data in
                switch algorithm {
                case "RS512":
                    try key.signature(for: SHA512.hash(data: data), padding: .insecurePKCS1v1_5)
                        .rawRepresentation
                case "PS256":
                    try key.signature(for: SHA256.hash(data: data), padding: .PSS)
                        .rawRepresentation
                default:
                    try key.signature(for: SHA256.hash(data: data), padding: .insecurePKCS1v1_5)
                        .rawRepresentation
                }
            },
            algorithm: algorithm,
            publicPEM: key.publicKey.pemRepresentation
        )
    }

    /// A token with these claims, as JSON.
    func token(_ claims: String, algorithm other: String? = nil) throws -> String {
        let keyID = keyID.map { #","kid":"\#($0)""# } ?? ""
        let header = #"{"typ":"JWT","alg":"\#(other ?? algorithm)"\#(keyID)}"#
        let text = "\(Self.base64URL(Data(header.utf8))).\(Self.base64URL(Data(claims.utf8)))"
        return "\(text).\(Self.base64URL(try sign(Data(text.utf8))))"
    }

    static func base64URL(_ data: Data) -> String {
        data.base64EncodedString().replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }
}

extension P256.Signing.PublicKey {
    /// As a JSON Web Key.
    func jwk(_ keyID: String) -> String {
        let (x, y) = (rawRepresentation.prefix(32), rawRepresentation.suffix(32))
        return """
            {"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"\(keyID)",\
            "x":"\(TokenForge.base64URL(x))","y":"\(TokenForge.base64URL(y))"}
            """
    }
}
