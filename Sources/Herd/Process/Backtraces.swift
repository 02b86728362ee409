// SPDX-License-Identifier: Apache-2.0

import Glibc

/// How the Swift runtime tells of a crash.
enum Backtraces {
    private static let variable = "SWIFT_BACKTRACE"
    /// On a terminal the runtime would hold a crashed process at a prompt, for half a minute.
    private static let setting = "enable=yes,interactive=no,color=no"

    /// Starts the process anew with backtraces that ask nothing, unless the user has said how they shall be: the runtime
    /// reads its settings only when the process starts. Call it before anything else is done.
    static func askNothing() {
        // By its path, so that process lists still say what it is.
        guard getenv(variable) == nil, let path = realpath("/proc/self/exe", nil) else { return }
        defer { free(path) }
        setenv(variable, setting, 1)
        // Returns only when it fails, and then a crash is merely slower.
        execv(path, CommandLine.unsafeArgv)
    }
}
