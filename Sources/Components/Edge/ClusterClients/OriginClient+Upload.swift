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

/// What an upload that did not fail came to.
package enum UploadOutcome: Hashable, Sendable {
    /// The origin has checked the bytes and stored them.
    case stored
    /// The origin had the blob already, or got it meanwhile; it has not looked at the bytes.
    case wasThere
}

extension OriginClient {
    /// Bytes of one PATCH.
    /// - Source: uber/kraken origin/blobclient/uploader.go, `_defaultChunkSize`.
    package static let uploadChunkBytes = 32 << 20
    /// How long an origin may take to check a blob, to write it to its disk and to copy it to the other owners.
    static let commitTimeout = Duration.minutes(15)

    /// Uploads `digest`; a blob that the origin has, or gets meanwhile from somebody else, counts
    /// as uploaded.
    ///
    /// A chunk is streamed, never held in memory. The upload is abandoned when the task is
    /// cancelled. `pace` is asked before each chunk, with its length, and may wait.
    /// - Returns: which of the two it was.
    @discardableResult package func upload(
        _ digest: Digest,
        namespace: Namespace,
        from source: UploadSource,
        purpose: UploadPurpose = .cluster,
        chunkBytes: Int = uploadChunkBytes,
        pace: @Sendable (Int) async throws -> Void = { _ in }
    ) async throws -> UploadOutcome {
        do {
            if try await uploadWhole(digest, namespace, source, purpose) { return .stored }
            let path = uploadPath(digest, namespace, purpose)
            let id = try await startUpload(at: path + "?size=\(source.count)")
            let session = path + "/" + URLEncoding.pathSegment(id)
            try await sendChunks(of: source, to: session, chunkBytes, pace)
            try await commit(digest, namespace, id: id, session: session, purpose: purpose)
            return .stored
        } catch let error as ClusterError where error.code == .status(409) {
            return .wasThere  // Somebody else uploaded it, which is what was wanted.
        }
    }

    /// Starts an upload of `digest`, whose size is not known yet; answers its name.
    func startUpload(
        of digest: Digest,
        namespace: Namespace,
        timeout: Duration
    ) async throws -> String {
        try await startUpload(at: uploadPath(digest, namespace, .cluster), timeout: timeout)
    }

    private func startUpload(
        at path: String,
        timeout: Duration = .seconds(60)
    ) async throws -> String {
        let start = try await host.exchange(.post, path, timeout: timeout)
        guard let id = start.headers[.location], !id.isEmpty, !id.contains("/") else {
            throw ClusterError.unreadable("start upload at \(address)", "no Location")
        }
        return id
    }

    /// Where uploads of `digest` are started.
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
            _ = try await host.text(.put, session, timeout: Self.commitTimeout)
        case .duplicate(let delay):
            let path = "/internal/duplicate" + blobPath(digest, namespace) + "/uploads/"
            let body = JSON.object([.init("Delay", .integer(Int(delay.nanoseconds)))])
            _ = try await host.text(
                .put,
                path + URLEncoding.pathSegment(id),
                json: body,
                timeout: Self.commitTimeout
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
