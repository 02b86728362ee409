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
/// A blob's digest, and so its owners, are known only when its last byte is in; until then an ``UploadFollower`` sends what there is
/// to an origin that is likely to be one. The origins check the bytes. After a restart of the process its uploads go on where they
/// stood, found by their repository, which is their label.
final class UploadStaging: Sendable {
    private let store: BlobStore
    private let origins: OriginCluster
    private let timeToIdle: Duration
    private let counters: ProxyCounters
    private let environment: ComponentEnvironment
    private let state = Mutex(State())

    private struct State {
        var sessions: [String: UploadSession] = [:]
    }

    private let policy = SharedFollowPolicy()
    private let (followers, queue):
        (
            AsyncStream<UploadFollower>, AsyncStream<UploadFollower>.Continuation
        )

    init(
        store: BlobStore,
        origins: OriginCluster,
        timeToIdle: Duration,
        counters: ProxyCounters,
        environment: ComponentEnvironment
    ) {
        (self.store, self.origins, self.timeToIdle) = (store, origins, timeToIdle)
        (self.counters, self.environment) = (counters, environment)
        (followers, queue) = AsyncStream.makeStream(
            bufferingPolicy: .bufferingOldest(store.configuration.limits.uploadSessionsMax)
        )
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
                upload = try await store.startUpload(label: repository.name, use: .relay)
            } catch let error as StorageError where error.code == .tooManyUploads {
                guard await makeRoom(at: now) else { throw error }
                upload = try await store.startUpload(label: repository.name, use: .relay)
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

    /// Somebody who sends `upload` on while it comes in.
    func follow(_ upload: Upload, to repository: RepositoryName) -> UploadFollower {
        let follower = UploadFollower(
            upload,
            namespace: Namespace(repository),
            origins: origins,
            policy: policy,
            counters: counters,
            log: environment.log
        )
        // One that finds no place here never begins, and its upload is sent when all of it is in.
        queue.yield(follower)
        return follower
    }

    /// Has followers at work until the task is cancelled.
    func runFollowers() async {
        await withDiscardingTaskGroup { group in
            for await follower in followers { group.addTask { await follower.run() } }
        }
    }

    /// Has the origins check that the bytes of `upload` hash to `digest`, unless that `isChecked`, and store them; they are gone
    /// here afterwards, unless it fails.
    /// - Throws: ``RegistryError``; `StorageError`, `FileError`.
    func deliver(
        _ upload: Upload,
        _ follower: UploadFollower?,
        as digest: Digest,
        isChecked: Bool,
        in repository: RepositoryName
    ) async throws {
        do {
            let namespace = Namespace(repository)
            let outcome = try await store(upload, follower, as: digest, isChecked, namespace)
            // Nobody has looked at these bytes.
            if outcome == .wasThere, !isChecked { try await check(upload, against: digest) }
        } catch let error as ClusterError {
            if error.mayBeTheBytes, !isChecked { try await check(upload, against: digest) }
            throw RegistryError(error, what: "store \(digest)", whom: "origin")
        }
        counters.blobsUploaded.add()
        counters.bytesUploaded.add(upload.bytesReceived)
        environment.events.record(
            ClusterEvent(
                .push,
                blob: digest,
                bytes: upload.bytesReceived,
                detail: ["repository": repository.name]
            )
        )
        await upload.cancel()
    }

    private func store(
        _ upload: Upload,
        _ follower: UploadFollower?,
        as digest: Digest,
        _ isChecked: Bool,
        _ namespace: Namespace
    ) async throws -> UploadOutcome {
        do {
            if let outcome = try await follower?.commit(as: digest) { return outcome }
        } catch let error as ClusterError {
            if !isChecked { try await check(upload, against: digest) }
            environment.log.warning(
                "an origin refused the bytes of a blob, which are right",
                metadata: [LogKey.blobDigest: "\(digest)", LogKey.error: "\(error)"]
            )
        }
        return try await origins.upload(
            digest,
            namespace: namespace,
            from: .file(upload.file, 0..<upload.bytesReceived)
        )
    }

    /// - Throws: ``RegistryError`` `.digestInvalid` when the bytes of `upload` do not hash to `digest`.
    private func check(_ upload: Upload, against digest: Digest) async throws {
        let actual = try await upload.digest()
        guard actual != digest else { return }
        throw RegistryError.digestInvalid(
            "the \(upload.bytesReceived) bytes received hash to \(actual), not \(digest); send them again; if it repeats, "
                + "the sender hashes other bytes than it sends"
        )
    }
}
