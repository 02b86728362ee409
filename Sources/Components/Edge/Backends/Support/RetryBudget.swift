// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// How much a backend may be asked again: a share of what succeeds, so that one which fails is not asked three times as
/// often as one which works.
final class RetryBudget: Sendable {
    /// Repeats saved up at most, and at the start.
    static let savedMax = 20.0
    /// What each success saves.
    static let savedPerSuccess = 0.2

    private let saved = Mutex(RetryBudget.savedMax)

    /// Notes that a request succeeded.
    func deposit() {
        saved.withLock { $0 = min(Self.savedMax, $0 + Self.savedPerSuccess) }
    }

    /// Takes one repeat; false when none is left.
    func withdraw() -> Bool {
        saved.withLock { saved in
            guard saved >= 1 else { return false }
            saved -= 1
            return true
        }
    }
}
