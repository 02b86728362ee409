// SPDX-License-Identifier: Apache-2.0

import Backends
import BlobStorage
import ClusterClients
import ClusterConfiguration
import Content
import HTTPKit
import HTTPTypes
import Logging
import NIOCore
import Primitives
import Telemetry

/// What an origin does with blobs, whoever asks: takes them, keeps them, gives them away.
struct OriginBlobs: Sendable {
    let store: BlobStore
    let leases: OriginLeases
    let ring: OriginRing
    let refresher: BlobRefresher
    let replicator: Replicator
    let writeBack: WriteBackQueue
    let configuration: OriginConfiguration
    let environment: ComponentEnvironment

    /// Where an upload comes from, and so what happens after its commit.
    enum UploadKind: Hashable {
        /// A client: written back, and copied to the other owners.
        case cluster(Namespace)
        /// The origin that took it from a client: written back later.
        case duplicate(Namespace, delay: Duration)
        /// An origin that fetched it from the backend: kept.
        case transfer

        /// The namespace whose backend is owed the blob.
        var owedNamespace: Namespace? {
            switch self {
            case .cluster(let namespace), .duplicate(let namespace, _): namespace
            case .transfer: nil
            }
        }
    }

    // MARK: - Taking

    /// Starts an upload of `digest`, of `bytes` bytes if that is known.
    /// - Throws: 409 when the blob is here, 429 when too many uploads are under way.
    func startUpload(of digest: Digest, _ kind: UploadKind, bytes: Int?) async throws -> Upload {
        try await leases.holding(digest) {
            try await refuseIfHeld(digest, kind)
            let pieceBytes = configuration.pieceLengths.pieceBytes(for: bytes ?? 0)
            return try await store.startUpload(pieceBytes: pieceBytes)
        }
    }

    /// The upload `id`.
    /// - Throws: 404; 409 when the blob is here meanwhile.
    func upload(_ id: String, of digest: Digest, _ kind: UploadKind) async throws -> Upload {
        try await leases.holding(digest) { try await refuseIfHeld(digest, kind) }
        guard let upload = store.upload(id) else {
            throw HTTPProblem(
                .notFound,
                "there is no upload \(id)",
                remedy: "start another one; uploads do not survive a restart"
            )
        }
        return upload
    }

    /// A client that is told that the blob is here goes away, so whoever is owed it must be noted before.
    private func refuseIfHeld(_ digest: Digest, _ kind: UploadKind) async throws {
        guard try await store.info(of: digest) != nil else { return }
        if case .cluster(let namespace) = kind {
            try await store.setPersisted(true, digest, namespace: namespace)
            try await writeBack.add(digest, namespace)
        }
        throw HTTPProblem.conflict("\(digest) is stored already").asEmpty
    }

    /// Verifies `upload`, takes it into the cache, and sees to its write-back and its copies.
    /// - Throws: 400 when the bytes are not those of `digest`.
    func commit(_ upload: Upload, as digest: Digest, _ kind: UploadKind) async throws {
        let options = options(kind, bytes: upload.bytesReceived)
        let info = try await leases.holding(digest) {
            try await upload.commit(as: digest, options: options)
        }
        try await see(to: info, kind)
    }

    /// Verifies `bytes` and takes them in as the whole blob `digest`, as a start, an upload and a commit would.
    /// - Throws: 400 when they are not its bytes, 409 when the blob is here.
    func take(_ bytes: ByteBuffer, as digest: Digest, _ kind: UploadKind) async throws {
        let options = options(kind, bytes: bytes.readableBytes)
        let info = try await leases.holding(digest) {
            try await store.store(bytes, as: digest, options: options)
        }
        if let info { return try await see(to: info, kind) }
        try await leases.holding(digest) { try await refuseIfHeld(digest, kind) }
        throw HTTPProblem.unavailable("\(digest) is just being removed", retryAfter: .seconds(1))
    }

    /// Whether all of `digests` are here. Who asks relies on them.
    func hasAll(of digests: [Digest]) async throws -> Bool {
        for digest in digests {
            do { try leases.touch(digest) } catch is HTTPProblem { return false }
        }
        return try await store.hasAll(of: digests)
    }

    /// How a blob of `bytes` bytes is committed.
    private func options(_ kind: UploadKind, bytes: Int) -> CommitOptions {
        CommitOptions(
            pieceBytes: configuration.pieceLengths.pieceBytes(for: bytes),
            isPersisted: kind.owedNamespace != nil,
            namespace: kind.owedNamespace
        )
    }

    /// Tells of a blob that was taken, and has it written back and copied.
    private func see(to info: BlobInfo, _ kind: UploadKind) async throws {
        let digest = info.digest
        environment.counters.counter("blobs_committed").add()
        environment.events.record(
            ClusterEvent(.blobCommitted, blob: digest, bytes: info.bytes, reason: kind.reason)
        )
        environment.log.info(
            "blob stored",
            metadata: [LogKey.blobDigest: "\(digest)", LogKey.blobBytes: "\(info.bytes)"]
        )
        switch kind {
        case .cluster(let namespace):
            try await writeBack.add(digest, namespace)
            await replicator.replicate(digest, namespace, .upload)
        case .duplicate(let namespace, let delay):
            try await writeBack.add(digest, namespace, after: delay)
        case .transfer: break
        }
    }

    // MARK: - Giving

    /// The blob `digest`, here. Who asks relies on it, unless that is a collection.
    /// - Throws: 202 when it is being fetched from its backend from now on; what ``BlobRefresher`` throws.
    func blob(
        _ digest: Digest,
        _ namespace: Namespace,
        isCollection: Bool = false
    ) async throws -> CachedBlob {
        if !isCollection { try leases.touch(digest) }
        if let blob = try await store.cachedBlob(digest) { return blob }
        try await refresher.begin(digest, namespace, replicates: true)
        throw HTTPProblem.accepted
    }

    /// The size of `digest`, here or, unless `isLocal`, in its backend.
    /// - Throws: 404; what ``BlobRefresher/stat(_:_:)`` throws.
    func size(of digest: Digest, _ namespace: Namespace, isLocal: Bool) async throws -> Int {
        // Other origins that look after copies rely on nothing.
        if !isLocal { try leases.touch(digest) }
        if let info = try await store.info(of: digest) { return info.bytes }
        guard !isLocal, let object = try await refresher.stat(digest, namespace) else {
            throw HTTPProblem.notFound("\(digest) is not stored").asEmpty
        }
        return object.bytes
    }

    /// How `digest` is cut into pieces; made now if the blob came without, as from an older cache.
    /// - Throws: as ``blob(_:_:)``.
    func metaInfo(of digest: Digest, _ namespace: Namespace) async throws -> MetaInfo {
        try leases.touch(digest)
        if let metaInfo = try await store.metaInfo(of: digest),
            try await store.info(of: digest) != nil
        {
            return metaInfo
        }
        return try await makeMetaInfo(of: try await blob(digest, namespace))
    }

    /// Cuts `blob` into pieces as the table of piece lengths says.
    func makeMetaInfo(of blob: CachedBlob) async throws -> MetaInfo {
        try await store.makeMetaInfo(
            of: blob.digest,
            pieceBytes: configuration.pieceLengths.pieceBytes(for: blob.bytes)
        )
    }

    /// Uploads `digest` to the origins of another cluster.
    /// - Throws: 202 when it has to be fetched first; `ClusterError`.
    func replicate(
        _ digest: Digest,
        _ namespace: Namespace,
        toRemote remote: String
    ) async throws {
        try leases.touch(digest)
        guard let blob = try await store.cachedBlob(digest) else {
            try await refresher.begin(digest, namespace, replicates: false)
            throw HTTPProblem.accepted
        }
        let cluster = OriginCluster(
            hosts: HostList(["dns:\(remote)"], environment),
            http: environment.httpClient,
            log: environment.log
        )
        try await cluster.upload(
            digest,
            namespace: namespace,
            from: .file(blob.file, 0..<blob.bytes)
        )
        withExtendedLifetime(blob) {}
    }

    // MARK: - Removing

    /// What a forced clean-up did.
    struct ForcedCleanup {
        var deleted: [Digest] = []
        var failures: [(Digest, String)] = []
    }

    /// Removes what is older than `hours` and what this origin does not own; what is owed to a backend is written back
    /// first.
    /// - Source: uber/kraken origin/blobserver/server.go, `maybeDelete`.
    func forceCleanup(olderThanHours hours: Int) async throws -> ForcedCleanup {
        var result = ForcedCleanup()
        let now = store.now
        for entry in try await store.entries() {
            let isExpired = now - entry.modifiedAt > Int64(hours) * 3600
            guard isExpired || !ring.owns(entry.digest) else { continue }
            do {
                if entry.isPersisted {
                    try await writeBack.finish(entry.digest)
                    // A flag without a task is left over: Kraken clears it, too.
                    if try await !writeBack.owes(entry.digest) {
                        try await store.setPersisted(false, entry.digest)
                    }
                }
                if try await store.delete(entry.digest) { result.deleted.append(entry.digest) }
            } catch {
                result.failures.append((entry.digest, "\(error)"))
            }
        }
        return result
    }
}

extension OriginBlobs.UploadKind {
    /// The word for events.
    var reason: String {
        switch self {
        case .cluster: "upload"
        case .duplicate: "duplicate"
        case .transfer: "transfer"
        }
    }
}
