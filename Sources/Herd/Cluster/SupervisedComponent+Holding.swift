// SPDX-License-Identifier: Apache-2.0

import ServiceLifecycle

/// Taking a component down for a while, and up again.
extension SupervisedComponent {
    /// How a component is taken down.
    enum Manner: Sendable {
        /// It may finish what it does, and say goodbye.
        case gracefully
        /// It is cut off.
        case abruptly
    }

    /// Takes the component down and keeps it there until ``release(_:)`` of the same number; returns when it is down.
    func hold(_ id: Int, _ manner: Manner) async {
        let (group, life) = beginHolding(id)
        switch manner {
        case .gracefully: await group?.triggerGracefulShutdown()
        case .abruptly: life?.cancel()
        }
        await wait(while: { $0.life != nil })
    }

    /// Lets the component start again, unless somebody else keeps it down.
    func release(_ id: Int) { noteChange { $0.holders.remove(id) } }

    /// Returns once the component serves.
    /// - Throws: ``Failure`` when it is kept down, or the herd stops.
    func waitUntilServing() async throws {
        await wait(while: {
            !$0.isServing && $0.holders.isEmpty && $0.lastFailure == nil && $0.isRunning
                && !$0.isStopping
        })
        guard !isServing else { return }
        throw Failure(
            "\(planned.id) does not serve",
            why: isHeld ? "another fault keeps it down" : lastFailure ?? "the herd stops",
            remedy: isHeld ? "undo that one too" : nil
        )
    }
}
