// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Who uses a database, so that it is closed after them: SQLite does not survive a call on a closed connection.
final class RetryDatabaseGate: Sendable {
    private struct State {
        var isClosed = false
        var userCount = 0
        var closer: CheckedContinuation<Void, Never>?
    }
    private let state = Mutex(State())

    /// Begins a use; false once the gate is closed.
    func enter() -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            state.userCount += 1
            return true
        }
    }

    /// Ends a use.
    func leave() {
        let closer = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.userCount -= 1
            return state.userCount == 0 ? state.closer.take() : nil
        }
        closer?.resume()
    }

    /// Lets nobody in any more, and returns once everybody has left. Called once.
    func close() async {
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                state.isClosed = true
                if state.userCount > 0 { state.closer = continuation }
                return state.userCount == 0
            }
            if isEmpty { continuation.resume() }
        }
    }
}
