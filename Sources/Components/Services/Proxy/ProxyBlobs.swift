// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import HTTPKit
import HTTPTypes
import Logging
import NIOCore
import Primitives
import RegistryAPI
import Telemetry

/// The blobs of a proxy's registry: the origins'.
struct ProxyBlobs: BlobSource, BlobSink {
    let origins: OriginCluster
    let staging: UploadStaging
    let counters: ProxyCounters
    let environment: ComponentEnvironment
    let limits: Limits
    private let manifests: ManifestReader

    init(
        origins: OriginCluster,
        staging: UploadStaging,
        counters: ProxyCounters,
        environment: ComponentEnvironment,
        limits: Limits
    ) {
        (self.origins, self.staging, self.counters) = (origins, staging, counters)
        (self.environment, self.limits) = (environment, limits)
        manifests = ManifestReader(origins: origins, limits: limits)
    }

    // MARK: - Reading

    func blobSize(_ digest: Digest, in repository: RepositoryName) async throws -> Int? {
        do {
            return try await origins.stat(digest, namespace: Namespace(repository))?.bytes
        } catch let error as ClusterError {
            guard case .status(let code) = error.code, code >= 500, !error.mayPassElsewhere else {
                throw RegistryError(error, what: "look for \(digest)", whom: "origin")
            }
            // The origins answer, but the storage behind them does not. To say that the blob is not there makes the
            // client upload it, which works without that storage; an error would stop all pushes.
            environment.log.warning(
                "origins cannot tell whether a blob exists",
                metadata: [LogKey.blobDigest: "\(digest)", LogKey.error: "\(error)"]
            )
            return nil
        }
    }

    func blob(_ digest: Digest, in repository: RepositoryName) async throws -> BlobContent? {
        let namespace = Namespace(repository)
        let size: ByteCount?
        do {
            size = try await origins.stat(digest, namespace: namespace)
        } catch let error as ClusterError {
            throw RegistryError(error, what: "look for \(digest)", whom: "origin")
        }
        guard let bytes = size?.bytes else { return nil }
        return BlobContent(
            bytes: bytes,
            body: .buffers { range in
                try await open(digest, namespace, range, of: bytes)
            }
        )
    }

    private func open(
        _ digest: Digest,
        _ namespace: Namespace,
        _ range: Range<Int>,
        of bytes: Int
    ) async throws -> any AsyncSequence<ByteBuffer, any Error> & Sendable {
        let isWhole = range == 0..<bytes
        let body: BlobBody
        do {
            let part = isWhole ? nil : range
            body = try await origins.download(digest, namespace: namespace, range: part)
        } catch let error as ClusterError {
            throw RegistryError(error, what: "read \(digest)", whom: "origin")
        }
        counters.blobsDownloaded.add()
        notePull(digest, namespace, bytes: range.count)
        let counted = CountedBody(base: body, counter: counters.bytesPulled)
        return isWhole ? VerifiedBody(base: counted, digest: digest, bytes: bytes) : counted
    }

    func manifest(_ digest: Digest, in repository: RepositoryName) async throws -> [UInt8]? {
        let namespace = Namespace(repository)
        let bytes: [UInt8]?
        do {
            bytes = try await manifests.manifest(digest, namespace: namespace)
        } catch let error as ClusterError {
            throw RegistryError(error, what: "read the manifest \(digest)", whom: "origin")
        }
        guard let bytes else { return nil }
        counters.bytesPulled.add(bytes.count)
        notePull(digest, namespace, bytes: bytes.count)
        return bytes
    }

    func sha512(of digest: Digest, in repository: RepositoryName) async throws -> SHA512Digest? {
        do {
            var sum = SHA512Sum()
            for try await buffer in try await origins.download(
                digest,
                namespace: Namespace(repository)
            ) {
                buffer.withUnsafeReadableBytes { sum.update($0) }
            }
            return sum.digest
        } catch let error as ClusterError where error.code == .notFound {
            return nil
        } catch let error as ClusterError {
            throw RegistryError(error, what: "read \(digest)", whom: "origin")
        }
    }

    private func notePull(_ digest: Digest, _ namespace: Namespace, bytes: Int) {
        counters.pulls.add()
        environment.events.record(
            ClusterEvent(.pull, blob: digest, bytes: bytes, detail: ["repository": namespace.name])
        )
    }

    // MARK: - Writing

    func startUpload(in repository: RepositoryName) async throws -> any BlobUpload {
        try await staging.start(in: repository)
    }

    func upload(_ id: String, in repository: RepositoryName) async throws -> (any BlobUpload)? {
        staging.session(id, in: repository)
    }

    func mount(
        _ digest: Digest,
        from source: RepositoryName?,
        in repository: RepositoryName
    ) async throws -> Bool {
        // Blobs are not scoped to repositories, so what is there needs no linking.
        try await blobSize(digest, in: source ?? repository) != nil
    }

    func putManifest(
        _ bytes: [UInt8],
        as digest: Digest,
        ifPresent references: [Digest],
        in repository: RepositoryName
    ) async throws -> Bool {
        try await storing(bytes, as: digest) { buffer in
            try await origins.uploadManifest(
                digest,
                namespace: Namespace(repository),
                buffer,
                ifPresent: references
            )
        }
    }

    func putManifest(
        _ bytes: [UInt8],
        as digest: Digest,
        in repository: RepositoryName
    ) async throws {
        _ = try await storing(bytes, as: digest) { buffer in
            try await origins.upload(
                digest,
                namespace: Namespace(repository),
                from: .bytes(buffer)
            )
            return true
        }
    }

    /// Has `store` store a manifest, and notes it if that says that it did.
    private func storing(
        _ bytes: [UInt8],
        as digest: Digest,
        _ store: (ByteBuffer) async throws -> Bool
    ) async throws -> Bool {
        do {
            guard try await store(ByteBuffer(bytes: bytes)) else { return false }
        } catch let error as ClusterError {
            throw RegistryError(error, what: "store the manifest \(digest)", whom: "origin")
        }
        manifests.note(bytes, as: digest)
        counters.manifestsPut.add()
        counters.bytesUploaded.add(bytes.count)
        return true
    }
}
