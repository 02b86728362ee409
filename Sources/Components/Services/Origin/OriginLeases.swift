// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import CollectionCore
import Content
import Files
import HTTPKit
import Logging
import Primitives
import Synchronization
import Telemetry

/// The leases of an origin's blobs, with those who wait for a collection to end and what a restart has to know.
final class OriginLeases: Sendable {
    private let path: String
    private let pool: BlockingPool
    private let log: Logger
    private let state: Mutex<State>
    /// Held while the file is written, on pool threads only, so that an older state never replaces a later one.
    private let file = Mutex<Void>(())

    private struct State {
        var leases: BlobLeases
        /// Those who wait for a condemned blob, told by the end of their stream.
        var waiters: [Digest: [AsyncStream<Void>.Continuation]] = [:]

        /// Ends the waits for `digests`.
        mutating func wake(_ digests: [Digest]) {
            for digest in digests {
                for waiter in waiters.removeValue(forKey: digest) ?? [] { waiter.finish() }
            }
        }
    }

    /// How long an upload waits for a collection to be done with its blob.
    private static let waitMax = Duration.seconds(20)
    /// Bytes of the file: some thousands of digests.
    private static let fileBytesMax = 16 << 20

    /// The leases of the origin in `directory`, which may have condemned something before it was restarted.
    /// - Throws: `FileError`.
    init(directory: String, limits: Limits, pool: BlockingPool, log: Logger) async throws {
        path = "\(directory)/condemned.json"
        (self.pool, self.log) = (pool, log)
        let now = LiveClock.now()
        let bytes = try await pool.run { [path] in
            try AtomicFile.read(path, bytesMax: Self.fileBytesMax)
        }
        state = Mutex(
            State(
                leases: BlobLeases(
                    epoch: .random(in: .min ... .max),
                    touchesMax: limits.blobTouchesMax,
                    condemned: bytes.map { Self.condemned(in: $0, at: now) } ?? [:],
                    at: now
                )
            )
        )
    }

    // MARK: - Use

    /// Notes that somebody relies on `digest`.
    /// - Throws: 404 while a collection is about to remove it.
    func touch(_ digest: Digest) throws {
        guard changing({ $0.leases.touch(digest, at: $1) }) else {
            throw HTTPProblem.notFound("\(digest) is being removed").asEmpty
        }
    }

    /// Runs `body`, which takes or keeps `digest`, while no collection can condemn it; waits for one that has.
    /// - Throws: 503 when that takes too long; what `body` throws.
    func holding<Value>(
        _ digest: Digest,
        _ body: () async throws -> Value
    ) async throws -> Value {
        try await hold(digest)
        defer { changing { $0.leases.release(digest, at: $1) } }
        return try await body()
    }

    private func hold(_ digest: Digest) async throws {
        let end = LiveClock.now().advanced(by: Self.waitMax)
        while true {
            let (ended, waiter) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
            let deadline = changing { state, now -> Instant? in
                if state.leases.hold(digest, at: now) { return nil }
                state.waiters[digest, default: []].append(waiter)
                return min(state.leases.nextDeadline ?? end, end)
            }
            guard let deadline else { return }
            guard LiveClock.now() < end else {
                throw HTTPProblem.unavailable("a collection is about to remove \(digest)")
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { for await _ in ended {} }
                // The end of the condemnation, should the collection never come back.
                group.addTask { try await Task.sleep(for: LiveClock.now().duration(to: deadline)) }
                defer { group.cancelAll() }
                try await group.next()
            }
        }
    }

    // MARK: - Collections

    /// Which process this is, and its time.
    func begin() -> CollectionStart {
        changing { CollectionStart(epoch: $0.leases.epoch, at: $1) }
    }

    /// Condemns what `order` names, durably, but for what somebody needs as the leases or `isNeeded` say; answers that.
    /// - Throws: `FileError`; then nothing is condemned.
    func condemn(
        _ order: CondemnOrder,
        isNeeded: (Digest) async throws -> String?
    ) async throws -> [Digest: String] {
        var refused: [Digest: String] = [:]
        let condemned = changing { state, now in
            order.digests.filter { digest in
                let refusal = state.leases.refusal(
                    of: digest,
                    to: order.run,
                    began: order.start.at,
                    epoch: order.start.epoch,
                    grace: order.grace,
                    at: now
                )
                if let refusal { refused[digest] = refusal.description }
                guard refusal == nil, !order.isDryRun else { return false }
                let until = now.advanced(by: min(order.duration, Self.condemnationMax))
                state.leases.condemn(digest, by: order.run, until: until)
                return true
            }
        }
        do {
            try await save()
            for digest in order.isDryRun ? order.digests : condemned where refused[digest] == nil {
                if let why = try await isNeeded(digest) { refused[digest] = why }
            }
        } catch {
            release(condemned, by: order.run)
            throw error
        }
        release(condemned.filter { refused[$0] != nil }, by: order.run)
        return refused
    }

    /// The longest that a collection may keep others waiting.
    private static let condemnationMax = Duration.minutes(10)

    /// Whether `run` has condemned `digest` and nothing speaks against its removal.
    func mayRemove(_ digest: Digest, by run: UInt64) -> Bool {
        changing { $0.leases.mayRemove(digest, by: run, at: $1) }
    }

    /// Ends what `run` has condemned of `digests`, and lets go on who waited for that.
    func release(_ digests: [Digest], by run: UInt64) {
        changing { state, _ in state.wake(state.leases.release(digests, by: run)) }
        // What the file says too much is waited for after a restart, at most; it need not be on the disk at once.
        pool.execute { [self] isActive in
            guard isActive else { return }
            do { try saveNow(durable: false) } catch {
                log.warning(
                    "could not note the end of a collection",
                    metadata: [LogKey.error: "\(error)"]
                )
            }
        }
    }

    @discardableResult
    private func changing<Value>(_ body: (inout State, Instant) -> Value) -> Value {
        let now = LiveClock.now()
        return state.withLock { state in
            if let deadline = state.leases.nextDeadline, deadline <= now {
                state.wake(state.leases.expire(at: now))
            }
            return body(&state, now)
        }
    }

    // MARK: - On disk

    private func save() async throws { try await pool.run { try self.saveNow(durable: true) } }

    private func saveNow(durable: Bool) throws {
        try file.withLock { _ in
            let (now, clock) = (LiveClock.now(), Timestamp.now.unixNanoseconds)
            let rows = state.withLock { $0.leases.condemnations }.map { digest, condemnation in
                let remaining = now.duration(to: condemnation.until).nanoseconds
                return JSON.object([
                    .init("digest", .string(digest.description)),
                    .init("run", .string(String(condemnation.run, radix: 16))),
                    .init("until_ns", .integer(Int(clock + remaining))),
                ])
            }
            let document = JSON.object([
                .init("version", .integer(1)), .init("condemned", .array(rows)),
            ])
            try AtomicFile.write(document.utf8, to: path, durable: durable)
        }
    }

    private static func condemned(
        in bytes: [UInt8],
        at now: Instant
    ) -> [Digest: BlobLeases.Condemnation] {
        let clock = Timestamp.now.unixNanoseconds
        // The file is replaced as a whole; what can't be read was written by another version, whose collections end with it.
        let rows = (try? JSON(parsing: bytes))?["condemned"]?.array ?? []
        var condemned: [Digest: BlobLeases.Condemnation] = [:]
        for row in rows {
            guard let until = row["until_ns"]?.integer,
                let run = row["run"]?.string.flatMap({ UInt64($0, radix: 16) }),
                // As above.
                let digest = try? Digest(parsing: row["digest"]?.string ?? "")
            else { continue }
            let remaining = min(.nanoseconds(Int64(until) - clock), condemnationMax)
            guard remaining > .zero else { continue }
            condemned[digest] = .init(run: run, until: now.advanced(by: remaining))
        }
        return condemned
    }
}
