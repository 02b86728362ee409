// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import ClusterClients
import Content
import Files
import HTTPKit
import Logging
import Primitives
import RegistryAPI
import Synchronization
import Telemetry

/// The uploads under way: their bytes lie on the proxy's disk until the origins have them.
///
/// A blob's digest, and so its owners, are known only when its last byte is in; the SHA-256 runs along. After a restart of
/// the process its uploads go on where they stood, found by their repository, which is their label.
final class UploadStaging: Sendable {
    private let store: BlobStore
    private let origins: OriginCluster
    private let timeToIdle: Duration
    private let counters: ProxyCounters
    private let environment: ComponentEnvironment
    private let state = Mutex(State())

    private struct State {
        var sessions: [String: UploadSession] = [:]
        /// How many deliveries of a blob use its file in the store.
        var deliveries: [Digest: Int] = [:]
    }

    init(
        store: BlobStore,
        origins: OriginCluster,
        timeToIdle: Duration,
        counters: ProxyCounters,
        environment: ComponentEnvironment
    ) {
        (self.store, self.origins, self.timeToIdle) = (store, origins, timeToIdle)
        (self.counters, self.environment) = (counters, environment)
    }

    /// What lies on the proxy's disk.
    var storage: StorageStatus {
        let usage = store.usage
        return StorageStatus(
            blobCount: usage.blobCount,
            blobBytes: usage.blobBytes,
            unfinishedCount: store.uploadCount
        )
    }

    // MARK: - Sessions

    /// A new upload to `repository`, at `now`. Where there are as many as may be, the one that nobody has continued for the
    /// longest makes room.
    /// - Throws: ``RegistryError``: 429 when there are too many.
    func start(
        in repository: RepositoryName,
        at now: ContinuousClock.Instant = .now
    ) async throws -> UploadSession {
        let upload: Upload
        do {
            do {
                upload = try await store.startUpload(label: repository.name)
            } catch let error as StorageError where error.code == .tooManyUploads {
                guard await makeRoom(at: now) else { throw error }
                upload = try await store.startUpload(label: repository.name)
            }
        } catch let error as StorageError {
            throw RegistryError(error, upload: "")
        } catch let error as FileError {
            throw RegistryError(error)
        }
        return add(upload, to: repository)
    }

    /// Takes up the uploads that an earlier run has left in the store.
    func resume() async {
        for upload in store.allUploads() {
            // A label that is no repository is not ours.
            guard let label = upload.label, let repository = try? RepositoryName(label) else {
                await upload.cancel()
                continue
            }
            _ = add(upload, to: repository)
        }
    }

    private func add(_ upload: Upload, to repository: RepositoryName) -> UploadSession {
        let session = UploadSession(
            upload,
            repository: repository,
            staging: self,
            bytesPushed: counters.bytesPushed
        )
        state.withLock { $0.sessions[session.id] = session }
        counters.uploadSessions.add()
        return session
    }

    /// The upload `id` to `repository`, if it is under way.
    func session(_ id: String, in repository: RepositoryName) -> UploadSession? {
        state.withLock { state in
            guard let session = state.sessions[id], session.repository == repository else {
                return nil
            }
            return session
        }
    }

    /// Forgets the upload `id`, which has ended.
    func forget(_ id: String) {
        let wasThere = state.withLock { $0.sessions.removeValue(forKey: id) != nil }
        if wasThere { counters.uploadSessions.add(-1) }
    }

    /// Ends uploads that nobody continues, now and then, until the task is cancelled.
    func expirePeriodically() async {
        let interval = min(max(timeToIdle / 4, .seconds(1)), .minutes(1))
        while !Task.isCancelled {
            // Cancellation ends the wait, and the loop with it.
            try? await Task.sleep(for: interval)
            await expire(at: .now)
        }
    }

    /// Ends uploads that were not used for ``timeToIdle`` at `now`.
    func expire(at now: ContinuousClock.Instant) async {
        let idle = state.withLock { state in
            state.sessions.values.filter { $0.idleTime(at: now) >= timeToIdle }
        }
        for session in idle { await expire(session) }
    }

    /// How long an upload that nobody continues is left alone while others would need its place.
    private static let idleTimeSpared = Duration.minutes(1)

    /// Ends the upload that was not used for the longest, if that is long enough; whether there was one.
    private func makeRoom(at now: ContinuousClock.Instant) async -> Bool {
        let longest = state.withLock { state in
            state.sessions.values.map { ($0, $0.idleTime(at: now)) }.max { $0.1 < $1.1 }
        }
        guard let (session, time) = longest, time >= Self.idleTimeSpared else { return false }
        await expire(session)
        return true
    }

    private func expire(_ session: UploadSession) async {
        environment.log.info(
            "removing an upload that nobody continues",
            metadata: ["upload.id": "\(session.id)", LogKey.count: "\(session.bytesReceived)"]
        )
        counters.uploadsExpired.add()
        await session.cancel()
    }

    // MARK: - Delivery

    /// Checks that the bytes of `upload` hash to `digest` and brings them to the origins; they are gone here afterwards.
    /// - Throws: ``RegistryError``.
    func deliver(_ upload: Upload, as digest: Digest, in repository: RepositoryName) async throws {
        state.withLock { $0.deliveries[digest, default: 0] += 1 }
        do {
            try await deliverNow(upload, as: digest, in: repository)
        } catch {
            await endDelivery(of: digest)
            throw error
        }
        await endDelivery(of: digest)
    }

    private func deliverNow(
        _ upload: Upload,
        as digest: Digest,
        in repository: RepositoryName
    ) async throws {
        let namespace = Namespace(repository)
        do {
            // The origins make it durable; here it need not outlive the process.
            let info = try await upload.commit(as: digest, options: CommitOptions(isDurable: false))
            guard let blob = try await store.cachedBlob(digest) else {
                // Somebody else's delivery of the same blob has just ended and taken the file away.
                try await requireBlob(digest, namespace)
                return
            }
            try await origins.upload(
                digest,
                namespace: namespace,
                from: .file(blob.file, 0..<blob.bytes)
            )
            counters.blobsUploaded.add()
            counters.bytesUploaded.add(info.bytes)
            environment.events.record(
                ClusterEvent(
                    .push,
                    blob: digest,
                    bytes: info.bytes,
                    detail: ["repository": repository.name]
                )
            )
        } catch let error as StorageError {
            throw RegistryError(error, upload: upload.id)
        } catch let error as FileError {
            throw RegistryError(error)
        } catch let error as ClusterError {
            throw RegistryError(error, what: "store \(digest)", whom: "origin")
        }
    }

    private func requireBlob(_ digest: Digest, _ namespace: Namespace) async throws {
        guard try await origins.stat(digest, namespace: namespace) == nil else { return }
        throw RegistryError.unavailable("another upload of \(digest) failed; try again")
    }

    private func endDelivery(of digest: Digest) async {
        let isLast = state.withLock { state in
            let count = state.deliveries[digest, default: 1] - 1
            state.deliveries[digest] = count == 0 ? nil : count
            return count == 0
        }
        guard isLast else { return }
        // A task of its own: the file has to go even when the client, and with it our task, has gone.
        await Task { [store, log = environment.log] in
            do {
                try await store.delete(digest)
            } catch {
                log.warning(
                    "could not remove a delivered blob; the next start will",
                    metadata: [LogKey.blobDigest: "\(digest)", LogKey.error: "\(error)"]
                )
            }
        }.value
    }
}
