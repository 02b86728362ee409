// SPDX-License-Identifier: Apache-2.0

import DequeModule
import Synchronization

/// Places for parts of objects in memory, over all transfers of a backend.
///
/// A transfer waits for its first place only while it holds none, and takes more only where they are free; so none waits
/// for another that waits for it.
final class PartBuffers: Sendable {
    private struct Waiter {
        let id: Int
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var free: Int
        var leastFree: Int
        var lastID = 0
        var waiting: Deque<Waiter> = []
        var cancelled: Set<Int> = []

        mutating func take() -> Bool {
            guard free > 0 else { return false }
            free -= 1
            leastFree = min(leastFree, free)
            return true
        }
    }

    private let state: Mutex<State>
    private let count: Int

    /// `count` places.
    init(count: Int) {
        self.count = count
        state = Mutex(State(free: count, leastFree: count))
    }

    /// The most places that were taken at a time.
    var takenMax: Int { count - state.withLock { $0.leastFree } }

    /// Takes a place when one is free.
    /// - Throws: `CancellationError`.
    func acquire() async throws {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let outcome = state.withLock { state -> Result<Void, any Error>? in
                    if state.cancelled.remove(id) != nil { return .failure(CancellationError()) }
                    if state.take() { return .success(()) }
                    state.waiting.append(Waiter(id: id, continuation: continuation))
                    return nil
                }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            let waiter = state.withLock { state -> Waiter? in
                guard let index = state.waiting.firstIndex(where: { $0.id == id }) else {
                    // Not yet waiting, or already served: then the note is dropped below.
                    state.cancelled.insert(id)
                    return nil
                }
                return state.waiting.remove(at: index)
            }
            waiter?.continuation.resume(throwing: CancellationError())
        }
        _ = state.withLock { $0.cancelled.remove(id) }
    }

    /// Takes a place if one is free now and nobody waits for it.
    func takeIfFree() -> Bool { state.withLock { $0.waiting.isEmpty && $0.take() } }

    /// Gives a place back.
    func release() {
        let waiter = state.withLock { state -> Waiter? in
            if let waiter = state.waiting.popFirst() { return waiter }
            state.free += 1
            return nil
        }
        waiter?.continuation.resume()
    }
}
