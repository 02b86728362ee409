// SPDX-License-Identifier: Apache-2.0

import TUI
import Telemetry
import Terminal

/// Where pictures are shown: a terminal, or a script that looks at frames.
protocol Display: Sendable {
    /// Begins; effects are handed to `take`, which must not wait.
    func start(_ take: @escaping @Sendable (Effect) -> Void) throws
    /// Shows `picture` soon; never waits.
    func show(_ picture: ClusterPicture)
    /// Tells how a command ended.
    func finish(_ text: String, isError: Bool)
    /// The lines that were printed since the last call.
    func takeLogs() -> [LogLine]
    /// Ends and returns when that is done.
    func stop()
}

extension UserInterfaceLoop: Display {}
