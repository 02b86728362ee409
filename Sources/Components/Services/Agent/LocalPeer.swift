// SPDX-License-Identifier: Apache-2.0

import Content
import Synchronization

/// Who an agent is to its peers and where they dial it; known once the listener is bound.
final class LocalPeer: Sendable {
    private struct State {
        var peerID: PeerID?
        var port = 0
    }
    private let state = Mutex(State())

    /// The port; 0 before it is bound.
    var port: Int { state.withLock { $0.port } }
    /// The id; nil before the port is bound, since it may be made from that.
    var peerID: PeerID? { state.withLock { $0.peerID } }

    /// The listener is bound to `port`, and peers know it as `peerID`.
    func bound(to port: Int, as peerID: PeerID) {
        state.withLock { ($0.peerID, $0.port) = (peerID, port) }
    }
}
