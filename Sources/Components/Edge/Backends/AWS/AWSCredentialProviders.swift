// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives
import Telemetry

/// The ways in which a machine, a container or a service account gets keys.
/// - Source: AWS SDKs and Tools Reference Guide, "Standardized credential providers".
struct AWSCredentialProviders: Sendable {
    let context: BackendContext
    private let transport: BackendTransport

    /// The providers that `context` sets up.
    init(context: BackendContext) {
        self.context = context
        var settings = TransportSettings()
        // Where there is no such service, nothing answers.
        settings.timeout = .seconds(3)
        settings.retry.attemptsMax = 2
        transport = BackendTransport(
            backend: "AWS",
            context,
            settings,
            remedy: "check the role of this host or container"
        )
    }

    private var environment: [String: String] { context.environment }

    /// The keys from `place`; nil when nothing there is set up.
    /// - Throws: ``BackendError`` when something is, and fails.
    func fetch(from place: AWSCredentialPlace) async throws -> AWSCredentials? {
        switch place {
        case .environment: fromEnvironment
        case .webIdentity: try await fromWebIdentity()
        case .container: try await fromContainer()
        case .instance: try await fromInstance()
        }
    }

    private var fromEnvironment: AWSCredentials? {
        guard let id = environment["AWS_ACCESS_KEY_ID"],
            let secret = environment["AWS_SECRET_ACCESS_KEY"], !id.isEmpty, !secret.isEmpty
        else { return nil }
        return AWSCredentials(
            accessKeyID: id,
            secretAccessKey: secret,
            sessionToken: environment["AWS_SESSION_TOKEN"]
        )
    }

    // MARK: - Containers

    private func fromContainer() async throws -> AWSCredentials? {
        let url: String
        if let path = environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] {
            url = "http://169.254.170.2" + path
        } else if let full = environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] {
            url = full
        } else {
            return nil
        }
        var token = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        if let file = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] {
            token = try await text(ofFile: file)
        }
        return try await keys(at: url, token.map { [.authorization: $0] } ?? [:])
    }

    // MARK: - Virtual machines

    private func fromInstance() async throws -> AWSCredentials? {
        guard environment["AWS_EC2_METADATA_DISABLED"]?.lowercased() != "true" else { return nil }
        let base =
            environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"].map { url in
                url.hasSuffix("/") ? String(url.dropLast()) : url
            } ?? "http://169.254.169.254"
        let token = try await get(
            "\(base)/latest/api/token",
            [.known("x-aws-ec2-metadata-token-ttl-seconds"): "21600"],
            method: .put
        )
        let headers: HTTPFields = [.known("x-aws-ec2-metadata-token"): token]
        let roles = "\(base)/latest/meta-data/iam/security-credentials/"
        let role = try await get(roles, headers).split(separator: "\n").first.map(String.init) ?? ""
        guard !role.isEmpty else { return nil }
        return try await keys(at: roles + PercentCoding.encode(role), headers)
    }

    // MARK: - Service accounts

    private func fromWebIdentity() async throws -> AWSCredentials? {
        guard let file = environment["AWS_WEB_IDENTITY_TOKEN_FILE"],
            let role = environment["AWS_ROLE_ARN"]
        else { return nil }
        let token = try await text(ofFile: file)
        let region = environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"] ?? "us-east-1"
        let url =
            environment["AWS_ENDPOINT_URL_STS"] ?? "https://sts.\(region).amazonaws.com"
        let form = [
            ("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15"),
            ("RoleArn", role), ("RoleSessionName", environment["AWS_ROLE_SESSION_NAME"] ?? "herd"),
            ("WebIdentityToken", token),
        ].map { "\($0)=\(PercentCoding.encode($1))" }.joined(separator: "&")
        let (_, body) = try await transport.collect("assume the role \(role)", upTo: 1 << 20) {
            ClientRequest(
                .post,
                url.hasSuffix("/") ? url : url + "/",
                headers: [.contentType: "application/x-www-form-urlencoded"],
                body: .bytes(ByteBuffer(string: form)),
                timeout: .seconds(30)
            )
        }
        let document = try XMLElement.parse(body, "read the answer of \(url)")
        guard let keys = document.first("AssumeRoleWithWebIdentityResult")?.first("Credentials"),
            let id = keys.text(of: "AccessKeyId"), let secret = keys.text(of: "SecretAccessKey")
        else { throw unreadable(url) }
        return AWSCredentials(
            accessKeyID: id,
            secretAccessKey: secret,
            sessionToken: keys.text(of: "SessionToken"),
            expiration: keys.text(of: "Expiration").flatMap(Timestamp.init(parsing:))
        )
    }

    // MARK: - Parts

    private func keys(at url: String, _ headers: HTTPFields) async throws -> AWSCredentials {
        let text = try await get(url, headers)
        guard let document = try? JSON(parsing: text),  // said below
            let id = document["AccessKeyId"]?.string,
            let secret = document["SecretAccessKey"]?.string
        else { throw unreadable(url) }
        return AWSCredentials(
            accessKeyID: id,
            secretAccessKey: secret,
            sessionToken: document["Token"]?.string,
            expiration: document["Expiration"]?.string.flatMap(Timestamp.init(parsing:))
        )
    }

    private func get(
        _ url: String,
        _ headers: HTTPFields,
        method: HTTPRequest.Method = .get
    ) async throws -> String {
        let (_, body) = try await transport.collect("get \(url)", upTo: 1 << 20) {
            ClientRequest(method, url, headers: headers, timeout: transport.settings.timeout)
        }
        return String(buffer: body)
    }

    private func text(ofFile path: String) async throws -> String {
        let text = try await context.pool.run {
            let file = try SharedFile.openForReading(path)
            let count = min(try file.size(), Self.tokenBytesMax)
            return String(buffer: try file.buffer(at: 0, count: count))
        }
        return text.filter { !$0.isNewline }
    }

    private static let tokenBytesMax = 64 << 10

    private func unreadable(_ url: String) -> BackendError {
        BackendError(.failed, what: "read the keys from \(url)", why: "the answer holds none")
    }
}
