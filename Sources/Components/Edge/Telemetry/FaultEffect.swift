// SPDX-License-Identifier: Apache-2.0

package import Content
package import Primitives

/// What a fault that someone switched on does to one component.
package enum FaultEffect: Hashable, Sendable {
    /// It answers everything with 503, its health and state excepted.
    case outage
    /// Its peer connections are slow.
    case throttle(LinkLimits)
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
        case .throttle(let links): "throttled: \(links.words)"
        case .partition(let others): "cut off from \(others.names.joined(separator: ", "))"
        case .corruption: "sends a wrong piece next"
        case .kill: "killed"
        }
    }
}

/// How slow a host's link to its peers is.
package struct LinkLimits: Hashable, Sendable {
    /// What it sends at most; nil: as much as ever.
    package var up: ByteRate?
    /// What it receives at most; nil: as much as ever.
    package var down: ByteRate?
    /// How much later all that it sends goes out; nil: no later.
    package var delay: Duration?

    /// A link with these limits.
    package init(up: ByteRate? = nil, down: ByteRate? = nil, delay: Duration? = nil) {
        (self.up, self.down, self.delay) = (up, down, delay)
    }

    /// A link that carries `rate` each way.
    package init(_ rate: ByteRate) { self.init(up: rate, down: rate) }

    /// The lower of both rates.
    package var rate: ByteRate? { [up, down].compactMap { $0 }.min() }

    /// The limits in words: `1 MiB/s, 50 ms late`.
    package var words: String {
        var parts: [String] = []
        if let up, up == down {
            parts.append("\(up)")
        } else {
            parts += [up.map { "up \($0)" }, down.map { "down \($0)" }].compactMap { $0 }
        }
        if let delay { parts.append("\(delay.nanoseconds / 1_000_000) ms late") }
        return parts.isEmpty ? "no limit" : parts.joined(separator: ", ")
    }

    /// What both limits leave.
    func stricter(_ other: LinkLimits) -> LinkLimits {
        LinkLimits(
            up: [up, other.up].compactMap { $0 }.min(),
            down: [down, other.down].compactMap { $0 }.min(),
            delay: [delay, other.delay].compactMap { $0 }.max()
        )
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
