// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import HTTPKit
import OrderedCollections
import Primitives

/// How blobs are cut: asked of the trackers once, however many clients want to know at a time.
///
/// A client that leaves stops waiting at once, and the asking when it was the last: origins may fetch a blob from their
/// backend for minutes, and neither a stop nor a request slot may depend on that.
actor MetaInfoDesk {
    private let trackers: TrackerRing
    private let host: AgentHost
    private let countMax: Int
    private var flights: [Digest: Flight] = [:]
    private var nextNumber: UInt64 = 0
    /// What trackers said lately, oldest first: a client asks for a blob's size before it asks for the blob.
    private var recent: OrderedDictionary<Digest, MetaInfo> = [:]

    /// Documents kept in memory; each may have megabytes, so they are few.
    private static let recentMax = 64

    /// One question on its way, and who waits for its answer.
    private struct Flight {
        let number: UInt64
        let task: Task<Void, Never>
        var waiters: [UInt64: CheckedContinuation<MetaInfo, any Error>] = [:]
    }

    init(trackers: TrackerRing, host: AgentHost, limits: Limits) {
        (self.trackers, self.host) = (trackers, host)
        countMax = min(Self.recentMax, limits.metaInfoCacheMax)
    }

    /// The meta info of `digest`, which is not in the cache; waits while the origins fetch the blob from their backend.
    /// - Parameter isJoining: whether its download begins next, of which the tracker is told by the way.
    /// - Throws: `ClusterError`, `.notFound` when nobody has the blob; `CancellationError`.
    func metaInfo(
        of digest: Digest,
        namespace: Namespace,
        isJoining: Bool = false
    ) async throws -> MetaInfo {
        if let known = recent[digest] { return known }
        let waiter = makeNumber()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                guard !Task.isCancelled else {
                    return continuation.resume(throwing: CancellationError())
                }
                board(digest, namespace, isJoining, waiter, continuation)
            }
        } onCancel: {
            Task { await leave(digest, waiter) }
        }
    }

    /// Forgets what is known of `digest`: the blob was deleted, and may be cut otherwise next time.
    func forget(_ digest: Digest) { recent[digest] = nil }

    private func board(
        _ digest: Digest,
        _ namespace: Namespace,
        _ isJoining: Bool,
        _ waiter: UInt64,
        _ continuation: CheckedContinuation<MetaInfo, any Error>
    ) {
        if flights[digest] == nil {
            let number = makeNumber()
            // A task of its own: the client that asked first may leave while the others still wait.
            let task = Task {
                let answer: Result<MetaInfo, any Error>
                do { answer = .success(try await ask(digest, namespace, isJoining)) } catch {
                    answer = .failure(error)
                }
                land(digest, number, answer)
            }
            flights[digest] = Flight(number: number, task: task)
        }
        flights[digest]?.waiters[waiter] = continuation
    }

    private func leave(_ digest: Digest, _ waiter: UInt64) {
        guard let continuation = flights[digest]?.waiters.removeValue(forKey: waiter) else {
            return
        }
        continuation.resume(throwing: CancellationError())
        guard let flight = flights[digest], flight.waiters.isEmpty else { return }
        flights[digest] = nil
        flight.task.cancel()
    }

    private func land(_ digest: Digest, _ number: UInt64, _ answer: Result<MetaInfo, any Error>) {
        // One that everybody has left lands on nobody, even when others have taken off again meanwhile.
        guard let flight = flights[digest], flight.number == number else { return }
        flights[digest] = nil
        if case .success(let metaInfo) = answer {
            recent[digest] = metaInfo
            while recent.count > countMax { recent.removeFirst() }
        }
        for waiter in flight.waiters.values { waiter.resume(with: answer) }
    }

    private func ask(
        _ digest: Digest,
        _ namespace: Namespace,
        _ isJoining: Bool
    ) async throws -> MetaInfo {
        guard isJoining else {
            return try await trackers.metaInfo(of: digest, namespace: namespace)
        }
        return try await host.metaInfo(of: digest, namespace: namespace)
    }

    private func makeNumber() -> UInt64 {
        nextNumber += 1
        return nextNumber
    }
}
