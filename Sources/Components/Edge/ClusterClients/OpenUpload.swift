// SPDX-License-Identifier: Apache-2.0

package import Content
package import Files
import HTTPKit
import HTTPTypes
import Primitives

/// An upload to one origin that began before its blob's digest was known.
///
/// An origin, Kraken's too, binds an upload to no digest: the one in the path says only which blob makes the upload
/// needless. So it begins under a digest that nobody has, of 32 random bytes, and is committed under the real one. Random, so
/// that the ring spreads such uploads over the origins.
package struct OpenUpload: Sendable {
    /// The origin, `host:port`.
    package var address: String { client.address }
    private let client: OriginClient
    private let namespace: Namespace
    private let id: String
    private let placeholder: Digest

    /// How long an origin may take to begin an upload, or to forget it.
    private static let answerTimeout = Duration.seconds(5)
    /// How long a chunk may take; shorter than for other uploads, since the client waits for the last one before its bytes can
    /// go elsewhere.
    private static let chunkTimeout = Duration.seconds(20)

    fileprivate init(
        at client: OriginClient,
        namespace: Namespace,
        placeholder: Digest
    ) async throws {
        self.client = client
        (self.namespace, self.placeholder) = (namespace, placeholder)
        id = try await client.startUpload(
            of: placeholder,
            namespace: namespace,
            timeout: Self.answerTimeout
        )
    }

    /// Sends `range` of `file`, which is the blob's; it may be sent again.
    /// - Throws: ``ClusterError``, here as in every call.
    package func send(_ range: Range<Int>, of file: SharedFile) async throws {
        try await client.host.patch(
            path(placeholder),
            chunk: range,
            body: .file(file, range),
            timeout: Self.chunkTimeout
        )
    }

    /// Has the origin check that all bytes sent are those of `digest`, and store them.
    package func commit(as digest: Digest) async throws -> UploadOutcome {
        do {
            _ = try await client.host.text(.put, path(digest), timeout: OriginClient.commitTimeout)
            return .stored
        } catch let error as ClusterError where error.code == .status(409) {
            return .wasThere
        }
    }

    /// Has the origin forget the upload. Kraken's cannot, and neither can one that is gone; both remove it once it is idle.
    package func cancel() async throws {
        _ = try await client.host.exchange(
            .delete,
            path(placeholder),
            timeout: Self.answerTimeout,
            accepting: [200, 404]
        )
    }

    private func path(_ digest: Digest) -> String {
        client.uploadPath(digest, namespace, .cluster) + "/" + URLEncoding.pathSegment(id)
    }
}

extension OriginCluster {
    /// Begins an upload whose digest is not known yet, at the origin that the ring has for a random one; nil where
    /// `isWorthIt` denies it, told who owns that one.
    package func openUpload(
        namespace: Namespace,
        where isWorthIt: (_ owners: [String]) -> Bool
    ) async throws -> OpenUpload? {
        let placeholder = Digest(
            hashing: (0..<Digest.byteCount).map { _ in UInt8.random(in: .min ... .max) }
        )
        let owners = try await owners(of: placeholder).map(\.address)
        guard isWorthIt(owners) else { return nil }
        return try await firstAnswer(
            from: owners,
            "begin an upload",
            isFinal: { !$0.mayPassElsewhere }
        ) {
            try await OpenUpload(at: $0, namespace: namespace, placeholder: placeholder)
        }
    }
}
