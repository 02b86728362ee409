// SPDX-License-Identifier: Apache-2.0

internal import CNcurses

/// Gives the terminal back when the process dies, however it dies.
package enum CrashGuard {
    /// Gives the terminal back at once; for last words in a signal handler too. The second time does nothing.
    package static func restoreTerminal() { herd_guard_restore() }
}
