// SPDX-License-Identifier: Apache-2.0

import Crypto
import FoundationEssentials
import HTTPKit
import HTTPTypes

/// A request as the Blob service of Azure wants it signed.
/// - Source: Azure Storage, "Authorize with Shared Key".
struct AzureRequest: Sendable {
    /// `GET`.
    var method: String
    /// The account.
    var account: String
    /// The path, percent-encoded, as it is sent.
    var path: String
    /// The query, not encoded.
    var query: [(name: String, value: String)]
    /// All headers that are sent.
    var headers: HTTPFields
    /// The body's length.
    var bodyBytes: Int

    /// The version of the service's language.
    static let version = "2021-12-02"

    /// A request.
    init(
        method: String,
        account: String,
        path: String,
        query: [(name: String, value: String)] = [],
        headers: HTTPFields = [:],
        bodyBytes: Int = 0
    ) {
        (self.method, self.account, self.path) = (method, account, path)
        (self.query, self.headers, self.bodyBytes) = (query, headers, bodyBytes)
    }

    /// The headers with the signature by `key`; the date is among them already.
    func signed(by key: [UInt8]) -> HTTPFields {
        let names: [HTTPField.Name] = [
            .contentMD5, .contentType, .date, .ifModifiedSince, .ifMatch, .ifNoneMatch,
            .ifUnmodifiedSince, .range,
        ]
        let length = bodyBytes > 0 ? "\(bodyBytes)" : ""
        // Encoding and language, which we never send, stand before the length.
        let standard = [method, "", "", length] + names.map { headers[$0] ?? "" }
        let own = headers.filter { $0.name.canonicalName.hasPrefix("x-ms-") }
            .sorted { $0.name.canonicalName < $1.name.canonicalName }
            .map { "\($0.name.canonicalName):\($0.value)" }
        let arguments = query.sorted { $0.name < $1.name }.map { "\($0.name):\($0.value)" }
        let resource = (["/\(account)\(path)"] + arguments).joined(separator: "\n")
        let text = (standard + own + [resource]).joined(separator: "\n")
        let code = HMAC<SHA256>.authenticationCode(
            for: Array(text.utf8),
            using: SymmetricKey(data: key)
        )
        var signed = headers
        let signature = Data(code).base64EncodedString()
        signed[.authorization] = "SharedKey \(account):\(signature)"
        return signed
    }

    /// The query as it is sent.
    var encodedQuery: String {
        query.map { "\(PercentCoding.encode($0.name))=\(PercentCoding.encode($0.value))" }
            .joined(separator: "&")
    }
}

extension HTTPField.Name {
    /// `Content-MD5`.
    static let contentMD5 = HTTPField.Name.known("content-md5")
}
