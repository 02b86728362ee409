// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc
import UnixSignals

/// SIGTERM, SIGINT and SIGHUP: the first asks for a graceful stop, the second ends the process at once.
struct StopSignals: Sendable {
    /// The longest a graceful stop may take.
    static let stopSecondsMax = 9.5
    private let signals: UnixSignalsSequence
    private let lastWords: @Sendable () -> Void

    /// Begins to listen. `lastWords` removes what must not stay behind when the process ends at once; it may not block.
    init(lastWords: @escaping @Sendable () -> Void) async {
        signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        self.lastWords = lastWords
    }

    /// Calls `onFirst` at the first signal and ends the process at the second, or when the stop takes too long; `onHangUp`, if
    /// given, at each SIGHUP instead. Returns only when its task is cancelled.
    func watch(
        onHangUp: (@Sendable () async -> Void)? = nil,
        onFirst: @escaping @Sendable (UnixSignal) async -> Void
    ) async {
        var isStopping = false
        for await signal in signals {
            if signal == .sighup, let onHangUp {
                await onHangUp()
                continue
            }
            if isStopping {
                StandardError.tell("herd: interrupted again, ending at once")
                lastWords()
                _exit(130)
            }
            isStopping = true
            armWatchdog()
            await onFirst(signal)
        }
    }

    private func armWatchdog() {
        DispatchQueue.global().asyncAfter(deadline: .now() + Self.stopSecondsMax) { [lastWords] in
            StandardError.tell(
                "herd: did not stop within \(Self.stopSecondsMax) s, ending at once"
            )
            lastWords()
            _exit(1)
        }
    }
}
