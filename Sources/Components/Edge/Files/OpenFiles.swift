// SPDX-License-Identifier: Apache-2.0

import Glibc
package import NIOCore
import NIOPosix

/// The process's table of open files and sockets.
package enum OpenFiles {
    /// Raises the limit to what the system allows: a herd of many agents needs more than the usual 1024.
    package static func raiseLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0,
            limit.rlim_cur < limit.rlim_max
        else { return }
        limit.rlim_cur = limit.rlim_max
        // A refusal leaves the limit as it was; whoever meets it then reports "too many open files".
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// Makes the table large enough for a herd now, while the process has one thread: later the kernel makes the thread that
    /// needs one more entry wait until all others have seen the larger table, which is a pause of its whole event loop.
    package static func growTable() {
        let descriptor = fcntl(
            STDERR_FILENO,
            F_DUPFD_CLOEXEC,
            CInt(clamping: min(tableSize, limit - 1))
        )
        // A refusal only means that the table grows when it has to.
        if descriptor >= 0 { close(descriptor) }
    }

    /// Entries for a hundred agents with their listeners, connections and files.
    private static let tableSize = 4095

    /// The limit in force.
    package static var limit: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return .max
        }
        return Int(clamping: limit.rlim_cur)
    }

    /// Whether `channel`, just accepted, takes one of the last descriptors and has to be closed again.
    ///
    /// The system gives out the lowest free number, so a high one means that few are left. These are for files, for
    /// connections that we open, and for the libraries below: libdispatch ends the process when it cannot look into `/proc`.
    /// Call it on the channel's event loop.
    package static func isCrowded(by channel: any Channel) -> Bool {
        let limit = limitInForce
        let descriptor = try? channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(
            of: NIOBSDSocket.Handle.self
        ) { Int($0) }
        // A channel that has no descriptor takes none.
        guard let descriptor else { return false }
        return descriptor >= limit - min(reserve, limit / 4)
    }

    /// Looked up once: it is raised before the first connection, and each of them asks.
    private static let limitInForce = limit

    /// Descriptors that no incoming connection may take.
    private static let reserve = 32
}
