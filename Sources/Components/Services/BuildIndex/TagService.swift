// SPDX-License-Identifier: Apache-2.0

import Backends
import ClusterClients
import ClusterConfiguration
import Content
import HTTPKit
import HTTPTypes
import Logging
import Primitives
import RetryStorage
import Telemetry

/// What the endpoints do: put, remove and look up tags, and tell the neighbours.
struct TagService: Sendable {
    let store: TagStore
    let backend: TagBackend
    let reader: TagReader
    let writeBack: TagWriteBack
    let replication: TagReplication
    let neighbours: TagNeighbours
    let dependencies: TagDependencies
    /// By how much each further neighbour's replication is put off.
    let replicationStagger: Duration
    let writesThrough: Bool
    /// Tags that match one of these are put once.
    let immutable: [NamespacePattern]
    let events: EventLog
    let counters: Counters
    let log: Logger

    /// How often a change under a condition is begun anew because the tag has changed meanwhile.
    private static let attemptsMax = 16

    /// Makes `tag` name `digest`, here and at the neighbours, once everything it needs is there; with a `cause`, in other
    /// clusters, too, later. Whoever has just looked for what the manifest refers to gives it as `seen`.
    /// - Throws: 412 when `condition` is not met, 409 when the tag may not move.
    func put(
        _ tag: QualifiedTag,
        _ digest: Digest,
        seen: [Digest]? = nil,
        condition: TagCondition = .none,
        replicating cause: ReplicationCause? = nil
    ) async throws {
        try backend.checkBackend(of: tag)
        let needed: [Digest]
        if let seen {
            needed = try dependencies.all(of: tag, digest, references: seen)
        } else {
            needed = try await dependencies.resolve(tag, digest)
            try await dependencies.check(needed, of: tag)
        }
        var through: (@Sendable () async throws -> Void)?
        if writesThrough { through = { try await writeThrough(tag, digest) } }
        let change = TagChange(digest: digest, writeBackAfter: writesThrough ? nil : .zero)
        let record = try await make(change, of: tag, condition, through: through)
        if !writesThrough { try await queue(tag, digest, after: .zero) }
        if let cause, replication.concerns(tag) {
            try await replication.add(tag, .put(digest), cause: cause)
            await tellNeighboursToReplicate(tag, .put(digest), needed, path: cause.path)
        }
        counters.counter("tags_put").add()
        events.record(ClusterEvent(.tagPut, blob: digest, detail: ["tag": "\(tag)"]))
        try await neighbours.tell(tag, record)
    }

    /// Removes `tag` here, in the backend and at the neighbours; with a `cause`, in other clusters, too, later.
    ///
    /// The backend is told before anything else, because its lists would bring the tag back; while it fails, so does this.
    /// - Throws: 404 when there is no such tag, 412 when `condition` is not met, 409 when the tag may not be removed, 405
    ///   when its storage removes nothing.
    func delete(
        _ tag: QualifiedTag,
        condition: TagCondition = .none,
        replicating cause: ReplicationCause? = nil
    ) async throws {
        try backend.checkBackend(of: tag)
        guard let digest = await reader.digest(of: tag) else {
            // A crash may have come between a deletion and its replication; then the client is here once more.
            if let cause, await store.record(of: tag) != nil {
                try await replication.add(tag, .deletion(replaced: nil), cause: cause)
            }
            throw HTTPProblem.notFound().asEmpty
        }
        // Once more by the queue: a write-back of what the tag named may be under way.
        let change = TagChange(digest: nil, writeBackAfter: .zero)
        let record = try await make(change, of: tag, condition) {
            do { try await backend.remove(tag) } catch let error as BackendError {
                throw HTTPProblem(removing: tag, failed: error).asText
            }
        }
        try await queue(tag, nil, after: .zero)
        if let cause, replication.concerns(tag) {
            let change = ReplicatedChange.deletion(replaced: digest)
            try await replication.add(tag, change, cause: cause)
            await tellNeighboursToReplicate(tag, change, path: cause.path)
        }
        counters.counter("tags_deleted").add()
        events.record(ClusterEvent(.tagDeleted, blob: digest, detail: ["tag": "\(tag)"]))
        try await neighbours.tell(tag, record)
    }

    /// Takes over a change that a neighbour has made; writes it back after `delay` unless the
    /// neighbour did by then.
    func takeOver(
        _ tag: QualifiedTag,
        _ digest: Digest?,
        madeAt: Timestamp?,
        delay: Duration
    ) async throws {
        try backend.checkBackend(of: tag)
        let change = TagChange(
            digest: digest,
            madeAt: madeAt,
            writeBackAfter: delay,
            isNeighbours: true
        )
        let record = try await store.apply(change, to: tag)
        await reader.forget(tag)
        guard record?.writeBack != nil else { return }
        try await queue(tag, digest, after: delay)
    }

    /// What `tag` names; nil when there is no such tag.
    func digest(of tag: QualifiedTag) async -> Digest? { await reader.digest(of: tag) }

    /// The same for whoever can come back later.
    /// - Throws: 429 when only the backend knows, and wants to be asked less often.
    func lookUp(_ tag: QualifiedTag) async throws -> Digest? {
        do { return try await reader.lookUp(tag) } catch let error as BackendError {
            throw HTTPProblem.rateLimited(error)
        }
    }

    /// Digests looked for at a time, because each may have to be asked of the backend.
    private static let lookUpsMax = 16
    /// How long they may take together, because a push waits: what is not looked for by then counts as not deleted, as it does
    /// where the backend fails.
    private static let lookUpsTimeout = Duration.seconds(5)

    /// Those of `digests` that were deleted from `repository`, as far as that is found out in time.
    func deleted(among digests: [Digest], in repository: RepositoryName) async -> Set<Digest> {
        let deadline = ContinuousClock.now + Self.lookUpsTimeout
        return await withTaskGroup(of: Digest?.self) { group in
            var deleted = Set<Digest>()
            for (index, digest) in digests.enumerated() {
                if index >= Self.lookUpsMax, let found = await group.next() ?? nil {
                    deleted.insert(found)
                }
                if ContinuousClock.now >= deadline { break }
                group.addTask {
                    let tag = ReservedTag.deleted(digest).tag
                    let marker = QualifiedTag(repository: repository, tag: tag)
                    let limit = ContinuousClock.now.duration(to: deadline)
                    return await self.reader.digest(of: marker, within: limit) == nil ? nil : digest
                }
            }
            for await found in group { if let found { deleted.insert(found) } }
            return deleted
        }
    }

    // MARK: - Changes

    private func make(
        _ change: TagChange,
        of tag: QualifiedTag,
        _ condition: TagCondition,
        through: (@Sendable () async throws -> Void)?
    ) async throws -> TagRecord {
        let isFixed =
            ReservedTag(tag.tag) == nil && immutable.contains { $0.isFound(in: tag.description) }
        for _ in 0..<Self.attemptsMax {
            var expected: TagStore.Expectation?
            if isFixed || condition != .none {
                let current = await reader.digest(of: tag)
                let record = await store.record(of: tag)
                // It has changed between the two questions.
                if let record, record.digest != current { continue }
                try check(change, of: tag, naming: current, condition, isFixed: isFixed)
                expected = TagStore.Expectation(record: record)
            }
            let made = try await store.apply(change, to: tag, over: expected, through: through)
            await reader.forget(tag)
            if let made { return made }
        }
        throw HTTPProblem.unavailable("\(tag) changes all the time", retryAfter: .seconds(1)).asText
    }

    private func check(
        _ change: TagChange,
        of tag: QualifiedTag,
        naming current: Digest?,
        _ condition: TagCondition,
        isFixed: Bool
    ) throws {
        let names = current.map { "it names \($0)" } ?? "there is no such tag"
        // Made already, as by a request whose answer was lost: RFC 9110 §13.1.1 lets it pass.
        let isMade: Bool =
            if case .names = condition { change.digest != nil && current == change.digest } else {
                false
            }
        guard condition.isMet(by: current) || isMade else {
            var headers = HTTPFields()
            if let current { headers[.eTag] = "\"\(current)\"" }
            throw HTTPProblem(
                .preconditionFailed,
                "\(tag) is not what the request wants it to be: \(names)",
                headers: headers,
                style: .text
            )
        }
        guard isFixed, let current, current != change.digest else { return }
        throw HTTPProblem.conflict(
            "\(tag) can't be moved or removed, because it matches immutable_tags: \(names)"
        ).asText
    }

    private func queue(
        _ tag: QualifiedTag,
        _ digest: Digest?,
        after delay: Duration
    ) async throws {
        events.record(ClusterEvent(.writeBackQueued, blob: digest, detail: ["tag": "\(tag)"]))
        do { try await writeBack.add(tag, after: delay) } catch let error as RetryStorageError {
            throw error.problem
        }
    }

    /// Three attempts, half a second and then a second apart.
    /// - Source: uber/kraken lib/persistedretry, `SyncExec`.
    private func writeThrough(_ tag: QualifiedTag, _ digest: Digest) async throws {
        var pause = Duration.milliseconds(500)
        for attempt in 1... {
            do {
                try await backend.write(digest, for: tag)
                return
            } catch let error as BackendError {
                guard attempt < 3 else {
                    throw HTTPProblem.internalError("cannot write the tag back: \(error)").asText
                }
                // Back-off: nobody tells us when the backend is well again.
                try await Task.sleep(for: pause)
                pause = pause * 2
            }
        }
    }
}

extension HTTPProblem {
    fileprivate init(removing tag: QualifiedTag, failed error: BackendError) {
        switch error.code {
        case .unsupported:
            self.init(.methodNotAllowed, "cannot delete \(tag): \(error)")
        default:
            self = .unavailable("cannot delete \(tag): \(error)", retryAfter: .seconds(1))
        }
    }
}
