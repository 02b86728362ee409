// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// How many event loops a process has, where sockets live: beside them stand the threads of ``BlockingPool``.
package enum EventLoops {
    /// A loop waits when the disk is slower than the network and the system holds up whoever writes; another one then has the
    /// core.
    private static let perCore = 2
    /// The loops of a process.
    package static let count = perCore * System.coreCount
}
