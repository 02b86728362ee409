// SPDX-License-Identifier: Apache-2.0

package import Content
import HTTPKit
import HTTPTypes
package import NIOCore
import Primitives

// A small blob in one request instead of three: a manifest is stored in the time that its start took before.
extension OriginClient {
    /// Blobs up to this size, in bytes, go in one request.
    static let wholeUploadBytesMax = 1 << 20

    /// Uploads `digest` in one request; false when that is to be done the long way: the blob is too long for it, its bytes
    /// could not be sent once more, or the origin does not know such a request, as Kraken's.
    /// - Throws: ``ClusterError``, `.status(409)` when the origin has the blob already.
    func uploadWhole(
        _ digest: Digest,
        _ namespace: Namespace,
        _ source: UploadSource,
        _ purpose: UploadPurpose
    ) async throws -> Bool {
        guard source.count <= Self.wholeUploadBytesMax, source.isRestartable else { return false }
        let body = ChunkCutter(source).body(of: 0..<source.count)
        return try await putWhole(wholeUploadPath(digest, namespace, purpose), body) != nil
    }

    /// Stores the manifest `digest` if the origin has all of `references`, too, on which the caller relies then.
    /// - Returns: false when it has not, with nothing stored, or when it does not look for them, as Kraken's and earlier ones of
    ///   ours: then somebody else has to, and to store it after that.
    /// - Throws: ``ClusterError``.
    package func uploadManifest(
        _ digest: Digest,
        _ namespace: Namespace,
        _ bytes: ByteBuffer,
        ifPresent references: [Digest]
    ) async throws -> Bool {
        guard bytes.readableBytes <= Self.wholeUploadBytesMax,
            let header = DependencyList.header(references)
        else { return false }
        let answer = try await putWhole(
            wholeUploadPath(digest, namespace, .cluster),
            .bytes(bytes),
            headers: [.references: header],
            // 409: it was there, which is looked for last.
            accepting: [200, 409, ManifestReferences.missingStatus]
        )
        return answer?.headers[.references] == ManifestReferences.present.rawValue
    }

    /// Sends a whole blob; nil when the origin does not know such a request.
    private func putWhole(
        _ path: String,
        _ body: ClientRequest.Body,
        headers: HTTPFields = [:],
        accepting statuses: Set<Int> = [200]
    ) async throws -> HostConnection.Answer? {
        var headers = headers
        headers[.contentType] = "application/octet-stream"
        do {
            return try await host.exchange(
                .put,
                path,
                headers: headers,
                body: body,
                timeout: .minutes(2),
                accepting: statuses
            )
        } catch let error as ClusterError where error.isUnknownRequest { return nil }
    }

    private func wholeUploadPath(
        _ digest: Digest,
        _ namespace: Namespace,
        _ purpose: UploadPurpose
    ) -> String {
        let path = uploadPath(digest, namespace, purpose)
        return switch purpose {
        case .cluster, .transfer: path
        case .duplicate(let delay): "/internal/duplicate\(path)?delay_ns=\(delay.nanoseconds)"
        }
    }
}
