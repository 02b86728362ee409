// SPDX-License-Identifier: Apache-2.0

import Content
import FoundationEssentials
import JWTKit

/// A public key that tokens are checked with.
enum TokenKey: Sendable {
    case rsa(Insecure.RSA.PublicKey)
    case p256(ES256PublicKey)
    case p384(ES384PublicKey)
    case p521(ES512PublicKey)
    case ed25519(EdDSA.PublicKey)
    case jwk(JWK)

    /// Keys of one source; more are refused.
    static let countMax = 64
    /// Bytes of one file or set of keys; a longer one is refused.
    static let bytesMax = 1 << 20

    /// The keys in `bytes`: PEM, a JSON Web Key, or a set of those.
    /// - Throws: ``Defect``.
    static func keys(in bytes: [UInt8]) throws -> [TokenKey] {
        let text = String(decoding: bytes, as: UTF8.self)
        let keys = text.contains("-----BEGIN ") ? try pem(text) : try json(bytes)
        guard !keys.isEmpty else {
            throw Defect("holds no public key that tokens can be checked with")
        }
        guard keys.count <= countMax else { throw Defect("holds more than \(countMax) keys") }
        return keys
    }

    struct Defect: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    // MARK: - PEM

    private static func pem(_ text: String) throws -> [TokenKey] {
        var keys: [TokenKey] = []
        var block: [Substring] = []
        for line in text.split(whereSeparator: \.isNewline) {
            if line.hasPrefix("-----BEGIN ") { block = [] }
            block.append(line)
            guard line.hasPrefix("-----END ") else { continue }
            if line.contains("PRIVATE KEY") {
                throw Defect(
                    "holds a private key; put the public one there, as openssl pkey -pubout"
                )
            }
            // Settings of a curve, as openssl writes them before a key.
            if line.contains("PARAMETERS") { continue }
            keys.append(try key(block.joined(separator: "\n"), line.contains("CERTIFICATE")))
        }
        return keys
    }

    private static func key(_ pem: String, _ isCertificate: Bool) throws -> TokenKey {
        let readers: [() throws -> TokenKey] =
            isCertificate
            ? [
                { .rsa(try Insecure.RSA.PublicKey(certificatePEM: pem)) },
                { .p256(try ES256PublicKey(certificate: pem)) },
                { .p384(try ES384PublicKey(certificate: pem)) },
                { .p521(try ES512PublicKey(certificate: pem)) },
            ]
            : [
                { .rsa(try Insecure.RSA.PublicKey(pem: pem)) },
                { .p256(try ES256PublicKey(pem: pem)) }, { .p384(try ES384PublicKey(pem: pem)) },
                { .p521(try ES512PublicKey(pem: pem)) },
                { .ed25519(try EdDSA.PublicKey(pem: pem)) },
            ]
        for reader in readers {
            // It is of one kind at most; the others can't read it.
            if let key = try? reader() { return key }
        }
        throw Defect(
            "holds a key that is none of RSA (2048 bits and more), P-256, P-384, P-521 and Ed25519"
        )
    }

    // MARK: - JSON

    /// Keys of a set that are for something else are left out.
    private static func json(_ bytes: [UInt8]) throws -> [TokenKey] {
        guard let document = try? JSON(parsing: bytes) else {
            throw Defect("is neither PEM nor a JSON Web Key")
        }
        guard let set = document["keys"]?.array else { return try [.jwk(jwk(document))] }
        return set.compactMap { entry in
            guard entry["use"]?.string ?? "sig" == "sig" else { return nil }
            // A set may have keys that we don't know how to use: a later kind, a shared secret.
            return (try? jwk(entry)).map(TokenKey.jwk)
        }
    }

    private static func jwk(_ document: JSON) throws -> JWK {
        guard document["d"] == nil else {
            throw Defect("holds a private key; put the public one there")
        }
        do {
            return try JSONDecoder().decode(JWK.self, from: Data(document.utf8))
        } catch {
            throw Defect("holds a JSON Web Key that is none of RSA, EC and OKP")
        }
    }
}

extension JWTKeyCollection {
    /// Adds `key` with all algorithms that it can be used for; `name` tells it from others that don't say what they are called.
    func add(_ key: TokenKey, named name: String) throws {
        let id = JWKIdentifier(string: name)
        switch key {
        case .rsa(let key):
            for (digest, bits) in [(DigestAlgorithm.sha256, 256), (.sha384, 384), (.sha512, 512)] {
                add(rsa: key, digestAlgorithm: digest, kid: .init(string: "\(name)/RS\(bits)"))
                add(pss: key, digestAlgorithm: digest, kid: .init(string: "\(name)/PS\(bits)"))
            }
        case .p256(let key): add(ecdsa: key, kid: id)
        case .p384(let key): add(ecdsa: key, kid: id)
        case .p521(let key): add(ecdsa: key, kid: id)
        case .ed25519(let key): add(eddsa: key, kid: id)
        case .jwk(var key):
            if key.keyIdentifier == nil { key.keyIdentifier = id }
            try add(jwk: key)
        }
    }
}
