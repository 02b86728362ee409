// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Files
import Primitives
import Synchronization

// A disk that fills up between two clean-ups is cleaned up at once, so that the next attempt finds room.
extension BlobStore {
    /// Between the end of a clean-up and one that a full disk brings about: each reads the whole cache directory.
    private static let pauseMin = Duration.seconds(10)

    /// Who waits for the next clean-up.
    struct CleanUpWait {
        /// Ended when there is no room.
        var wake: AsyncStream<Void>.Continuation?
        /// When the last clean-up ended.
        var lastEndedAt: Instant?
    }

    /// Runs `body`, on the pool. Where the disk has no room for it, and the policy knows what may go then, a clean-up begins.
    func makingRoom<Value>(_ body: () throws -> Value) throws -> Value {
        do { return try body() } catch let error as FileError where error.code == .noSpace {
            noteFull()
            throw error
        }
    }

    private func noteFull() {
        guard configuration.cleanup.diskHighPercent != nil else { return }
        let now = steadyClock()
        cleanUpWait.withLock { wait in
            let isRested = wait.lastEndedAt.map { $0.advanced(by: Self.pauseMin) <= now } ?? true
            guard isRested else { return }
            wait.wake?.finish()
            wait.wake = nil
        }
    }

    /// Returns when it is time for the next clean-up: after the policy's interval, or once the disk is full.
    /// - Throws: `CancellationError`.
    func waitForCleanUp() async throws {
        let (wakes, wake) = AsyncStream<Void>.makeStream()
        cleanUpWait.withLock { $0.wake = wake }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [interval = configuration.cleanup.interval] in
                try await Task.sleep(for: interval)
            }
            group.addTask { for await _ in wakes {} }
            defer { group.cancelAll() }
            try await group.next()
        }
        try Task.checkCancellation()
    }

    /// Notes that a clean-up has ended.
    func noteCleanUp() {
        let now = steadyClock()
        cleanUpWait.withLock { $0.lastEndedAt = now }
    }
}
