// SPDX-License-Identifier: Apache-2.0

package import Content
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives

/// Which upload API of an origin to use, and so what it does after the commit.
package enum UploadPurpose: Hashable, Sendable {
    /// A client's upload: the origin writes it back to the backend and copies it to the other
    /// owners before it answers.
    case cluster
    /// A copy between origins: stored, nothing else.
    case transfer
    /// A copy from the owner that took the upload: written back after `delay`, copied no further.
    case duplicate(delay: Duration)
}

extension OriginClient {
    /// Bytes of one PATCH.
    /// - Source: uber/kraken origin/blobclient/uploader.go, `_defaultChunkSize`.
    package static let uploadChunkBytes = 32 << 20

    /// Uploads `digest`; a blob that the origin has, or gets meanwhile from somebody else, counts
    /// as uploaded.
    ///
    /// A chunk is streamed, never held in memory. The upload is abandoned when the task is
    /// cancelled. `pace` is asked before each chunk, with its length, and may wait.
    package func upload(
        _ digest: Digest,
        namespace: Namespace,
        from source: UploadSource,
        purpose: UploadPurpose = .cluster,
        chunkBytes: Int = uploadChunkBytes,
        pace: @Sendable (Int) async throws -> Void = { _ in }
    ) async throws {
        do {
            if try await uploadWhole(digest, namespace, source, purpose) { return }
            let path = uploadPath(digest, namespace, purpose)
            let start = try await host.exchange(
                .post,
                path + "?size=\(source.count)",
                timeout: .seconds(60)
            )
            guard let id = start.headers[.location], !id.isEmpty, !id.contains("/") else {
                throw ClusterError.unreadable("start upload at \(address)", "no Location")
            }
            let session = path + "/" + URLEncoding.pathSegment(id)
            try await sendChunks(of: source, to: session, chunkBytes, pace)
            try await commit(digest, namespace, id: id, session: session, purpose: purpose)
        } catch let error as ClusterError where error.code == .status(409) {
            return  // Somebody else uploaded it, which is what was wanted.
        }
    }

    func uploadPath(
        _ digest: Digest,
        _ namespace: Namespace,
        _ purpose: UploadPurpose
    ) -> String {
        switch purpose {
        case .cluster, .duplicate: blobPath(digest, namespace) + "/uploads"
        case .transfer: "/internal/blobs/\(digest)/uploads"
        }
    }

    private func commit(
        _ digest: Digest,
        _ namespace: Namespace,
        id: String,
        session: String,
        purpose: UploadPurpose
    ) async throws {
        switch purpose {
        case .cluster, .transfer:
            _ = try await host.text(.put, session, timeout: .minutes(15))
        case .duplicate(let delay):
            let path = "/internal/duplicate" + blobPath(digest, namespace) + "/uploads/"
            let body = JSON.object([.init("Delay", .integer(Int(delay.nanoseconds)))])
            _ = try await host.text(
                .put,
                path + URLEncoding.pathSegment(id),
                json: body,
                timeout: .minutes(15)
            )
        }
    }

    private func sendChunks(
        of source: UploadSource,
        to session: String,
        _ chunkBytes: Int,
        _ pace: (Int) async throws -> Void
    ) async throws {
        let chunks = ChunkCutter(source)
        var start = 0
        while start < source.count {
            let end = min(start + chunkBytes, source.count)
            try await pace(end - start)
            try await host.patch(session, chunk: start..<end, body: chunks.body(of: start..<end))
            start = end
        }
    }
}
