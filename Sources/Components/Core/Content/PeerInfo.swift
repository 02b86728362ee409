// SPDX-License-Identifier: Apache-2.0

/// A peer as a tracker hands it out: who it is, where it listens, what it claims to be.
package struct PeerInfo: Hashable, Sendable {
    /// Who it is; its handshake must say the same.
    package var peerID: PeerID
    /// The address it announced: an IP address or a DNS name, unbracketed.
    package var ip: String
    /// Its peer port.
    package var port: Int
    /// Whether it is an origin.
    package var isOrigin: Bool
    /// Whether it has announced the whole blob.
    package var isComplete: Bool

    /// A peer `peerID` listening at `ip`:`port`.
    package init(
        peerID: PeerID,
        ip: String,
        port: Int,
        isOrigin: Bool = false,
        isComplete: Bool = false
    ) {
        (self.peerID, self.ip, self.port) = (peerID, ip, port)
        (self.isOrigin, self.isComplete) = (isOrigin, isComplete)
    }
}

/// A component's own identity in the peer protocol, as `GET /internal/peercontext` tells it.
package struct PeerContext: Hashable, Sendable {
    /// The address that others dial.
    package var ip: String
    /// The peer port.
    package var port: Int
    /// Who it is.
    package var peerID: PeerID
    /// Where it stands; empty when unknown.
    package var zone: String
    /// Its cluster; empty when unknown.
    package var cluster: String
    /// Whether it is an origin.
    package var isOrigin: Bool

    /// A component `peerID` listening at `ip`:`port`.
    package init(
        ip: String,
        port: Int,
        peerID: PeerID,
        zone: String = "",
        cluster: String = "",
        isOrigin: Bool
    ) {
        (self.ip, self.port, self.peerID, self.zone) = (ip, port, peerID, zone)
        (self.cluster, self.isOrigin) = (cluster, isOrigin)
    }
}

extension TwentyByteIdentifier {
    /// The JSON form: an array of 20 integers, as Go writes a fixed byte array.
    package var json: JSON { .array(bytes.map { .integer(Int($0)) }) }

    /// Reads the JSON form as Go does: shorter arrays are filled with zeros, longer ones cut.
    /// - Throws: `.invalidIdentifier` when it is no array of byte values.
    package init(json: JSON) throws(ContentError) {
        var bytes: [UInt8] = []
        if case .null = json {
        } else {
            guard let elements = json.array else {
                throw ContentError(
                    .invalidIdentifier,
                    what: "read identifier",
                    why: "expected an array of 20 integers"
                )
            }
            for element in elements.prefix(20) {
                guard let integer = element.integer, let byte = UInt8(exactly: integer) else {
                    throw ContentError(
                        .invalidIdentifier,
                        what: "read identifier",
                        why: "an element is not a byte"
                    )
                }
                bytes.append(byte)
            }
        }
        bytes += Array(repeating: 0, count: 20 - bytes.count)
        guard let identifier = Self(bytes: bytes) else {
            throw ContentError(.invalidIdentifier, what: "read identifier", why: "not 20 bytes")
        }
        self = identifier
    }
}

extension PeerInfo {
    /// The JSON form of announces and handouts.
    package var json: JSON {
        .object([
            .init("peer_id", peerID.json), .init("ip", .string(ip)), .init("port", .integer(port)),
            .init("origin", .bool(isOrigin)), .init("complete", .bool(isComplete)),
        ])
    }

    /// Reads the JSON form; absent truth values are false.
    /// - Throws: `.invalidJSON` or `.invalidIdentifier` naming the defect.
    package init(json: JSON) throws(ContentError) {
        guard let ip = json["ip"]?.string, !ip.isEmpty, ip.utf8.count <= 253 else {
            throw ContentError(.invalidJSON, what: "read peer", why: "no ip")
        }
        guard let port = json["port"]?.integer, (1...65535).contains(port) else {
            throw ContentError(.invalidJSON, what: "read peer", why: "port is not in 1...65535")
        }
        self.init(
            peerID: try PeerID(json: json["peer_id"] ?? .null),
            ip: ip,
            port: port,
            isOrigin: json["origin"]?.bool ?? false,
            isComplete: json["complete"]?.bool ?? false
        )
    }
}

extension PeerContext {
    /// The JSON form.
    package var json: JSON {
        .object([
            .init("ip", .string(ip)), .init("port", .integer(port)), .init("peer_id", peerID.json),
            .init("zone", .string(zone)), .init("cluster", .string(cluster)),
            .init("origin", .bool(isOrigin)),
        ])
    }

    /// Reads the JSON form.
    /// - Throws: `.invalidJSON` or `.invalidIdentifier` naming the defect.
    package init(json: JSON) throws(ContentError) {
        let peer = try PeerInfo(json: json)
        self.init(
            ip: peer.ip,
            port: peer.port,
            peerID: peer.peerID,
            zone: json["zone"]?.string ?? "",
            cluster: json["cluster"]?.string ?? "",
            isOrigin: peer.isOrigin
        )
    }
}
