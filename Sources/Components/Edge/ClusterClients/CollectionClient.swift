// SPDX-License-Identifier: Apache-2.0

import Content
package import HTTPKit
import HTTPTypes
import NIOCore
import Primitives

/// What `herd gc` asks of one origin.
package struct CollectionClient: Sendable {
    /// Its `host:port`.
    package let address: String
    private let host: HostConnection

    /// Bytes of one page of a list.
    private static let pageBytesMax = 64 << 20

    /// The origin at `address`, reached through `http`.
    package init(address: String, http: HTTPClient) {
        self.address = address
        host = HostConnection(address: address, http: http)
    }

    /// Begins a collection: what nobody uses from a grace period before now on may go.
    /// - Throws: ``ClusterError``, here as in every call; `.notFound` when the origin is not one of ours.
    package func begin() async throws -> CollectionStart {
        try await host.json(.post, "/internal/collection/begin", timeout: .seconds(10)) {
            try CollectionStart(json: $0)
        }
    }

    /// A page of the blobs on its disk.
    package func blobs(after: String?) async throws -> StoredPage {
        let query = after.map { "?after=\($0)" } ?? ""
        return try await host.json(
            .get,
            "/internal/collection/blobs\(query)",
            timeout: .minutes(2),
            answerBytesMax: Self.pageBytesMax
        ) { try StoredPage(json: $0) }
    }

    /// A page of the blobs in its backend number `index`.
    package func backendBlobs(_ index: Int, after token: String?) async throws -> BackendPage {
        let rest = token.map { "&token=\(URLEncoding.queryValue($0))" } ?? ""
        return try await host.json(
            .get,
            "/internal/collection/backend?index=\(index)\(rest)",
            timeout: .minutes(5),
            answerBytesMax: Self.pageBytesMax
        ) { try BackendPage(json: $0) }
    }

    /// Condemns blobs, or tells with a dry run what it would refuse.
    package func condemn(_ order: CondemnOrder) async throws -> CollectionAnswer {
        try await post("condemn", order.json, timeout: .seconds(60))
    }

    /// Removes what is condemned from the disk.
    package func remove(_ order: RemoveOrder) async throws -> CollectionAnswer {
        try await post("remove", order.json, timeout: .minutes(2))
    }

    /// Removes what is condemned from all backends.
    package func removeFromBackends(_ order: RemoveOrder) async throws -> CollectionAnswer {
        try await post("remove-from-backends", order.json, timeout: .seconds(55))
    }

    /// Ends a condemnation.
    package func release(_ order: RemoveOrder) async throws {
        let path = "/internal/collection/release"
        try await host.text(.post, path, json: order.json, timeout: .seconds(10))
    }

    private func post(
        _ step: String,
        _ body: JSON,
        timeout: Duration
    ) async throws -> CollectionAnswer {
        try await host.json(
            .post,
            "/internal/collection/\(step)",
            json: body,
            timeout: timeout,
            answerBytesMax: Self.pageBytesMax
        ) { try CollectionAnswer(json: $0) }
    }
}
