// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Tasks that somebody started and that have to be over before something else ends.
final class TaskBag: Sendable {
    private struct State {
        var tasks: [Int: Task<Void, Never>] = [:]
        var next = 0
        var isClosed = false
    }
    private let state = Mutex(State())

    /// Starts `work`, unless the bag is closed.
    func add(_ work: @escaping @Sendable () async -> Void) {
        state.withLock { state in
            guard !state.isClosed else { return }
            let id = state.next
            state.next += 1
            state.tasks[id] = Task { [weak self] in
                await work()
                self?.remove(id)
            }
        }
    }

    private func remove(_ id: Int) { _ = state.withLock { $0.tasks.removeValue(forKey: id) } }

    /// Cancels all tasks and returns when they are over; none can be added after that.
    func cancelAll() async {
        let tasks = state.withLock { state in
            state.isClosed = true
            return Array(state.tasks.values)
        }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
    }
}
