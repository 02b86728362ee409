// SPDX-License-Identifier: Apache-2.0

package import Content
import Primitives

/// What an agent asks that begins to download a blob: how the blob is cut and whom to dial, at once.
///
/// On the way it tells what it has completed lately, so that this needs no announces of its own. Kraken's trackers have no
/// such endpoint.
package struct JoinRequest: Hashable, Sendable {
    /// Who asks.
    package var peer: PeerInfo
    /// Where it is complete by now.
    package var completed: [SwarmReference]

    /// Reads the body of a request; unknown keys are skipped.
    /// - Throws: `.invalidJSON`, `.invalidDigest` or `.invalidIdentifier` naming the defect; `.tooLarge` for more than
    ///   `completedMax` completed blobs.
    package init(
        parsing bytes: some Collection<UInt8>,
        completedMax: Int
    ) throws(ContentError) {
        var peer: PeerInfo?
        var completed: [SwarmReference] = []
        var scanner = AnnounceScanner(Array(bytes))
        try scanner.object { (scanner, key) throws(ContentError) in
            switch key {
            case "peer": peer = try scanner.peer()
            case "completed":
                try scanner.array { (scanner) throws(ContentError) in
                    guard completed.count < completedMax else {
                        throw ContentError(
                            .tooLarge,
                            what: "read join",
                            why: "more than \(completedMax) completed blobs"
                        )
                    }
                    completed.append(try scanner.swarm())
                }
            default: try scanner.skipValue()
            }
        }
        try scanner.finish()
        guard let peer else {
            throw ContentError(.invalidJSON, what: "read join", why: "no peer")
        }
        (self.peer, self.completed) = (peer, completed)
    }
}

extension AnnounceScanner {
    /// Reads the name of a swarm.
    fileprivate mutating func swarm() throws(ContentError) -> SwarmReference {
        var digest: Digest?
        var infoHash: InfoHash?
        try object { (scanner, key) throws(ContentError) in
            switch key {
            case "digest": digest = try Digest(parsing: try scanner.string())
            case "info_hash": infoHash = InfoHash(hex: try scanner.string())
            default: try scanner.skipValue()
            }
        }
        guard let digest, let infoHash else {
            throw defect("a completed blob without digest, or without info_hash in 40 hex digits")
        }
        return SwarmReference(digest: digest, infoHash: infoHash)
    }
}

extension AnnounceResponse {
    /// The body of the answer to a ``JoinRequest``: the blob's meta info, which is `document`, and the handout.
    package func json(with document: [UInt8]) -> [UInt8] {
        Array("{\"metainfo\":".utf8) + document + ",".utf8 + json.dropFirst()
    }
}
