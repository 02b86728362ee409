// SPDX-License-Identifier: Apache-2.0

import Backends
import BlobStorage
import ClusterConfiguration
import Content
import Files
import HTTPKit
import HTTPTypes
import Logging
import Primitives
import Synchronization
import Telemetry

/// Fetches blobs from their backend into the store, one download a digest whoever asks for it.
///
/// The asker learns at once whether the backend has the blob; while it is fetched, it is told to ask again (202).
/// - Source: uber/kraken lib/blobrefresh and lib/dedup.
final class BlobRefresher: Sendable {
    private let store: BlobStore
    private let backends: BackendTable
    private let replicator: Replicator
    private let background: BackgroundTasks
    private let configuration: OriginConfiguration
    private let environment: ComponentEnvironment
    private let state = Mutex(State())

    private struct State {
        /// Downloads that run or wait, by digest; the value says whether the blob is copied to other owners afterwards.
        var pending: [Digest: Bool] = [:]
        /// Those of them that wait for a free place, first come first.
        var waiting: [Job] = []
        var runningCount = 0
        /// Downloads that failed lately.
        var failures: [Digest: Failure] = [:]

        mutating func note(
            _ problem: HTTPProblem,
            of digest: Digest,
            until: ContinuousClock.Instant,
            limits: Limits
        ) {
            if failures.count >= limits.backendDownloadsWaitingMax {
                failures = failures.filter { $0.value.until > .now }
            }
            // Where too many fail, not remembering one only costs the backend another attempt.
            guard failures.count < limits.backendDownloadsWaitingMax else { return }
            failures[digest] = Failure(problem: problem, until: until)
        }
    }

    private struct Failure {
        let problem: HTTPProblem
        let until: ContinuousClock.Instant
    }

    private struct Job: Sendable {
        let digest: Digest
        let namespace: Namespace
        let bytes: Int
    }

    init(
        store: BlobStore,
        backends: BackendTable,
        replicator: Replicator,
        background: BackgroundTasks,
        configuration: OriginConfiguration,
        environment: ComponentEnvironment
    ) {
        (self.store, self.backends, self.replicator) = (store, backends, replicator)
        self.background = background
        (self.configuration, self.environment) = (configuration, environment)
    }

    /// Whether `digest` is being fetched, or is to be.
    func isPending(_ digest: Digest) -> Bool { state.withLock { $0.pending[digest] != nil } }

    /// How many downloads run or wait.
    var pendingCount: Int { state.withLock { $0.pending.count } }

    /// Starts to fetch `digest`, unless that goes on already. Returns when it is under way.
    /// - Parameter replicates: whether the other owners get a copy afterwards.
    /// - Throws: 404 when the backend does not have it, 403 when it is too large, 429 when the backend wants to be asked less often, 502 when it fails, 503 when too
    ///   much is under way; a failure of the download itself for 15 s.
    func begin(_ digest: Digest, _ namespace: Namespace, replicates: Bool) async throws {
        if try isKnown(digest, replicates: replicates) { return }
        let job = try await examine(digest, namespace)
        let isStarted = try state.withLock { state -> Bool in
            // Others may have asked while the backend was.
            guard state.pending[digest] == nil else { return false }
            let isFree = state.runningCount < configuration.limits.backendDownloadsMax
            if isFree {
                state.runningCount += 1
            } else {
                guard state.waiting.count < configuration.limits.backendDownloadsWaitingMax else {
                    throw HTTPProblem.unavailable("too many blobs are being fetched").asText
                }
                state.waiting.append(job)
            }
            state.pending[digest] = replicates
            return isFree
        }
        if isStarted { background.add { await self.run(job) } }
    }

    /// Whether the download of `digest` is under way.
    private func isKnown(_ digest: Digest, replicates: Bool) throws -> Bool {
        try state.withLock { state in
            if let isReplicated = state.pending[digest] {
                state.pending[digest] = isReplicated || replicates
                return true
            }
            guard let failure = state.failures[digest] else { return false }
            if failure.until > .now { throw failure.problem }
            state.failures[digest] = nil
            return false
        }
    }

    /// What the backend knows of `digest`.
    private func examine(_ digest: Digest, _ namespace: Namespace) async throws -> Job {
        let object = try await stat(digest, namespace)
        guard let object else { throw HTTPProblem.notFound("\(digest) is not stored").asEmpty }
        if let max = configuration.refreshBytesMax, object.bytes > max.bytes {
            throw HTTPProblem(
                .forbidden,
                "\(digest) has \(object.bytes) bytes, more than the \(max) that are fetched",
                remedy: "raise blobrefresh.size_limit of the origins",
                style: .text
            )
        }
        return Job(digest: digest, namespace: namespace, bytes: object.bytes)
    }

    /// What the backend of `namespace` says of `digest`; nil when it does not have it.
    /// - Throws: ``HTTPProblem``: 400 for a namespace without a backend, 429 for one that wants to be asked less often, 502 for one that
    ///   fails.
    func stat(_ digest: Digest, _ namespace: Namespace) async throws -> BackendObject? {
        do {
            return try await backends.backend(for: namespace)
                .stat(digest.hex, namespace: namespace)
        } catch let error as BackendError {
            throw problem(for: error, digest)
        }
    }

    private func problem(for error: BackendError, _ digest: Digest) -> HTTPProblem {
        switch error.code {
        case .notFound: .notFound("\(digest) is not stored").asEmpty
        case .rateLimited: .rateLimited(error)
        case .noBackend, .invalidName, .unsupported: .badRequest(error.description).asText
        case .invalidConfiguration, .unavailable, .failed:
            HTTPProblem(.badGateway, error.description, style: .text)
        }
    }

    // MARK: - Downloads

    private func run(_ job: Job) async {
        let start = ContinuousClock.now
        do {
            try await download(job)
            environment.counters.counter("blobs_refreshed").add()
            environment.events.record(
                ClusterEvent(
                    .blobRefreshed,
                    blob: job.digest,
                    bytes: job.bytes,
                    tookMilliseconds: Int(start.duration(to: .now).seconds * 1000),
                    detail: ["namespace": job.namespace.name]
                )
            )
            if finish(job, failure: nil) {
                await replicator.replicate(job.digest, job.namespace, .refresh)
            }
        } catch {
            environment.log.warning(
                "could not fetch a blob from its backend",
                metadata: [LogKey.blobDigest: "\(job.digest)", LogKey.error: "\(error)"]
            )
            _ = finish(job, failure: failure(for: error, job.digest))
        }
    }

    private func download(_ job: Job) async throws {
        let backend = try backends.backend(for: job.namespace)
        let pieceBytes = configuration.pieceLengths.pieceBytes(for: job.bytes)
        let upload = try await store.startUpload(pieceBytes: pieceBytes)
        do {
            try await backend.download(job.digest.hex, namespace: job.namespace) { part in
                try await upload.append(part)
            }
            // The backend's size was only an estimate: what counts is what came.
            let bytes = upload.bytesReceived
            let options = CommitOptions(
                pieceBytes: configuration.pieceLengths.pieceBytes(for: bytes),
                namespace: job.namespace
            )
            _ = try await upload.commit(as: job.digest, options: options)
        } catch {
            await upload.cancel()
            throw error
        }
    }

    private func failure(for error: any Error, _ digest: Digest) -> HTTPProblem {
        switch error {
        case let error as BackendError: problem(for: error, digest)
        case let error as StorageError where error.code == .tooManyUploads:
            .tooManyRequests(error.description, retryAfter: .seconds(1)).asText
        case let error as StorageError where error.code == .digestMismatch:
            HTTPProblem(.badGateway, "the backend's copy is damaged: \(error)", style: .text)
        case let error as FileError where error.code == .noSpace: .noSpace(error).asText
        default: .internalError("\(digest) could not be fetched").asText
        }
    }

    /// Notes the end of `job` and starts the next one; answers whether the blob is to be copied to its other owners.
    private func finish(_ job: Job, failure: HTTPProblem?) -> Bool {
        let limits = configuration.limits
        let until = ContinuousClock.now.advanced(by: configuration.refreshErrorTimeToLive)
        let (next, replicates) = state.withLock { state -> (Job?, Bool) in
            let replicates = state.pending.removeValue(forKey: job.digest) ?? false
            if let failure { state.note(failure, of: job.digest, until: until, limits: limits) }
            guard !state.waiting.isEmpty else {
                state.runningCount -= 1
                return (nil, replicates)
            }
            return (state.waiting.removeFirst(), replicates)
        }
        if let next { background.add { await self.run(next) } }
        return replicates
    }
}
