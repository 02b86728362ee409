// SPDX-License-Identifier: Apache-2.0

import Backends
import Content
import Logging
import Primitives
import Telemetry

/// Tells what tags name: from the store while that is fresh, else as the backend says.
///
/// Members of a cluster tell each other of every change, but one that could not be reached learns of it from the backend,
/// as does a cluster that shares its backend with another one. A backend that fails counts as one that does not know:
/// pulls and pushes go on while storage is down, as in Kraken.
actor TagReader {
    private let store: TagStore
    private let backend: TagBackend
    private let interval: Duration
    private let checksMax: Int
    private let log: Logger
    private var checks: [QualifiedTag: Check] = [:]
    private var running: [QualifiedTag: Run] = [:]

    /// What the backend said, and until when that is good enough.
    private struct Check {
        let until: ContinuousClock.Instant
        let digest: Digest?
    }

    private struct Run {
        let startedAt: ContinuousClock.Instant
        let task: Task<Answer, Never>
    }

    /// What a tag names, as far as is known.
    private struct Answer {
        var digest: Digest?
        /// Why nothing is known: the backend wants to be asked less often.
        var limit: BackendError?
    }

    /// How long a known tag waits for the backend to confirm it.
    private static let confirmationTimeout = Duration.seconds(1)
    /// How long a backend that did not answer is not asked again about a known tag.
    private static let failurePause = Duration.seconds(5)

    init(
        store: TagStore,
        backend: TagBackend,
        interval: Duration,
        limits: Limits,
        log: Logger
    ) {
        (self.store, self.backend, self.interval) = (store, backend, interval)
        (checksMax, self.log) = (limits.tagChecksMax, log)
    }

    /// What `tag` names; nil when there is no such tag. The backend may take `limit` to say so; nil: as long as it takes. Of several
    /// who ask about a tag at a time the first one's limit holds.
    func digest(of tag: QualifiedTag, within limit: Duration? = nil) async -> Digest? {
        await answer(about: tag, within: limit).digest
    }

    /// The same for whoever can come back later.
    /// - Throws: `BackendError` `.rateLimited` when only the backend knows, and wants to be asked less often.
    func lookUp(_ tag: QualifiedTag) async throws -> Digest? {
        let answer = await answer(about: tag)
        // Reserved tags say what is besides: that they can't be asked for stops nobody.
        if let limit = answer.limit, ReservedTag(tag.tag) == nil { throw limit }
        return answer.digest
    }

    private func answer(about tag: QualifiedTag, within limit: Duration? = nil) async -> Answer {
        let record = await store.record(of: tag)
        if let record, record.writeBack?.origin == .client {
            return Answer(digest: record.digest)
        }
        let now = ContinuousClock.now
        if let record, age(of: record) < interval { return Answer(digest: record.digest) }
        if let check = checks[tag], now < check.until {
            return Answer(digest: record == nil ? check.digest : record?.digest)
        }
        // One question for all who ask at a time; one that was put too long ago may have the old answer.
        if let run = running[tag], run.startedAt + interval > now { return await run.task.value }
        let task = Task { await ask(about: tag, knowing: record, since: now, within: limit) }
        running[tag] = Run(startedAt: now, task: task)
        let answer = await task.value
        if running[tag]?.startedAt == now { running[tag] = nil }
        return answer
    }

    /// Forgets what the backend said of `tag`, which changes.
    func forget(_ tag: QualifiedTag) { checks[tag] = nil }

    private func age(of record: TagRecord) -> Duration {
        let nanoseconds = Timestamp.now.unixNanoseconds - record.putAt.unixNanoseconds
        // A clock that was set back must not make a record fresh for ever.
        return nanoseconds < 0 ? interval : .nanoseconds(nanoseconds)
    }

    private func ask(
        about tag: QualifiedTag,
        knowing record: TagRecord?,
        since start: ContinuousClock.Instant,
        within limit: Duration?
    ) async -> Answer {
        do {
            guard let record else {
                let digest = try await backendDigest(of: tag, within: limit)
                note(Check(until: start + interval, digest: digest), of: tag)
                return Answer(digest: digest)
            }
            let said = try await backendDigest(of: tag, within: Self.confirmationTimeout)
            note(Check(until: start + interval, digest: nil), of: tag)
            return Answer(digest: try await settle(tag, record, backendSays: said))
        } catch {
            log.warning(
                "tag not read from the backend",
                metadata: [LogKey.tag: "\(tag)", LogKey.error: "\(error)"]
            )
            guard let record else {
                // What it named last, when it was asked before: what that names is checked by its digest.
                guard let last = checks[tag]?.digest else {
                    let failure = error as? BackendError
                    return Answer(limit: failure?.code == .rateLimited ? failure : nil)
                }
                note(Check(until: start + max(interval, Self.failurePause), digest: last), of: tag)
                return Answer(digest: last)
            }
            note(Check(until: start + max(interval, Self.failurePause), digest: nil), of: tag)
            return Answer(digest: record.digest)
        }
    }

    /// What holds of a tag that was known by `record`, now that the backend says `said`.
    private func settle(
        _ tag: QualifiedTag,
        _ record: TagRecord,
        backendSays said: Digest?
    ) async throws -> Digest? {
        // Nothing there: not written yet, or lost. Deletions are told, not found out.
        guard let said else { return record.digest }
        if said == record.digest {
            if record.writeBack != nil { try await store.markWrittenBack(tag, said) }
            return said
        }
        if case .neighbour(let replaced)? = record.writeBack?.origin, said == replaced {
            return record.digest
        }
        try await store.adopt(said, for: tag, insteadOf: record)
        return await store.record(of: tag)?.digest
    }

    private func backendDigest(
        of tag: QualifiedTag,
        within limit: Duration?
    ) async throws -> Digest? {
        guard let limit else { return try await backend.digest(of: tag) }
        return try await withThrowingTaskGroup(of: Digest?.self) { [backend] group in
            group.addTask { try await backend.digest(of: tag) }
            group.addTask {
                // A time-out, not a wait for something: the answer comes first or not in time.
                try await Task.sleep(for: limit)
                throw BackendError(
                    .unavailable,
                    what: "read the tag \(tag)",
                    why: "no answer within \(limit)"
                )
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
    }

    private func note(_ check: Check, of tag: QualifiedTag) {
        if checks.count >= checksMax, checks[tag] == nil {
            let now = ContinuousClock.now
            checks = checks.filter { $0.value.until > now }
            // All still good: asking once too often costs less than remembering too much.
            if checks.count >= checksMax { checks.removeAll() }
        }
        checks[tag] = check
    }
}
