// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import ClusterClients
import Content
import Files
import HTTPKit
import Primitives
import SwarmIO
import Tracing

/// A blob that an agent can serve: cached, or on its way.
enum AgentBlob: Sendable {
    /// Whole, checked, on disk.
    case cached(CachedBlob)
    /// Being downloaded; its pieces can be read as they come.
    case arriving(SwarmDownload)

    /// The blob's size.
    var bytes: Int {
        switch self {
        case .cached(let blob): blob.bytes
        case .arriving(let download): download.metaInfo.layout.blobBytes
        }
    }

    /// Sends `range` to `writer`, part by part.
    func send(_ range: Range<Int>, to writer: FileBodyWriter) async throws {
        switch self {
        case .cached(let blob):
            try await writer.write(blob.file, range)
            // The clean-up leaves the blob alone until its last byte is sent.
            withExtendedLifetime(blob) {}
        case .arriving(let download):
            try await withSpan("swarm download", ofKind: .internal) { span in
                if span.isRecording {
                    span.attributes["blob.digest"] = "\(download.metaInfo.digest)"
                    span.attributes["blob.bytes"] = range.count
                }
                try await download.read(range) { file, part in try await writer.write(file, part) }
            }
        }
    }
}

/// Blobs at an agent: from its disk, else through the swarm.
struct AgentBlobs: Sendable {
    let store: BlobStore
    let seat: SwarmSeat
    let desk: MetaInfoDesk

    /// What downloads at the moment.
    var driver: SwarmDriver { seat.driver }

    /// The blob `digest`, whose download begins, or is joined, when it is not cached.
    /// - Throws: `ClusterError` `.notFound` when nobody has it; `SwarmError`, `FileError`.
    func open(_ digest: Digest, namespace: Namespace) async throws -> AgentBlob {
        if let blob = try await store.cachedBlob(digest) { return .cached(blob) }
        let metaInfo = try await desk.metaInfo(
            of: digest,
            namespace: namespace,
            isJoining: true
        )
        return .arriving(try await driver.download(metaInfo, namespace: namespace))
    }

    /// The size of `digest`, without downloading anything.
    /// - Throws: as ``open(_:namespace:)``.
    func size(of digest: Digest, namespace: Namespace) async throws -> Int {
        if let info = try await store.info(of: digest) { return info.bytes }
        return try await desk.metaInfo(of: digest, namespace: namespace).layout.blobBytes
    }

    /// All bytes of a small blob, once it is whole and checked; nil when it has more than `bytesMax`.
    /// - Throws: as ``open(_:namespace:)``.
    func bytes(of digest: Digest, namespace: Namespace, upTo bytesMax: Int) async throws -> [UInt8]?
    {
        let size = try await size(of: digest, namespace: namespace)
        guard size <= bytesMax else { return nil }
        let blob = try await whole(digest, namespace: namespace)
        return try await store.pool.run {
            try [UInt8](unsafeUninitializedCapacity: blob.bytes) { buffer, count in
                count = try blob.file.read(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
            }
        }
    }

    /// The SHA-512 of a blob's bytes, once it is whole and checked.
    /// - Throws: as ``open(_:namespace:)``.
    func sha512(of digest: Digest, namespace: Namespace) async throws -> SHA512Digest {
        let blob = try await whole(digest, namespace: namespace)
        return try await store.pool.run {
            var sum = SHA512Sum()
            try sum.update(from: blob.file, upTo: blob.bytes)
            return sum.digest
        }
    }

    /// The blob `digest`, once it is whole and checked.
    private func whole(_ digest: Digest, namespace: Namespace) async throws -> CachedBlob {
        if case .arriving(let download) = try await open(digest, namespace: namespace) {
            try await download.waitUntilComplete()
        }
        guard let blob = try await store.cachedBlob(digest) else {
            // It was deleted in this very moment; whoever did that wanted it gone.
            throw ClusterError(.notFound, what: "read \(digest)", why: "it was deleted meanwhile")
        }
        return blob
    }

    /// Deletes `digest` here; without effect when it is not here.
    /// - Throws: `StorageError`, `FileError`.
    func delete(_ digest: Digest) async throws {
        await desk.forget(digest)
        try await driver.remove(digest)
    }
}
