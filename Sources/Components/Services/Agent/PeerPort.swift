// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The port that peers dial, set once when the listener is bound.
final class PeerPort: Sendable {
    private let cell = Atomic(0)

    /// The port; 0 before it is bound.
    var value: Int {
        get { cell.load(ordering: .relaxed) }
        set { cell.store(newValue, ordering: .relaxed) }
    }
}
