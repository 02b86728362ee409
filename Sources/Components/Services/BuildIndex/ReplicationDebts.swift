// SPDX-License-Identifier: Apache-2.0

import Content
import Synchronization
import Telemetry

/// What each replication still has to bring to its remote, as far as its latest attempt knows, for whoever looks at the queue.
final class ReplicationDebts: Sendable {
    private struct State {
        var blobs: [Int64: Set<Digest>] = [:]
        /// The tasks in ``blobs``, the one begun longest ago first.
        var order: [Int64] = []
    }
    private let state = Mutex(State())

    /// Tasks that are remembered; of others nothing is told.
    private static let tasksMax = 64
    /// Blobs of one task that are remembered; of a larger one nothing is told.
    private static let blobsMax = 4096
    /// Blobs that are named.
    private static let namedMax = 4

    /// An attempt at the task `id` looks for the blobs in `levels`, none of which is known to be there.
    func begin(_ id: Int64, _ levels: [[Digest]]) {
        guard levels.reduce(0, { $0 + $1.count }) <= Self.blobsMax else { return end(id) }
        state.withLock { state in
            if state.blobs.updateValue(Set(levels.joined()), forKey: id) == nil {
                state.order.append(id)
            }
            if state.order.count > Self.tasksMax {
                state.blobs[state.order.removeFirst()] = nil
            }
        }
    }

    /// The remote of the task `id` has `blob`.
    func settle(_ blob: Digest, of id: Int64) {
        _ = state.withLock { $0.blobs[id]?.remove(blob) }
    }

    /// The task `id` is done.
    func end(_ id: Int64) {
        state.withLock { state in
            guard state.blobs.removeValue(forKey: id) != nil else { return }
            state.order.removeAll { $0 == id }
        }
    }

    /// Adds to the tasks of `status` what they still have to bring.
    func describe(_ status: inout QueueStatus) {
        guard var tasks = status.tasks else { return }
        state.withLock { state in
            for index in tasks.indices {
                guard let blobs = tasks[index].id.flatMap({ state.blobs[$0] }) else { continue }
                tasks[index].missingCount = blobs.count
                tasks[index].missing = Array(blobs.sorted().prefix(Self.namedMax))
            }
        }
        status.tasks = tasks
    }
}

/// What one replication has to bring.
struct ReplicationDebt: Sendable {
    let debts: ReplicationDebts
    /// The task's number.
    let id: Int64

    /// Blobs sent at a time.
    private static let blobsAtATime = 4

    /// Has `send` bring the blobs of `levels`, each level after the one before it. When one fails, those under way are brought
    /// still: the next attempt finds them there.
    func settle(
        _ levels: [[Digest]],
        by send: @escaping @Sendable (Digest) async throws -> Void
    ) async throws {
        debts.begin(id, levels)
        for level in levels {
            try await withThrowingTaskGroup(of: (any Error)?.self) { group in
                var failure: (any Error)?
                for (index, blob) in level.enumerated() {
                    if index >= Self.blobsAtATime, let error = try await group.next() {
                        failure = failure ?? error
                    }
                    if failure != nil { break }
                    group.addTask {
                        do {
                            try await send(blob)
                            debts.settle(blob, of: id)
                            return nil
                        } catch { return error }
                    }
                }
                for try await error in group { failure = failure ?? error }
                if let failure { throw failure }
            }
        }
    }
}
