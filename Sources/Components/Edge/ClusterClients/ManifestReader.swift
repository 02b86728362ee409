// SPDX-License-Identifier: Apache-2.0

package import Content
import NIOCore
package import Primitives

/// The origins' manifests, with those asked for lately in memory.
package struct ManifestReader: Sendable {
    private let origins: OriginCluster
    private let cache: ManifestCache
    private let bytesMax: Int

    /// The manifests of `origins`.
    package init(origins: OriginCluster, limits: Limits) {
        self.origins = origins
        cache = ManifestCache(bytesMax: limits.manifestCacheBytesMax)
        bytesMax = limits.manifestBytesMax
    }

    /// The bytes of the manifest `digest`, checked against it; nil when there is none, or a blob too long to be one.
    /// - Throws: ``ClusterError``.
    package func manifest(_ digest: Digest, namespace: Namespace) async throws -> [UInt8]? {
        if let bytes = cache.bytes(of: digest) { return bytes }
        let bytes: [UInt8]
        do {
            let body = try await origins.download(digest, namespace: namespace)
            guard body.count ?? 0 <= bytesMax else { return nil }
            bytes = Array(try await body.collect(upTo: bytesMax).readableBytesView)
        } catch let error as ClusterError where error.code == .notFound {
            return nil
        }
        guard Digest(hashing: bytes) == digest else {
            throw ClusterError.unreadable(
                "read the manifest \(digest)",
                "the origin sent other bytes"
            )
        }
        cache.insert(bytes, as: digest)
        return bytes
    }

    /// Keeps `bytes`, which hash to `digest` and are stored.
    package func note(_ bytes: [UInt8], as digest: Digest) { cache.insert(bytes, as: digest) }
}
