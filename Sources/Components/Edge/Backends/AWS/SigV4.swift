// SPDX-License-Identifier: Apache-2.0

import Crypto
import FoundationEssentials
import HTTPKit
package import HTTPTypes
package import Telemetry

/// Keys that sign requests to Amazon's services, and to those which imitate them.
package struct AWSCredentials: Hashable, Sendable {
    /// Which key it is; no secret.
    package var accessKeyID: String
    /// The key.
    package var secretAccessKey: String
    /// What goes along with keys that were lent for a time.
    package var sessionToken: String?
    /// When they end; nil when they do not.
    package var expiration: Timestamp?

    /// A pair of keys.
    package init(
        accessKeyID: String,
        secretAccessKey: String,
        sessionToken: String? = nil,
        expiration: Timestamp? = nil
    ) {
        (self.accessKeyID, self.secretAccessKey) = (accessKeyID, secretAccessKey)
        (self.sessionToken, self.expiration) = (sessionToken, expiration)
    }
}

extension AWSCredentials: CustomStringConvertible {
    /// The key's name only.
    package var description: String { accessKeyID }
}

/// A request as Signature Version 4 sees it.
/// - Source: AWS, "Signature Version 4 signing process"; for S3, "Authenticating Requests: Using the Authorization
///   Header".
package struct SigV4Request: Sendable {
    /// `GET`.
    package var method: String
    /// The value of `Host`.
    package var host: String
    /// The path, percent-encoded once, as it is sent.
    package var path: String
    /// The query, not encoded.
    package var query: [(name: String, value: String)]
    /// The headers that are signed beside `Host` and those that the signature adds.
    package var headers: HTTPFields
    /// The SHA-256 of the body in hexadecimal digits.
    package var payloadHash: String
    /// Whether the hash is sent along, as S3 wants it.
    package var sendsPayloadHash: Bool

    /// The SHA-256 of no bytes.
    package static let emptyPayloadHash =
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    /// A request.
    package init(
        method: String,
        host: String,
        path: String = "/",
        query: [(name: String, value: String)] = [],
        headers: HTTPFields = [:],
        payloadHash: String = SigV4Request.emptyPayloadHash,
        sendsPayloadHash: Bool = true
    ) {
        (self.method, self.host, self.path, self.query) = (method, host, path, query)
        (self.headers, self.payloadHash) = (headers, payloadHash)
        self.sendsPayloadHash = sendsPayloadHash
    }

    /// The query as it is sent and signed: encoded and sorted.
    package var encodedQuery: String {
        query.map { (PercentCoding.encode($0.name), PercentCoding.encode($0.value)) }
            .sorted { $0 < $1 }
            .map { "\($0)=\($1)" }.joined(separator: "&")
    }

    /// The headers to send: those of the request, with the signature of `credentials` at `time`.
    package func signed(
        by credentials: AWSCredentials,
        region: String,
        service: String,
        at time: Timestamp
    ) -> HTTPFields {
        let stamp = Self.stamp(time)
        let day = String(stamp.prefix(8))
        var headers = headers
        headers[.amzDate] = stamp
        if sendsPayloadHash { headers[.amzContentSHA256] = payloadHash }
        if let token = credentials.sessionToken { headers[.amzSecurityToken] = token }
        let fields = canonicalFields(headers)
        let names = fields.map(\.name).joined(separator: ";")
        let canonical = [
            method, path, encodedQuery, fields.map { "\($0.name):\($0.value)\n" }.joined(), names,
            payloadHash,
        ].joined(separator: "\n")
        let scope = "\(day)/\(region)/\(service)/aws4_request"
        let digest = HexText.of(SHA256.hash(data: Array(canonical.utf8)))
        let text = "AWS4-HMAC-SHA256\n\(stamp)\n\(scope)\n\(digest)"
        let key = Self.key(credentials.secretAccessKey, [day, region, service, "aws4_request"])
        let signature = HexText.of(Self.code(text, key: key))
        headers[.authorization] =
            "AWS4-HMAC-SHA256 Credential=\(credentials.accessKeyID)/\(scope),"
            + "SignedHeaders=\(names),Signature=\(signature)"
        return headers
    }

    /// Names in lower case and sorted, values without spaces around them and with single ones inside.
    private func canonicalFields(_ headers: HTTPFields) -> [(name: String, value: String)] {
        let fields = headers.map { field in
            let words = field.value.split(separator: " ")
            return (name: field.name.canonicalName, value: words.joined(separator: " "))
        }
        return (fields + [(name: "host", value: host)]).sorted { $0.name < $1.name }
    }

    /// The key for one day, region and service.
    package static func key(_ secret: String, _ scope: [String]) -> [UInt8] {
        scope.reduce(Array("AWS4\(secret)".utf8)) { key, part in code(part, key: key) }
    }

    private static func code(_ text: String, key: [UInt8]) -> [UInt8] {
        Array(
            HMAC<SHA256>.authenticationCode(
                for: Array(text.utf8),
                using: SymmetricKey(data: key)
            )
        )
    }

    /// `20130524T000000Z`.
    private static func stamp(_ time: Timestamp) -> String {
        time.description.prefix(19).filter { $0 != "-" && $0 != ":" } + "Z"
    }
}

extension HTTPField.Name {
    /// When the request was signed.
    static let amzDate = HTTPField.Name.known("x-amz-date")
    /// The SHA-256 of the body.
    static let amzContentSHA256 = HTTPField.Name.known("x-amz-content-sha256")
    /// What goes along with lent keys.
    static let amzSecurityToken = HTTPField.Name.known("x-amz-security-token")

    /// The field `name`.
    /// - Precondition: it is a name.
    static func known(_ name: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(name) else {
            preconditionFailure("\(name) is no name of a field")
        }
        return name
    }
}
