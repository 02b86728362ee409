// SPDX-License-Identifier: Apache-2.0

package import Content
package import HTTPKit
import HTTPTypes
import NIOCore
package import Primitives

/// One origin's HTTP API.
/// - Source: uber/kraken origin/blobclient/client.go: paths, time-outs and accepted statuses are
///   its.
package struct OriginClient: Sendable {
    /// Its `host:port`.
    package let address: String
    let host: HostConnection

    /// The origin at `address`, reached through `http`.
    package init(address: String, http: HTTPClient) {
        self.address = address
        host = HostConnection(address: address, http: http)
    }

    /// Whether it serves, and the backends it depends on answer.
    /// - Throws: ``ClusterError``, here as in every call.
    package func checkReadiness() async throws {
        _ = try await host.text(.get, "/readiness", timeout: .seconds(5))
    }

    /// The origins that own `digest`.
    package func owners(of digest: Digest) async throws -> BlobOwners {
        let answer = try await host.exchange(
            .get,
            "/blobs/\(digest)/locations",
            timeout: .seconds(5)
        )
        let text = answer.headers[.originLocations] ?? ""
        let locations = text.split(separator: ",").map(String.init)
        guard !locations.isEmpty else {
            throw ClusterError.unreadable("locations of \(digest) at \(address)", "none given")
        }
        let areEveryones = answer.headers[.originOwners] == "all"
        return BlobOwners(addresses: locations, areEveryones: areEveryones)
    }

    /// The addresses of ``owners(of:)``.
    package func locations(of digest: Digest) async throws -> [String] {
        try await owners(of: digest).addresses
    }

    /// Who it is in the peer protocol.
    package func peerContext() async throws -> PeerContext {
        try await host.json(.get, "/internal/peercontext", timeout: .seconds(5)) {
            try PeerContext(json: $0)
        }
    }

    /// The size of `digest`; nil when neither the origin nor, unless `isLocal`, its backend has it.
    package func stat(
        _ digest: Digest,
        namespace: Namespace,
        isLocal: Bool = false
    ) async throws -> ByteCount? {
        let path = internalPath(digest, namespace) + (isLocal ? "?local=true" : "")
        do {
            let answer = try await host.exchange(.head, path, timeout: .seconds(15))
            guard let text = answer.headers[.contentLength], let bytes = Int(text), bytes >= 0
            else {
                throw ClusterError.unreadable("stat \(digest) at \(address)", "no Content-Length")
            }
            return ByteCount(bytes)
        } catch let error as ClusterError where error.code == .notFound { return nil }
    }

    /// How `digest` is cut into pieces.
    ///
    /// `.accepted` says that the origin has begun to fetch the blob from its backend.
    package func metaInfo(of digest: Digest, namespace: Namespace) async throws -> MetaInfo {
        let path = internalPath(digest, namespace) + "/metainfo"
        return try await host.metaInfo(of: digest, path: path, timeout: .seconds(15))
    }

    /// Computes and stores the meta info anew with pieces of `pieceBytes`.
    package func overwriteMetaInfo(of digest: Digest, pieceBytes: Int) async throws {
        let path = "/internal/blobs/\(digest)/metainfo?piece_length=\(pieceBytes)"
        _ = try await host.text(.post, path, timeout: .seconds(60))
    }

    /// Makes the origin fetch `digest` from its backend, unless it has it.
    package func prefetch(_ digest: Digest, namespace: Namespace) async throws -> PrefetchOutcome {
        do {
            let path = blobPath(digest, namespace) + "/prefetch"
            _ = try await host.text(.post, path, timeout: .seconds(60))
            return .held
        } catch let error as ClusterError where error.code == .accepted { return .started }
    }

    /// Makes the origin upload `digest` to the origin cluster at `remote` (`host:port`), and waits
    /// for it.
    ///
    /// `.accepted` says that the origin does not have the blob yet and has begun to fetch it: ask
    /// again.
    package func replicate(
        _ digest: Digest,
        namespace: Namespace,
        toRemote remote: String
    ) async throws {
        let path = blobPath(digest, namespace) + "/remote/\(URLEncoding.pathSegment(remote))"
        // Kraken's 60 s abort large transfers half-way; the server aborts its upload when the
        // request ends.
        _ = try await host.text(.post, path, timeout: .minutes(15))
    }

    /// Removes `digest` from the origin's disk.
    package func delete(_ digest: Digest) async throws {
        let path = "/internal/blobs/\(digest)"
        _ = try await host.exchange(.delete, path, timeout: .seconds(60), accepting: [202])
    }

    /// Removes blobs not touched for `timeToLive` (rounded up to hours), and those that the origin
    /// does not own.
    package func forceCleanup(timeToLive: Duration) async throws {
        let hours = (timeToLive.nanoseconds + Duration.hours(1).nanoseconds - 1)
        let path = "/forcecleanup?ttl_hr=\(hours / Duration.hours(1).nanoseconds)"
        _ = try await host.text(.post, path, timeout: .minutes(2))
    }

    /// The bytes of `digest`, or of `range` in it, as they arrive.
    ///
    /// `.accepted` says that the origin has begun to fetch the blob from its backend: ask again.
    /// - Parameter isCollection: whether the blob is only looked at, and may be removed for all that.
    package func download(
        _ digest: Digest,
        namespace: Namespace,
        range: Range<Int>? = nil,
        isCollection: Bool = false
    ) async throws -> BlobBody {
        try await host.download(
            blobPath(digest, namespace) + (isCollection ? "?collection=true" : ""),
            range: range,
            what: "download \(digest) from \(address)"
        )
    }

    func blobPath(_ digest: Digest, _ namespace: Namespace) -> String {
        "/namespace/\(URLEncoding.pathSegment(namespace.name))/blobs/\(digest)"
    }

    private func internalPath(_ digest: Digest, _ namespace: Namespace) -> String {
        "/internal" + blobPath(digest, namespace)
    }
}

/// The origins that own a blob.
package struct BlobOwners: Hashable, Sendable {
    /// Their `host:port`, best first; never empty.
    package let addresses: [String]
    /// Whether the same origins own every blob, though not in the same order. Kraken's never say so.
    package let areEveryones: Bool
}

/// What a prefetch found.
package enum PrefetchOutcome: Hashable, Sendable {
    /// The origin has the blob.
    case held
    /// The origin has begun to fetch it from its backend.
    case started
}
