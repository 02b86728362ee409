// SPDX-License-Identifier: Apache-2.0

package import Content
import Primitives

/// What a peer tells a tracker: that it is in a swarm, and how far it is.
///
/// The document is Kraken's, with one key of ours: `"leaving": true` takes the peer out of the swarm at once. Kraken's
/// trackers skip it; a peer that leaves says it is complete as well, so that it gets no handout from those.
/// - Source: uber/kraken tracker/announceclient/client.go.
package struct AnnounceRequest: Hashable, Sendable {
    /// The swarm as the body names it; nil when it does not. The second form of the request names it in the path.
    package var infoHash: InfoHash?
    /// The blob.
    package var digest: Digest
    /// Who announces.
    package var peer: PeerInfo
    /// Whether it leaves the swarm.
    package var isLeaving: Bool

    /// `peer` is in the swarm `infoHash` of `digest`.
    package init(infoHash: InfoHash?, digest: Digest, peer: PeerInfo, isLeaving: Bool = false) {
        (self.infoHash, self.digest, self.peer) = (infoHash, digest, peer)
        self.isLeaving = isLeaving
    }
}

/// What a tracker answers: whom to dial, and when to ask again.
package struct AnnounceResponse: Hashable, Sendable {
    /// The peers in the order in which to dial them; nil for one that is complete.
    package var peers: [PeerInfo]?
    /// How long to wait before the next announce; on the wire in nanoseconds.
    package var interval: Duration

    /// `peers`, and again after `interval`.
    package init(peers: [PeerInfo]?, interval: Duration) {
        (self.peers, self.interval) = (peers, interval)
    }
}

// MARK: - Reading

extension AnnounceRequest {
    /// Reads the body of an announce: keys in any order and case, unknown ones skipped.
    /// - Throws: `.invalidJSON`, `.invalidDigest` or `.invalidIdentifier` naming the defect.
    package init(parsing bytes: some Collection<UInt8>) throws(ContentError) {
        var name: String?
        var digestText: String?
        var infoHash: InfoHash?
        var peer: PeerInfo?
        var isLeaving = false
        var scanner = AnnounceScanner(Array(bytes))
        try scanner.object { (scanner, key) throws(ContentError) in
            switch key {
            case "name": name = try scanner.takeNull() ? nil : try scanner.string()
            case "digest": digestText = try scanner.takeNull() ? nil : try scanner.string()
            case "info_hash":
                infoHash =
                    try scanner.takeNull()
                    ? nil : InfoHash(bytes: try scanner.byteArray(count: InfoHash.byteCount))
            case "peer": peer = try scanner.takeNull() ? nil : try scanner.peer()
            case "leaving": isLeaving = try scanner.bool()
            default: try scanner.skipValue()
            }
        }
        try scanner.finish()
        guard let peer else {
            throw ContentError(.invalidJSON, what: "read announce", why: "no peer")
        }
        let digest = try Self.digest(digestText: digestText, name: name)
        self.init(infoHash: infoHash, digest: digest, peer: peer, isLeaving: isLeaving)
    }

    /// The digest where there is one, else the blob's name, which is its hash alone.
    private static func digest(digestText: String?, name: String?) throws(ContentError) -> Digest {
        if let digestText, !digestText.isEmpty { return try Digest(parsing: digestText) }
        guard let name, let digest = Digest(hex: name) else {
            throw ContentError(
                .invalidDigest,
                what: "read announce",
                why: "neither digest nor name is a SHA-256 digest"
            )
        }
        return digest
    }
}

extension AnnounceScanner {
    /// Reads a peer.
    mutating func peer() throws(ContentError) -> PeerInfo {
        var peerIDBytes: [UInt8]?
        var ip = ""
        var port = 0
        var (isOrigin, isComplete) = (false, false)
        try object { (scanner, key) throws(ContentError) in
            switch key {
            case "peer_id": peerIDBytes = try scanner.byteArray(count: PeerID.byteCount)
            case "ip": ip = try scanner.string()
            case "port": port = try scanner.integer()
            case "origin": isOrigin = try scanner.bool()
            case "complete": isComplete = try scanner.bool()
            default: try scanner.skipValue()
            }
        }
        guard let peerIDBytes, let peerID = PeerID(bytes: peerIDBytes) else {
            throw defect("a peer without peer_id")
        }
        guard Self.isHost(ip) else { throw defect("ip is neither an address nor a host name") }
        guard (1...65_535).contains(port) else { throw defect("port is not in 1...65535") }
        return PeerInfo(
            peerID: peerID,
            ip: ip,
            port: port,
            isOrigin: isOrigin,
            isComplete: isComplete
        )
    }

    /// Whether `text` has only the characters of addresses and host names: others get it verbatim and will dial it.
    private static func isHost(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 253
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"),
                    UInt8(ascii: "_"), UInt8(ascii: ":"), UInt8(ascii: "%"):
                    true
                default: false
                }
            }
    }
}

extension AnnounceResponse {
    /// Reads the body of an answer.
    /// - Throws: `.invalidJSON` or `.invalidIdentifier` naming the defect.
    package init(parsing bytes: some Collection<UInt8>) throws(ContentError) {
        let document = try JSON(parsing: bytes)
        guard let nanoseconds = document["interval"]?.integer, nanoseconds >= 0 else {
            throw ContentError(.invalidJSON, what: "read handout", why: "no interval")
        }
        var peers: [PeerInfo]?
        if let elements = document["peers"]?.array {
            var list: [PeerInfo] = []
            list.reserveCapacity(elements.count)
            for element in elements { list.append(try PeerInfo(json: element)) }
            peers = list
        }
        self.init(peers: peers, interval: .nanoseconds(Int64(nanoseconds)))
    }
}

// MARK: - Writing

extension AnnounceRequest {
    /// The body of an announce, with Kraken's keys in its order.
    package var json: [UInt8] {
        var text = AnnounceWriter()
        text.append("{\"name\":\"")
        text.append(digest.hex)
        text.append("\",\"digest\":\"")
        text.append(digest.description)
        text.append("\",\"info_hash\":")
        if let infoHash { text.append(identifier: infoHash.words) } else { text.append("null") }
        text.append(",\"peer\":")
        text.append(peer: peer)
        if isLeaving { text.append(",\"leaving\":true") }
        text.append("}")
        return text.bytes
    }
}

extension AnnounceResponse {
    /// The body of an answer, with Kraken's keys in its order and its trailing newline.
    package var json: [UInt8] {
        var text = AnnounceWriter()
        text.bytes.reserveCapacity(64 + 192 * (peers?.count ?? 0))
        if let peers {
            text.append("{\"peers\":[")
            for (index, peer) in peers.enumerated() {
                if index > 0 { text.append(",") }
                text.append(peer: peer)
            }
            text.append("],\"interval\":")
        } else {
            text.append("{\"peers\":null,\"interval\":")
        }
        text.append("\(interval.nanoseconds)")
        text.append("}\n")
        return text.bytes
    }
}

/// Writes announces and handouts without the general `JSON` value in between: a handout has a thousand small integers.
private struct AnnounceWriter {
    var bytes: [UInt8] = []

    mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    mutating func append(identifier words: TwentyByteWords) {
        // Two brackets and twenty times three digits and a comma at most.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 82) { buffer in
            buffer[0] = UInt8(ascii: "[")
            var count = 1
            for index in 0..<20 {
                if index > 0 {
                    buffer[count] = UInt8(ascii: ",")
                    count += 1
                }
                let byte = Self.byte(index, of: words)
                if byte >= 100 {
                    buffer[count] = UInt8(ascii: "0") + byte / 100
                    count += 1
                }
                if byte >= 10 {
                    buffer[count] = UInt8(ascii: "0") + byte / 10 % 10
                    count += 1
                }
                buffer[count] = UInt8(ascii: "0") + byte % 10
                count += 1
            }
            buffer[count] = UInt8(ascii: "]")
            bytes.append(contentsOf: buffer[...count])
        }
    }

    private static func byte(_ index: Int, of words: TwentyByteWords) -> UInt8 {
        switch index {
        case 0..<8: UInt8(truncatingIfNeeded: words.first >> UInt64(56 - index * 8))
        case 8..<16: UInt8(truncatingIfNeeded: words.second >> UInt64(120 - index * 8))
        default: UInt8(truncatingIfNeeded: words.third >> UInt32(152 - index * 8))
        }
    }

    mutating func append(peer: PeerInfo) {
        append("{\"peer_id\":")
        append(identifier: peer.peerID.words)
        append(",\"ip\":")
        append(string: peer.ip)
        append(",\"port\":")
        append("\(peer.port)")
        append(peer.isOrigin ? ",\"origin\":true" : ",\"origin\":false")
        append(peer.isComplete ? ",\"complete\":true}" : ",\"complete\":false}")
    }

    private mutating func append(string: String) {
        let isPlain = string.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x22 && $0 != 0x5c }
        if isPlain {
            bytes.append(UInt8(ascii: "\""))
            bytes.append(contentsOf: string.utf8)
            bytes.append(UInt8(ascii: "\""))
        } else {
            bytes.append(contentsOf: JSON.string(string).utf8)
        }
    }
}
