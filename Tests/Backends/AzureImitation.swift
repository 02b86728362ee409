// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization

@testable import Backends

/// What Azure's Blob service answers, as far as the backend asks, with checked signatures and sums: no server of that
/// kind is to be had from Debian or PyPI.
final class AzureImitation: Sendable {
    static let account = "herdaccount"
    static let key = Array("an account's key of the tests".utf8)
    /// Names on one page, whatever is asked for: less than asked for is allowed.
    private static let pageMax = 3

    private struct State {
        var blobs: [String: [UInt8]] = [:]
        var blocks: [String: [String: [UInt8]]] = [:]
    }

    private let state = Mutex(State())

    /// The backend's configuration, for the imitation at `address`.
    static func yaml(_ address: String, _ namePath: String) -> String {
        """
        backends:
        - namespace: .*
          backend:
            azure: {account: \(account), container: c, username: u, root_directory: /some/root,
                    name_path: \(namePath), endpoint: 'http://\(address)', upload_part_size: 1MB,
                    upload_concurrency: 3}
        auth: {azure: {u: {azure: {account_key: '\(Data(key).base64EncodedString())'}}}}
        """
    }

    func answer(_ request: Request) async throws -> Response {
        let query = Self.query(request.uri.query ?? "")
        let body = Array(try await request.collectBody(upTo: 64 << 20).readableBytesView)
        guard Self.isSigned(request, query, bodyBytes: body.count) else {
            return .text("<Error><Code>AuthenticationFailed</Code></Error>", status: .forbidden)
        }
        if let sum = request.headers[.contentMD5],
            sum != Data(Insecure.MD5.hash(data: body)).base64EncodedString()
        {
            return .text("<Error><Code>Md5Mismatch</Code></Error>", status: .badRequest)
        }
        if query["comp"] == "list" { return list(query) }
        let name = PercentCoding.decode(request.uri.path.dropFirst("/c/".count)) ?? ""
        switch request.method {
        case .put: return put(name, query, body)
        case .delete:
            let old = state.withLock { $0.blobs.removeValue(forKey: name) }
            return .empty(old == nil ? .notFound : .accepted)
        default: return get(name, request)
        }
    }

    private func put(_ name: String, _ query: [String: String], _ body: [UInt8]) -> Response {
        state.withLock { state in
            switch query["comp"] {
            case "block": state.blocks[name, default: [:]][query["blockid"] ?? ""] = body
            case "blocklist":
                let text = String(decoding: body, as: UTF8.self)
                var blob: [UInt8] = []
                for match in text.matches(of: /<Latest>([^<]+)<\/Latest>/) {
                    guard let block = state.blocks[name]?[String(match.1)] else {
                        return .empty(.badRequest)
                    }
                    blob += block
                }
                state.blobs[name] = blob
                state.blocks[name] = nil
            default: state.blobs[name] = body
            }
            return .empty(.created)
        }
    }

    private func get(_ name: String, _ request: Request) -> Response {
        guard let blob = state.withLock({ $0.blobs[name] }) else { return .empty(.notFound) }
        return Response(
            status: .ok,
            headers: [.eTag: "\"\(blob.count)\""],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: blob))
        )
    }

    private func list(_ query: [String: String]) -> Response {
        let (prefix, marker) = (query["prefix"] ?? "", query["marker"] ?? "")
        let names = state.withLock { $0.blobs.keys }.filter {
            $0.hasPrefix(prefix) && !$0.utf8.lexicographicallyPrecedes(marker.utf8)
        }.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        let page = names.prefix(Self.pageMax)
        let blobs = page.map { "<Blob><Name>\($0)</Name></Blob>" }.joined()
        let next = names.count > page.count ? names[page.count] : ""
        return .text(
            "<EnumerationResults><Blobs>\(blobs)</Blobs><NextMarker>\(next)</NextMarker></EnumerationResults>"
        )
    }

    private static func query(_ text: String) -> [String: String] {
        var result: [String: String] = [:]
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
            result[parts[0]] = PercentCoding.decode(parts.count > 1 ? parts[1] : "")
        }
        return result
    }

    private static func isSigned(
        _ request: Request,
        _ query: [String: String],
        bodyBytes: Int
    ) -> Bool {
        let signing = AzureRequest(
            method: request.method.rawValue,
            account: account,
            path: request.uri.path,
            query: query.map { (name: $0.key, value: $0.value) },
            headers: request.headers,
            bodyBytes: bodyBytes
        )
        return signing.signed(by: key)[.authorization] == request.headers[.authorization]
    }
}
