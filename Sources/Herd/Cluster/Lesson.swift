// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TUI

/// The scenario that a herd was started for.
final class Lesson: Sendable {
    let name: String
    /// Whether the herd stops when it is over.
    let endsHerd: Bool
    private let commands: ClusterCommands
    private let outcome = Mutex<(any Error)?>(nil)

    init(name: String, endsHerd: Bool, commands: ClusterCommands) {
        (self.name, self.endsHerd, self.commands) = (name, endsHerd, commands)
    }

    /// Why it did not go as it should.
    var failure: (any Error)? { outcome.withLock { $0 } }

    /// Plays it, and says how it went.
    func play() async {
        do {
            commands.narrate(try await commands.perform(.scenario(name)))
        } catch {
            commands.narrate("scenario \(name) FAILED")
            outcome.withLock { $0 = error }
        }
    }
}
