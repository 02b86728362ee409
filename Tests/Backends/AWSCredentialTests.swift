// SPDX-License-Identifier: Apache-2.0

import Backends
import Content
import Files
import Foundation
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization
import Telemetry
import TestServers
import TestSupport
import Testing

@Suite("AWS credentials") struct AWSCredentialTests {
    private func source(
        _ places: [AWSCredentialPlace],
        _ environment: [String: String],
        now: @escaping @Sendable () -> Timestamp = { .now }
    ) -> AWSCredentialSource {
        AWSCredentialSource(
            fixed: nil,
            places: places,
            context: BackendContext(http: testClient, pool: .singleton, environment: environment),
            now: now
        )
    }

    private static func keys(_ id: String, until expiration: String) -> Response {
        .text(
            """
            {"Code":"Success","AccessKeyId":"\(id)","SecretAccessKey":"s","Token":"t",
            "Expiration":"\(expiration)"}
            """
        )
    }

    @Test("from the environment")
    func environment() async throws {
        let variables = [
            "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t",
        ]
        let found = try await source([.environment], variables).credentials()
        #expect(found == AWSCredentials(accessKeyID: "id", secretAccessKey: "s", sessionToken: "t"))
    }

    @Test("from a container's agent, with its token, and again before they end")
    func container() async throws {
        try await withTemporaryFolder { folder async throws in
            try "token-1\n".write(toFile: folder + "/t", atomically: true, encoding: .utf8)
            try await ScriptedServer.serve { request, number in
                guard request.headers[.authorization] == "token-1" else {
                    return .empty(.forbidden)
                }
                return Self.keys("id-\(number)", until: "2030-01-01T01:00:00Z")
            } body: { address, server async throws in
                let time = Mutex(Timestamp(parsing: "2030-01-01T00:00:00Z"))
                let source = source(
                    [.environment, .container],
                    [
                        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://\(address)/keys",
                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": folder + "/t",
                    ],
                    now: { time.withLock { $0 } ?? .now }
                )
                for _ in 0..<3 {
                    let found = try await source.credentials()
                    #expect(found.accessKeyID == "id-1" && found.sessionToken == "t")
                }
                time.withLock { $0 = Timestamp(parsing: "2030-01-01T00:56:00Z") }
                // Whoever asks at the same time waits for one answer.
                try await withThrowingTaskGroup(of: AWSCredentials.self) { group in
                    for _ in 0..<8 { group.addTask { try await source.credentials() } }
                    for try await each in group { #expect(each.accessKeyID == "id-2") }
                }
                #expect(server.lines.count == 2)
            }
        }
    }

    @Test("from a virtual machine's metadata, in the second version's way")
    func instance() async throws {
        try await ScriptedServer.serve { request, _ in
            let path = request.uri.path
            if request.method == .put, path == "/latest/api/token" { return .text("session") }
            let name = try #require(HTTPField.Name("x-aws-ec2-metadata-token"))
            guard request.headers[name] == "session" else { return .empty(.unauthorized) }
            switch path {
            case "/latest/meta-data/iam/security-credentials/": return .text("my-role")
            case "/latest/meta-data/iam/security-credentials/my-role":
                return Self.keys("id", until: "2100-01-01T00:00:00Z")
            default: return .empty(.notFound)
            }
        } body: { address, _ async throws in
            let variables = ["AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://\(address)"]
            let found = try await source([.instance], variables).credentials()
            #expect(found.accessKeyID == "id" && found.sessionToken == "t")
            #expect(found.expiration == Timestamp(parsing: "2100-01-01T00:00:00Z"))
        }
    }

    @Test(
        "from a service account's token, by the real service's imitation",
        .enabled(if: ServerTools.has("moto_server"))
    )
    func webIdentity() async throws {
        let moto = try await S3Server.moto.value
        try await withTemporaryFolder { folder async throws in
            try "a-token".write(toFile: folder + "/t", atomically: true, encoding: .utf8)
            let found = try await source(
                [.webIdentity],
                [
                    "AWS_WEB_IDENTITY_TOKEN_FILE": folder + "/t",
                    "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/herd",
                    "AWS_ENDPOINT_URL_STS": "http://\(moto.address)",
                ]
            ).credentials()
            #expect(found.accessKeyID.hasPrefix("ASIA"))
            #expect(found.sessionToken?.isEmpty == false)
            #expect(try #require(found.expiration) > .now)
        }
    }

    @Test("says where it has looked")
    func none() async throws {
        let places: [AWSCredentialPlace] = [.environment, .webIdentity, .container]
        let error = await #expect(throws: BackendError.self) {
            _ = try await source(places, [:]).credentials()
        }
        #expect(
            error?.why == "environment: not set up; web_identity: not set up; container: not set up"
        )
    }
}
