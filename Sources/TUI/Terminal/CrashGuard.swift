// SPDX-License-Identifier: Apache-2.0

internal import CNcurses

/// Gives the terminal back when the process dies, however it dies.
package enum CrashGuard {
    /// Gives the terminal back at once; for last words in a signal handler too. The second time only waits until it is done.
    package static func restoreTerminal() { herd_guard_restore() }

    /// Has changes of the terminal's size, stops and continuations told through `pipe`, until ``disarm()``.
    static func watch(with pipe: WakePipe) { herd_watch_terminal(pipe.writing) }

    /// From here on a crash gives back the terminal behind `tty`, where there is one, and what `capture` has taken.
    static func arm(for capture: StdioCapture, tty: CInt = -1) {
        herd_guard_arm(tty, capture.savedOutput, capture.savedError, capture.reading)
        herd_guard_install_handlers()
        herd_guard_use_alternate_stack()
    }

    /// Puts all handlers back; what they use may be closed then.
    static func disarm() {
        herd_guard_disarm()
        herd_guard_remove_handlers()
        herd_unwatch_terminal()
    }
}
