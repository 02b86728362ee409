// SPDX-License-Identifier: Apache-2.0

package import Content
package import Primitives

/// What a fault that someone switched on does to one component.
package enum FaultEffect: Hashable, Sendable {
    /// It answers everything with 503, its health and state excepted.
    case outage
    /// Its peer connections carry no more than so much, each way.
    case throttle(ByteRate)
    /// It neither reaches these, nor do they reach it.
    case partition(UnreachablePeers)
    /// The next piece it sends has a wrong byte. Over with that piece.
    case corruption
    /// It ends without a goodbye: what it serves is cut off, nobody is told.
    case kill

    /// The word for it in events and commands.
    package var name: String {
        switch self {
        case .outage: "outage"
        case .throttle: "throttle"
        case .partition: "partition"
        case .corruption: "corrupt"
        case .kill: "kill"
        }
    }

    /// What it does, in words.
    package var words: String {
        switch self {
        case .outage: "outage: answers 503"
        case .throttle(let rate): "throttled to \(rate)"
        case .partition(let others): "cut off from \(others.names.joined(separator: ", "))"
        case .corruption: "sends a wrong piece next"
        case .kill: "killed"
        }
    }
}

/// Those whom a partitioned component can't reach, by everything that names them.
package struct UnreachablePeers: Hashable, Sendable {
    /// Where they listen, for whatever purpose: `host:port`.
    package var addresses: Set<String>
    /// Who they are in the peer protocol.
    package var peerIDs: Set<PeerID>
    /// What people call them.
    package var names: [String]

    /// Those with `addresses` and `peerIDs`, called `names`.
    package init(addresses: Set<String>, peerIDs: Set<PeerID>, names: [String]) {
        (self.addresses, self.peerIDs, self.names) = (addresses, peerIDs, names)
    }
}
