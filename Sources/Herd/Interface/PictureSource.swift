// SPDX-License-Identifier: Apache-2.0

import TUI

/// Where samples of a cluster come from: this process, other processes, a recording, a simulation.
protocol PictureSource: Sendable {
    /// Hands samples to `take` until there are no more or the task is cancelled.
    func run(take: (Sample) -> Void) async
}

extension HerdSampler: PictureSource {}
