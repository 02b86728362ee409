// SPDX-License-Identifier: Apache-2.0

import Content
import Crypto
import CryptoExtras
import FoundationEssentials
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives
import Telemetry

/// Gives out tokens for a service account, or for the machine's own, and fetches new ones before they end.
/// - Source: Google Identity, "Using OAuth 2.0 for Server to Server Applications"; Compute Engine, "Authenticate
///   workloads".
actor GCSTokens {
    private let account: GCSAccount?
    private let environment: [String: String]
    private let transport: BackendTransport
    private var current: (text: String, until: ContinuousClock.Instant)?
    private var fetch: Task<String, any Error>?

    /// Tokens are replaced so long before they end.
    private static let margin = Duration.minutes(5)
    private static let lifetime = Duration.hours(1)

    /// Tokens for `account`.
    init(_ account: GCSAccount?, context: BackendContext) {
        self.account = account
        environment = context.environment
        transport = BackendTransport(
            backend: "Google",
            context,
            TransportSettings(),
            remedy: "check the service account"
        )
    }

    /// `Bearer …`, for the account, or without one for that of the machine.
    func header() async throws -> String {
        if let current, current.until > .now { return current.text }
        let running = fetch ?? Task { try await fetchAnew() }
        fetch = running
        let result = await running.result
        // Whoever comes first clears the way for the next fetch.
        if fetch == running { fetch = nil }
        return try result.get()
    }

    private func fetchAnew() async throws -> String {
        let request: ClientRequest
        if let account {
            request = try Self.request(account, at: .now)
        } else {
            let host = environment["GCE_METADATA_HOST"] ?? "metadata.google.internal"
            request = ClientRequest(
                .get,
                "http://\(host)/computeMetadata/v1/instance/service-accounts/default/token",
                headers: [.known("metadata-flavor"): "Google"]
            )
        }
        let (_, body) = try await transport.collect("get a token", upTo: 1 << 20) { request }
        guard let document = try? JSON(parsing: body.readableBytesView),  // said below
            let token = document["access_token"]?.string
        else {
            throw BackendError(.failed, what: "get a token from Google", why: "none came")
        }
        let seconds = Duration.seconds(document["expires_in"]?.integer ?? 3600)
        let until = ContinuousClock.now.advanced(by: max(.seconds(1), seconds - Self.margin))
        current = ("Bearer \(token)", until)
        return "Bearer \(token)"
    }

    /// Asks for a token with a signed statement of who asks.
    static func request(_ account: GCSAccount, at time: Timestamp) throws -> ClientRequest {
        let seconds = Int(time.unixNanoseconds / 1_000_000_000)
        let header = JSON.object([
            .init("alg", .string("RS256")), .init("typ", .string("JWT")),
            .init("kid", .string(account.keyID)),
        ])
        let claims = JSON.object([
            .init("iss", .string(account.email)),
            .init("scope", .string("https://www.googleapis.com/auth/devstorage.read_write")),
            .init("aud", .string(account.tokenURL)),
            .init("iat", .integer(seconds)),
            .init("exp", .integer(seconds + Int(lifetime.seconds))),
        ])
        let statement = "\(base64URL(header.utf8)).\(base64URL(claims.utf8))"
        let signature = try account.key.signature(
            for: SHA256.hash(data: Array(statement.utf8)),
            padding: .insecurePKCS1v1_5
        )
        let assertion = "\(statement).\(base64URL(signature.rawRepresentation))"
        let grant = PercentCoding.encode("urn:ietf:params:oauth:grant-type:jwt-bearer")
        return ClientRequest(
            .post,
            account.tokenURL,
            headers: [.contentType: "application/x-www-form-urlencoded"],
            body: .bytes(ByteBuffer(string: "grant_type=\(grant)&assertion=\(assertion)"))
        )
    }

    private static func base64URL(_ bytes: some Sequence<UInt8>) -> String {
        Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
            .replacing("=", with: "")
    }
}
