// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPKit
import HTTPTypes
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
        do {
            _ = try await host.exchange(
                .put,
                wholeUploadPath(digest, namespace, purpose),
                headers: [.contentType: "application/octet-stream"],
                body: ChunkCutter(source).body(of: 0..<source.count),
                timeout: .minutes(2)
            )
            return true
        } catch let error as ClusterError
            where error.code == .notFound || error.code == .status(405)
        {
            return false
        }
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
