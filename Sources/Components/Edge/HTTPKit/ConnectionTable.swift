// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization

/// The open connections of one server, so that they can be closed when a drain takes too long.
final class ConnectionTable: Sendable {
    private let channels = Mutex<[ObjectIdentifier: any Channel]>([:])

    /// Remembers `channel` until it closes.
    func add(_ channel: any Channel) {
        let id = ObjectIdentifier(channel)
        channels.withLock { $0[id] = channel }
        channel.closeFuture.whenComplete { _ in
            self.channels.withLock { $0[id] = nil }
        }
    }

    /// The connections that are open.
    var count: Int { channels.withLock { $0.count } }

    /// Closes all of them at once.
    func closeAll() {
        let open = channels.withLock { Array($0.values) }
        for channel in open { channel.close(promise: nil) }
    }
}
